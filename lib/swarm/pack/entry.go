package pack

import (
	"fmt"
	"io"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// The kinds of entries besides the types of objects.
const (
	ofsDelta commit.Type = 6
	refDelta commit.Type = 7
)

const (
	headerSize  = 12
	trailerSize = 20
	// maxHead is the longest head of an entry: 4+7×8 bits hold any size that
	// is allowed.
	maxHead = 9
)

// appendHead appends the head of an entry.
func appendHead(b []byte, k commit.Type, size int64) []byte {
	c := byte(k)<<4 | byte(size&15)
	for size >>= 4; size != 0; size >>= 7 {
		b = append(b, c|0x80)
		c = byte(size & 0x7f)
	}
	return append(b, c)
}

// readHead reads the head of an entry.
func readHead(r io.ByteReader) (k commit.Type, size int64, err error) {
	c, err := r.ReadByte()
	if err != nil {
		return 0, 0, err
	}
	k, size = commit.Type(c>>4&7), int64(c&15)
	for n, shift := 1, 4; c&0x80 != 0; n, shift = n+1, shift+7 {
		if n == maxHead {
			return 0, 0, fmt.Errorf("size of an entry: %w", ErrFormat)
		}
		if c, err = r.ReadByte(); err != nil {
			return 0, 0, noEOF(err)
		}
		size |= int64(c&0x7f) << shift
	}
	return k, size, nil
}

// readDistance reads how far back the base of an offset delta lies.
func readDistance(r io.ByteReader) (int64, error) {
	var d int64
	for n := 0; ; n++ {
		c, err := r.ReadByte()
		if err != nil {
			return 0, noEOF(err)
		}
		d |= int64(c & 0x7f)
		if c&0x80 == 0 {
			return d, nil
		}
		if n == 7 {
			return 0, fmt.Errorf("offset of a base: %w", ErrFormat)
		}
		d = (d + 1) << 7
	}
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
