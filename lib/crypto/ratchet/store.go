package ratchet

import (
	"encoding"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/sntrup"
	"github.com/simplexkit/simplexkit/lib/wire"
)

var (
	_ encoding.BinaryAppender    = (*State)(nil)
	_ encoding.BinaryUnmarshaler = (*State)(nil)
	_ encoding.BinaryAppender    = (*Private)(nil)
	_ encoding.BinaryUnmarshaler = (*Private)(nil)
)

const stateFormat = 1

// The flags of a stored state, in the order of the bits.
const (
	flagSupport = 1 << iota
	flagEnable
	flagSndKEM
	flagRcvKEM
	flagSnd
	flagRcv
	flagKEM
	flagKEMCiphertext
)

func (s *State) flags() byte {
	var f byte
	for i, on := range []bool{
		bool(s.support), bool(s.enable), bool(s.sndKEM), bool(s.rcvKEM),
		s.snd != nil, s.rcv != nil, s.kem != nil, s.kem != nil && s.kem.ct != nil,
	} {
		if on {
			f |= 1 << i
		}
	}
	return f
}

// AppendBinary appends the stored form, about 450 bytes or 3300 with the KEM:
//
//	1 format ‖ 1 flags ‖ 2 current version ‖ 2 max version ‖ 4 Ns ‖ 4 Nr ‖ 4 PN
//	‖ 112 associated data ‖ 56 DH private ‖ 56 DH public ‖ 32 root key
//	‖ 32 next sending and 32 next receiving header key
//	‖ [32 chain key ‖ 32 header key] of sending, the same of receiving
//	‖ [1763 KEM secret key] ‖ [1039 KEM ciphertext]
//
// It has all keys of the connection: it is for the owner's disk only.
func (s *State) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, stateFormat, s.flags())
	b = wire.AppendUint16(b, uint16(s.current))
	b = wire.AppendUint16(b, uint16(s.max))
	for _, n := range []uint32{s.ns, s.nr, s.pn} {
		b = wire.AppendUint32(b, n)
	}
	for _, part := range [][]byte{s.ad[:], s.dh.priv[:], s.dh.pub[:], s.root[:], s.nextSnd[:], s.nextRcv[:]} {
		b = append(b, part...)
	}
	for _, c := range []*chainState{s.snd, s.rcv} {
		if c != nil {
			b = append(append(b, c.key[:]...), c.header[:]...)
		}
	}
	if s.kem != nil {
		b = s.kem.key.AppendRaw(b)
		if s.kem.ct != nil {
			b = append(b, s.kem.ct[:]...)
		}
	}
	return b, nil
}

// UnmarshalBinary reads the stored form and copies what it keeps. The error
// wraps [ErrStored] and does not hold the input.
func (s *State) UnmarshalBinary(b []byte) error {
	d := wire.NewDecoder(b)
	format, flags := d.Byte(), d.Byte()
	if d.Err() == nil && format != stateFormat {
		return fmt.Errorf("%w: state in format %d", ErrStored, format)
	}
	n := State{
		current: d.Version(), max: d.Version(),
		ns: d.Uint32(), nr: d.Uint32(), pn: d.Uint32(),
		support: flags&flagSupport != 0, enable: flags&flagEnable != 0,
		sndKEM: flags&flagSndKEM != 0, rcvKEM: flags&flagRcvKEM != 0,
	}
	copy(n.ad[:], d.Bytes(adSize))
	copy(n.dh.priv[:], d.Bytes(key.X448.Size()))
	copy(n.dh.pub[:], d.Bytes(key.X448.Size()))
	for _, k := range [][]byte{n.root[:], n.nextSnd[:], n.nextRcv[:]} {
		copy(k, d.Bytes(32))
	}
	if flags&flagSnd != 0 {
		n.snd = readChain(d)
	}
	if flags&flagRcv != 0 {
		n.rcv = readChain(d)
	}
	if flags&flagKEM != 0 {
		n.kem = readKEMState(d, flags&flagKEMCiphertext != 0)
	}
	if d.Done() != nil || flags&flagKEM == 0 && flags&flagKEMCiphertext != 0 {
		return fmt.Errorf("%w: state of %d bytes", ErrStored, len(b))
	}
	*s = n
	return nil
}

func readChain(d *wire.Decoder) *chainState {
	c := new(chainState)
	copy(c.key[:], d.Bytes(32))
	copy(c.header[:], d.Bytes(32))
	return c
}

func readKEMState(d *wire.Decoder, withCiphertext bool) *kemState {
	raw := d.Bytes(sntrup.SecretKeySize)
	var ct []byte
	if withCiphertext {
		ct = d.Bytes(sntrup.CiphertextSize)
	}
	if d.Err() != nil {
		return nil
	}
	k := new(kemState)
	k.key, _ = sntrup.ParseSecretKey(raw) // of the right size
	if withCiphertext {
		k.ct, _ = sntrup.ParseCiphertext(ct)
	}
	return k
}
