package ratchet

import (
	"crypto/sha256"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/sntrup"
	"github.com/simplexkit/simplexkit/lib/wire"
)

const adSize = 2 * 56

// State is one side of a double ratchet. Methods never change their receiver,
// so a State may be read at once from several goroutines; but only one of the
// states that follow it may be used: encrypting twice from one State gives
// two messages with one key. It cannot be compared or printed.
type State struct {
	_ [0]func()

	current wire.Version // of the messages sent
	max     wire.Version // offered in headers

	ad      [adSize]byte // bound to every message
	dh      dhKey        // own DH key, its public half goes out in headers
	kem     *kemState    // own KEM key, its public half too; nil without
	support PQSupport    // headers are large
	enable  PQEncryption // use the KEM in the next step
	sndKEM  PQEncryption // the sending chain was made with a KEM secret
	rcvKEM  PQEncryption // the receiving chain was

	root             [32]byte
	snd, rcv         *chainState // nil until the first step; never changed in place
	ns, nr           uint32      // numbers of the next messages
	pn               uint32      // length of the previous sending chain
	nextSnd, nextRcv HeaderKey   // of the chains after the next step
}

// kemState is never changed in place.
type kemState struct {
	key *sntrup.SecretKey
	ct  *sntrup.Ciphertext // for the peer's last key; nil in a proposal
}

// chainState is never changed in place.
type chainState struct {
	key    [32]byte
	header HeaderKey
}

// Digest is SHA-256 of what both sides have bound to every message, their first
// keys: it is the same on both sides if nobody stands between them.
func (s *State) Digest() [sha256.Size]byte { return sha256.Sum256(s.ad[:]) }

// Version is that of the messages sent. It goes up when the peer's headers
// offer more and this side does too.
func (s *State) Version() wire.Version { return s.current }

// PQSupport tells whether headers are the large ones.
func (s *State) PQSupport() PQSupport { return s.support }

// PQEnabled tells whether this side asks for the KEM.
func (s *State) PQEnabled() PQEncryption { return s.enable }

// SndPQ tells whether a KEM secret protects what is sent.
func (s *State) SndPQ() PQEncryption { return s.sndKEM }

// RcvPQ tells whether a KEM secret protects what is received. After Decrypt
// it speaks of that message, unless the message was one that was skipped.
func (s *State) RcvPQ() PQEncryption { return s.rcvKEM }

// CanEncrypt is false for the inviter until it has decrypted a message.
func (s *State) CanEncrypt() bool { return s.snd != nil }

// Format prints "ratchet-state" for every verb.
func (s *State) Format(f fmt.State, _ rune) { fmt.Fprint(f, "ratchet-state") }

// MarshalText gives "ratchet-state", so that JSON and logs cannot leak keys.
func (s *State) MarshalText() ([]byte, error) { return []byte("ratchet-state"), nil }

// Forget overwrites the keys of s that next does not use; call it once next
// is on disk. next may be nil, then all are overwritten. s is unusable
// afterwards.
func (s *State) Forget(next *State) {
	if next == s {
		return
	}
	if s.kem != nil && (next == nil || next.kem == nil || next.kem.key != s.kem.key) {
		s.kem.key.Wipe()
	}
	if s.snd != nil && (next == nil || next.snd != s.snd) {
		*s.snd = chainState{}
	}
	if s.rcv != nil && (next == nil || next.rcv != s.rcv) {
		*s.rcv = chainState{}
	}
	clear(s.dh.priv[:])
	clear(s.root[:])
	clear(s.nextSnd[:])
	clear(s.nextRcv[:])
}

// copyOf shares the parts that never change in place.
func (s *State) copyOf() *State {
	n := *s
	return &n
}
