package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var (
	// ErrPadSize is returned by [Pad] for a message that does not fit.
	ErrPadSize = errors.New("wire: message too long to pad")
	// ErrUnpad is returned by [Unpad] for a length that is over the input's.
	ErrUnpad = errors.New("wire: bad padding")
)

// Pad appends word16 length, m and '#' bytes, size bytes in all. It returns
// [ErrPadSize] if size < len(m)+2 or len(m) > 65533.
func Pad(dst, m []byte, size int) ([]byte, error) {
	if len(m) > 65533 || size < len(m)+2 {
		return dst, fmt.Errorf("%w: %d bytes into %d", ErrPadSize, len(m), size)
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(m)))
	dst = append(dst, m...)
	for range size - 2 - len(m) {
		dst = append(dst, '#')
	}
	return dst, nil
}

// Unpad returns the message inside padded, aliasing it. Only the length is
// checked, as the reference does; the padding bytes may be anything.
func Unpad(padded []byte) ([]byte, error) {
	if len(padded) < 2 {
		return nil, fmt.Errorf("%w: %d bytes", ErrUnpad, len(padded))
	}
	n := int(binary.BigEndian.Uint16(padded))
	if n > len(padded)-2 {
		return nil, fmt.Errorf("%w: length %d of %d", ErrUnpad, n, len(padded)-2)
	}
	return padded[2 : 2+n], nil
}
