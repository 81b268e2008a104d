package ratchet

import (
	"errors"
	"fmt"
	"slices"

	"github.com/simplexkit/simplexkit/lib/wire"
)

// Decrypted is what Decrypt makes of a message.
type Decrypted struct {
	// Next replaces the state and is to be stored together with Skipped. It
	// is nil if nothing changes; it can be there with an error too.
	Next    *State
	Skipped SkippedDiff
	// Plain is the message without padding; nil if and only if there is an
	// error.
	Plain []byte
	// Advanced tells that the message began a new chain: the DH ratchet made
	// a step.
	Advanced bool
}

// Decrypt opens a message with the state or with a skipped key. Whenever
// Next is not nil it is to be stored, so that a message's key is used once
// even if the body was damaged:
//
//	error                                         Next
//	none                                          yes
//	ErrBody, ErrDuplicate, *EarlierError,         yes
//	*SkippedError in the chain of the message
//	ErrHeader, ErrSyntax, ErrKEMState, others,    nil
//	*SkippedError, *EarlierError, ErrDuplicate
//	at the end of the previous chain
//
// skipped may be nil for none. msg is not changed and not kept.
func (s *State) Decrypt(skipped SkippedKeys, msg []byte) (Decrypted, error) {
	if skipped == nil {
		skipped = SkippedMap(nil)
	}
	return s.decrypt(cryptoSource{}, skipped, msg)
}

func (s *State) decrypt(src source, skipped SkippedKeys, b []byte) (Decrypted, error) {
	m, err := parseMessage(b)
	if err != nil {
		return Decrypted{}, err
	}
	if s.rcv != nil {
		h, err := m.open(s.rcv.header, s.ad[:])
		if err == nil {
			return s.decryptSame(skipped, m, h)
		}
		if !errors.Is(err, ErrHeader) {
			return Decrypted{}, err
		}
	}
	h, err := m.open(s.nextRcv, s.ad[:])
	if err == nil {
		return s.decryptNext(src, m, h)
	}
	if !errors.Is(err, ErrHeader) {
		return Decrypted{}, err
	}
	return s.decryptOld(skipped, m)
}

// decryptSame opens a message of the receiving chain.
func (s *State) decryptSame(skipped SkippedKeys, m *message, h *header) (Decrypted, error) {
	if h.n < s.nr {
		if k, ok, err := skipped.MessageKey(s.rcv.header, h.n); err != nil {
			return Decrypted{}, fmt.Errorf("ratchet: skipped keys: %w", err)
		} else if ok {
			return s.decryptSkipped(SkippedKey{Chain: s.rcv.header, N: h.n, Key: k}, m)
		}
	}
	next := s.copyOf()
	next.upgrade(h.max)
	return next.decryptChain(nil, m, h)
}

// decryptNext opens the first message received of the next chain.
func (s *State) decryptNext(src source, m *message, h *header) (Decrypted, error) {
	next := s.copyOf()
	next.upgrade(h.max)
	add, err := next.skipTo(h.pn, nil)
	if err != nil {
		return Decrypted{}, err
	}
	if err := next.step(src, h); err != nil {
		return Decrypted{}, err
	}
	r, err := next.decryptChain(add, m, h)
	r.Advanced = true
	return r, err
}

// decryptOld opens a message of a chain that has ended.
func (s *State) decryptOld(skipped SkippedKeys, m *message) (Decrypted, error) {
	chains, err := skipped.HeaderKeys()
	if err != nil {
		return Decrypted{}, fmt.Errorf("ratchet: skipped keys: %w", err)
	}
	for _, chain := range chains {
		h, err := m.open(chain, s.ad[:])
		if errors.Is(err, ErrHeader) {
			continue
		}
		if err != nil {
			return Decrypted{}, err
		}
		k, ok, err := skipped.MessageKey(chain, h.n)
		if err != nil {
			return Decrypted{}, fmt.Errorf("ratchet: skipped keys: %w", err)
		}
		if !ok {
			return Decrypted{}, ErrHeader
		}
		return s.decryptSkipped(SkippedKey{Chain: chain, N: h.n, Key: k}, m)
	}
	return Decrypted{}, ErrHeader
}

// decryptSkipped uses up a skipped key; the state stays the same.
func (s *State) decryptSkipped(k SkippedKey, m *message) (Decrypted, error) {
	plain, err := m.openBody(k.Key, s.ad[:])
	r := Decrypted{Next: s, Plain: plain}
	r.Skipped.Remove = &SkippedKey{Chain: k.Chain, N: k.N}
	return r, err
}

// decryptChain opens a message of the receiving chain of s, which it changes.
// add are the skipped keys of the chain before.
func (s *State) decryptChain(add []SkippedKey, m *message, h *header) (Decrypted, error) {
	r := Decrypted{Next: s, Skipped: SkippedDiff{Add: add}}
	all, err := s.skipTo(h.n, add)
	if err != nil {
		return r, err
	}
	r.Skipped.Add = all
	chain, mk, _ := chainKDF(s.rcv.key)
	s.rcv = &chainState{key: chain, header: s.rcv.header}
	s.nr++
	r.Plain, err = m.openBody(mk, s.ad[:])
	clear(mk[:])
	return r, err
}

// upgrade raises the version of the messages sent to what both sides speak.
func (s *State) upgrade(peerMax wire.Version) {
	s.current = max(s.current, min(peerMax, s.max))
}

// skipTo adds the keys of the messages before number n of the receiving chain
// to keys. With an error nothing has changed.
func (s *State) skipTo(n uint32, keys []SkippedKey) ([]SkippedKey, error) {
	if s.rcv == nil {
		return keys, nil
	}
	next, until := uint64(s.nr), uint64(n)
	switch {
	case next > until+1:
		return nil, &EarlierError{Count: uint32(next - until - 1)}
	case next == until+1:
		return nil, ErrDuplicate
	case next+MaxSkip < until:
		return nil, &SkippedError{Count: uint32(min(until+1-next, 1<<32-1))}
	case next == until:
		return keys, nil
	}
	keys = slices.Grow(keys, int(n-s.nr))
	c := *s.rcv
	for ; s.nr < n; s.nr++ {
		chain, mk, _ := chainKDF(c.key)
		keys = append(keys, SkippedKey{Chain: c.header, N: s.nr, Key: mk})
		c.key = chain
	}
	s.rcv = &c
	return keys, nil
}
