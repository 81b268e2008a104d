package box

import (
	"crypto/subtle"
	"encoding/binary"

	//lint:ignore SA1019 the construction is NaCl's, for data that comes in pieces
	"golang.org/x/crypto/poly1305"
	//lint:ignore SA1019 as above
	"golang.org/x/crypto/salsa20/salsa"
)

// Stream seals or opens one message piece by piece; the tag goes last:
//
//	sealed = XSalsa20 ciphertext ‖ tag (16), Poly1305 over the ciphertext
//
// The bytes of both parts are those of [Key.Seal] with the same nonce. What
// [Stream.Open] gives out is not authentic before [Stream.Verify] has said so:
// it may go to a temporary file, and no further. One direction a stream; not
// for concurrent use.
type Stream struct {
	mac     *poly1305.MAC
	key     [32]byte
	counter [16]byte // nonce[16:], then the number of the next block, little endian
	block   [64]byte // key stream
	used    int      // of block
}

// NewStream begins a message.
func (k *Key) NewStream(n Nonce) *Stream {
	s := &Stream{}
	salsa.HSalsa20(&s.key, (*[16]byte)(n[:16]), &k.p().sub, &salsa.Sigma)
	copy(s.counter[:8], n[16:])
	s.nextBlock()
	s.mac = poly1305.New((*[32]byte)(s.block[:32]))
	s.used = 32
	return s
}

// Seal appends the ciphertext of a piece of the message to dst.
func (s *Stream) Seal(dst, piece []byte) []byte {
	at := len(dst)
	dst = s.xor(dst, piece)
	_, _ = s.mac.Write(dst[at:]) // a MAC never returns an error
	return dst
}

// Open appends the message inside a piece of the ciphertext to dst.
func (s *Stream) Open(dst, piece []byte) []byte {
	_, _ = s.mac.Write(piece)
	return s.xor(dst, piece)
}

// Tag appends the tag, [Overhead] bytes, after the last piece.
func (s *Stream) Tag(dst []byte) []byte { return s.mac.Sum(dst) }

// Verify compares the tag after the last piece, in constant time. The error
// is [ErrOpen].
func (s *Stream) Verify(tag []byte) error {
	if subtle.ConstantTimeCompare(s.mac.Sum(nil), tag) != 1 {
		return ErrOpen
	}
	return nil
}

func (s *Stream) nextBlock() {
	s.block = [64]byte{}
	salsa.XORKeyStream(s.block[:], s.block[:], &s.counter, &s.key)
	s.advance(1)
	s.used = 0
}

func (s *Stream) advance(blocks int) {
	n := binary.LittleEndian.Uint64(s.counter[8:])
	binary.LittleEndian.PutUint64(s.counter[8:], n+uint64(blocks))
}

// xor appends src combined with the key stream.
func (s *Stream) xor(dst, src []byte) []byte {
	at := len(dst)
	dst = append(dst, src...)
	s.apply(dst[at:])
	return dst
}

// apply combines b with the key stream, in place.
func (s *Stream) apply(b []byte) {
	b = b[s.applyRest(b):]
	if whole := len(b) / 64 * 64; whole > 0 {
		salsa.XORKeyStream(b[:whole], b[:whole], &s.counter, &s.key)
		s.advance(whole / 64)
		b = b[whole:]
	}
	if len(b) > 0 {
		s.nextBlock()
		s.applyRest(b)
	}
}

// applyRest uses up to the rest of the block, and tells how much.
func (s *Stream) applyRest(b []byte) int {
	n := subtle.XORBytes(b, b, s.block[s.used:])
	s.used += n
	return n
}

// SealTail is Seal with the tag last, as in a [Stream].
func (k *Key) SealTail(dst []byte, n Nonce, msg []byte) []byte {
	s := k.NewStream(n)
	return s.Tag(s.Seal(dst, msg))
}

// OpenTail opens what SealTail sealed. The error is [ErrOpen].
func (k *Key) OpenTail(dst []byte, n Nonce, sealed []byte) ([]byte, error) {
	at := len(sealed) - Overhead
	if at < 0 {
		return nil, ErrOpen
	}
	s := k.NewStream(n)
	_, _ = s.mac.Write(sealed[:at])
	if err := s.Verify(sealed[at:]); err != nil {
		return nil, err
	}
	return s.xor(dst, sealed[:at]), nil
}
