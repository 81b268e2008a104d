package peer

import (
	"encoding/binary"
	"fmt"
)

const (
	maxValues = 500_000 // in a state, of all types
	maxNested = 16
)

// bounds looks at msgpack before it is decoded: what lengths promise must be
// there, since the decoder believes them. It returns the rest of b.
func bounds(b []byte, depth int, values *int) ([]byte, error) {
	bad := fmt.Errorf("%w: msgpack", ErrFrame)
	if *values++; len(b) == 0 || depth > maxNested || *values > maxValues {
		return nil, bad
	}
	c := b[0]
	b = b[1:]
	size, items := 0, 0
	switch {
	case c < 0x80, c >= 0xe0, c == 0xc0, c == 0xc2, c == 0xc3: // in the byte itself
	case c>>4 == 8:
		items = 2 * int(c&0x0f)
	case c>>4 == 9:
		items = int(c & 0x0f)
	case c>>5 == 5:
		size = int(c & 0x1f)
	case c == 0xca || c == 0xcb:
		size = 4 << (c - 0xca)
	case c >= 0xcc && c <= 0xcf:
		size = 1 << (c - 0xcc)
	case c >= 0xd0 && c <= 0xd3:
		size = 1 << (c - 0xd0)
	default:
		n, rest, ok := lengthOf(c, b)
		if !ok {
			return nil, bad
		}
		b = rest
		switch {
		case c >= 0xde:
			items = 2 * n
		case c >= 0xdc:
			items = n
		default:
			size = n
		}
	}
	if size > len(b) || items > len(b) {
		return nil, bad
	}
	b = b[size:]
	for range items {
		var err error
		if b, err = bounds(b, depth+1, values); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// lengthOf reads the length that follows the first byte of strings, binaries,
// arrays and maps; there are no other types in a state.
func lengthOf(c byte, b []byte) (n int, rest []byte, ok bool) {
	width := 0
	switch c {
	case 0xc4, 0xd9:
		width = 1
	case 0xc5, 0xda, 0xdc, 0xde:
		width = 2
	case 0xc6, 0xdb, 0xdd, 0xdf:
		width = 4
	}
	if width == 0 || len(b) < width {
		return 0, nil, false
	}
	var v [4]byte
	copy(v[4-width:], b)
	u := binary.BigEndian.Uint32(v[:])
	return int(u), b[width:], u <= maxState
}
