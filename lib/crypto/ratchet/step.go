package ratchet

import (
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/sntrup"
)

// step is DHRatchetPQ2HE: new receiving and sending chains from the peer's
// new keys. It changes s only if there is no error.
//
// pqdr: Decrypting messages.
func (s *State) step(src source, h *header) error {
	pq, err := s.stepKEM(src, h.kem)
	if err != nil {
		return err
	}
	defer pq.wipe()
	shared, err := s.dh.with(h.dh)
	if err != nil {
		return fmt.Errorf("ratchet: step: %w", err)
	}
	dh := src.dhKey()
	shared2, err := dh.with(h.dh)
	if err != nil {
		return fmt.Errorf("ratchet: step: %w", err)
	}
	rcv, snd := new(chainState), new(chainState)
	rcv.header, snd.header = s.nextRcv, s.nextSnd
	s.root, rcv.key, s.nextRcv = rootKDF(s.root, shared, pq.received)
	s.root, snd.key, s.nextSnd = rootKDF(s.root, shared2, pq.sent)
	s.dh, s.kem, s.rcv, s.snd = dh, pq.state, rcv, snd
	s.rcvKEM, s.sndKEM = pq.received != nil, pq.sent != nil
	s.enable = s.rcvKEM || s.sndKEM || pq.state != nil
	s.support = supportAfter(s.current, s.support, s.enable)
	s.pn, s.ns, s.nr = s.ns, 0, 0
	return nil
}

// kemStep is what the KEM gives to a step.
type kemStep struct {
	received, sent []byte // the secrets of the two chains, nil for none
	state          *kemState
}

func (k *kemStep) wipe() {
	clear(k.received)
	clear(k.sent)
}

// stepKEM answers what the peer's header says of the KEM (pqdr: KEM state
// machine):
//
//	header      asked for here         not asked for
//	nothing     drop own key, if       drop own key
//	            none propose one
//	proposal    accept it              ignore it
//	acceptance  decapsulate, accept    decapsulate, drop own key
//	            the key in it
func (s *State) stepKEM(src source, theirs *KEMParams) (kemStep, error) {
	var r kemStep
	wanted := bool(s.enable) && s.current >= VersionPQ
	if theirs == nil {
		if s.kem != nil || !wanted {
			return r, nil
		}
		k, err := src.kemKey()
		if err != nil {
			return r, err
		}
		r.state = &kemState{key: k}
		return r, nil
	}
	if theirs.Accepted() {
		if s.kem == nil {
			return r, ErrKEMState
		}
		r.received = s.kem.key.Decapsulate(theirs.Ciphertext)
	}
	if !wanted {
		return r, nil
	}
	err := r.accept(src, theirs.Key)
	return r, err
}

// accept makes a secret for the peer's key and an own key for its answer.
func (k *kemStep) accept(src source, theirs *sntrup.PublicKey) error {
	ct, secret, err := src.encapsulate(theirs)
	if err != nil {
		return err
	}
	own, err := src.kemKey()
	if err != nil {
		return err
	}
	k.sent, k.state = secret, &kemState{key: own, ct: ct}
	return nil
}
