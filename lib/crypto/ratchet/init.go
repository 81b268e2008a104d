package ratchet

import (
	"bytes"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// agreement is the outcome of X3DH.
type agreement struct {
	ad      [adSize]byte // raw first keys of the joiner and of the inviter
	header  HeaderKey    // of the joiner's first messages
	next    HeaderKey    // of the inviter's first messages
	root    [32]byte
	kem     *kemState // own KEM key in use, nil without
	kemUsed []byte    // the KEM secret that was mixed in, nil without
}

// InitSnd makes the state of the party who joins: own is what [GenerateSnd]
// made for peer. maxVersion is the highest version to offer in messages, zero
// for [VersionCurrent]. The errors are [ErrVersion], [ErrKEMState] and
// key.ErrLowOrder.
func InitSnd(own *Private, peer Params, maxVersion wire.Version) (*State, error) {
	return initSnd(own, peer, maxVersion, newDHKey())
}

func initSnd(own *Private, peer Params, maxVersion wire.Version, dh dhKey) (*State, error) {
	s, err := newState(peer, maxVersion)
	if err != nil {
		return nil, err
	}
	a, err := agreeSnd(own, peer)
	if err != nil {
		return nil, err
	}
	secret, err := dh.with(peer.Key2)
	if err != nil {
		return nil, fmt.Errorf("ratchet: first step: %w", err)
	}
	var chain [32]byte
	var next HeaderKey
	s.root, chain, next = rootKDF(a.root, secret, a.kemUsed)
	s.ad, s.dh, s.kem = a.ad, dh, a.kem
	s.support, s.enable = a.kem != nil, a.kem != nil
	s.sndKEM = a.kemUsed != nil
	s.snd = &chainState{key: chain, header: a.header}
	s.nextSnd, s.nextRcv = next, a.next
	return s, nil
}

// InitRcv makes the state of the party who made the invitation: own is what
// [GenerateRcv] made, peer what came in the confirmation. The state cannot
// encrypt before it has decrypted. maxVersion and errors are those of
// [InitSnd].
func InitRcv(own *Private, peer Params, pq PQSupport, maxVersion wire.Version) (*State, error) {
	s, err := newState(peer, maxVersion)
	if err != nil {
		return nil, err
	}
	a, err := agreeRcv(own, peer)
	if err != nil {
		return nil, err
	}
	s.ad, s.dh, s.kem, s.root = a.ad, dhKeyOf(own.key2), a.kem, a.root
	s.support, s.enable = pq, PQEncryption(pq)
	s.nextSnd, s.nextRcv = a.next, a.header
	return s, nil
}

// InitSync makes the state of one of two parties who replace a broken ratchet
// and sent each other new parameters of [GenerateRcv]: the one with the
// greater hash takes the joiner's part. It is to send the first message
// (EREADY), and sends is true for it.
func InitSync(own *Private, peer Params, pq PQSupport, maxVersion wire.Version) (s *State, sends bool, err error) {
	mine, theirs := own.Params().Hash(), peer.Hash()
	if bytes.Compare(mine[:], theirs[:]) <= 0 {
		s, err = InitRcv(own, peer, pq, maxVersion)
		return s, false, err
	}
	s, err = InitSnd(own, peer, maxVersion)
	return s, true, err
}

func newState(peer Params, maxVersion wire.Version) (*State, error) {
	if !SupportedVersions().Contains(peer.Version) {
		return nil, fmt.Errorf("%w %d", ErrVersion, peer.Version)
	}
	if maxVersion == 0 {
		maxVersion = VersionCurrent
	}
	return &State{current: peer.Version, max: maxVersion}, nil
}

// agreeSnd is X3DH of the joiner. Both parties may propose a KEM key when
// they synchronise ratchets: then no KEM secret is used yet.
func agreeSnd(own *Private, peer Params) (*agreement, error) {
	var state *kemState
	var secret []byte
	if own.kem != nil && peer.Version >= VersionPQ {
		state = &kemState{key: own.kem.key, ct: own.kem.ct}
		secret = own.kem.shared
		if own.kem.ct != nil && (peer.KEM == nil || peer.KEM.Accepted()) {
			return nil, ErrKEMState
		}
	}
	dhs, err := agreeDH(own.key2, peer.Key1, own.key1, peer.Key2, own.key2, peer.Key2)
	if err != nil {
		return nil, err
	}
	return x3dh(own.key1.Public(), peer.Key1, dhs, state, secret), nil
}

// agreeRcv is X3DH of the inviter.
func agreeRcv(own *Private, peer Params) (*agreement, error) {
	var state *kemState
	var secret []byte
	if peer.KEM.Accepted() && peer.Version >= VersionPQ {
		if own.kem == nil {
			return nil, ErrKEMState
		}
		secret = own.kem.key.Decapsulate(peer.KEM.Ciphertext)
		state = &kemState{key: own.kem.key, ct: peer.KEM.Ciphertext}
	}
	dhs, err := agreeDH(own.key1, peer.Key2, own.key2, peer.Key1, own.key2, peer.Key2)
	if err != nil {
		return nil, err
	}
	return x3dh(peer.Key1, own.key1.Public(), dhs, state, secret), nil
}

// agreeDH joins the three DH secrets.
func agreeDH(k1 *key.X448Private, p1 key.X448Public, k2 *key.X448Private, p2 key.X448Public,
	k3 *key.X448Private, p3 key.X448Public) ([]byte, error) {
	out := make([]byte, 0, 3*56+32)
	for _, pair := range []struct {
		k *key.X448Private
		p key.X448Public
	}{{k1, p1}, {k2, p2}, {k3, p3}} {
		s, err := pair.k.DH(pair.p)
		if err != nil {
			return nil, fmt.Errorf("ratchet: X3DH: %w", err)
		}
		out = append(out, s...)
	}
	return out, nil
}

// x3dh derives the first keys from the secrets.
//
// pqdr: Initialization.
func x3dh(joiner, inviter key.X448Public, dhs []byte, kem *kemState, secret []byte) *agreement {
	dhs = append(dhs, secret...)
	out := box.HKDF(make([]byte, 64), dhs, "SimpleXX3DH", 96)
	clear(dhs)
	a := &agreement{kem: kem, kemUsed: secret}
	copy(a.ad[copy(a.ad[:], joiner[:]):], inviter[:])
	a.header, a.next, a.root = HeaderKey(out[:32]), HeaderKey(out[32:64]), [32]byte(out[64:])
	clear(out)
	return a
}
