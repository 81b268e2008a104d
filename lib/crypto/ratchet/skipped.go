package ratchet

import "fmt"

// MaxSkip is how many messages may be missing before a received one: a larger
// gap is refused, as it would cost the receiver work and storage.
const MaxSkip = 512

// HeaderKey opens the headers of one chain. As it is a secret it prints as
// "header-key".
type HeaderKey [32]byte

// Format prints "header-key" for every verb.
func (HeaderKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, "header-key") }

// MarshalText gives "header-key", so that JSON and logs cannot leak the key.
func (HeaderKey) MarshalText() ([]byte, error) { return []byte("header-key"), nil }

// MessageKey opens one message: 32 bytes key, 16 bytes IV. It prints as
// "message-key".
type MessageKey [32 + ivSize]byte

// Format prints "message-key" for every verb.
func (MessageKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, "message-key") }

// MarshalText gives "message-key", so that JSON and logs cannot leak the key.
func (MessageKey) MarshalText() ([]byte, error) { return []byte("message-key"), nil }

// SkippedKeys are the keys of messages that were skipped and may still come:
// a view of the caller's store. A message that comes in order asks for
// nothing. An error stops Decrypt, which returns it and changes no state.
type SkippedKeys interface {
	// HeaderKeys lists the chains that have keys, each once, in any order.
	HeaderKeys() ([]HeaderKey, error)
	// MessageKey looks one up.
	MessageKey(chain HeaderKey, n uint32) (key MessageKey, ok bool, err error)
}

// SkippedKey is the key of message N of a chain.
type SkippedKey struct {
	Chain HeaderKey
	N     uint32
	Key   MessageKey
}

// SkippedDiff is what a decrypted message changes in [SkippedKeys]. The
// caller applies it in the transaction that stores the next state.
type SkippedDiff struct {
	// Remove is the key that was used, nil for none. Its Key is zero.
	Remove *SkippedKey
	// Add are new keys, at most 2 × [MaxSkip].
	Add []SkippedKey
}

// Empty tells that there is nothing to apply.
func (d *SkippedDiff) Empty() bool { return d.Remove == nil && len(d.Add) == 0 }

// SkippedMap is [SkippedKeys] in memory.
type SkippedMap map[HeaderKey]map[uint32]MessageKey

var _ SkippedKeys = SkippedMap(nil)

// HeaderKeys lists the chains.
func (m SkippedMap) HeaderKeys() ([]HeaderKey, error) {
	keys := make([]HeaderKey, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	return keys, nil
}

// MessageKey looks one up; it never fails.
func (m SkippedMap) MessageKey(chain HeaderKey, n uint32) (MessageKey, bool, error) {
	k, ok := m[chain][n]
	return k, ok, nil
}

// Apply changes m, which must not be nil, by d.
func (m SkippedMap) Apply(d SkippedDiff) {
	if r := d.Remove; r != nil {
		delete(m[r.Chain], r.N)
		if len(m[r.Chain]) == 0 {
			delete(m, r.Chain)
		}
	}
	for _, k := range d.Add {
		if m[k.Chain] == nil {
			m[k.Chain] = make(map[uint32]MessageKey)
		}
		m[k.Chain][k.N] = k.Key
	}
}
