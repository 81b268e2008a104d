package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
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
	dst = slices.Grow(dst, size)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(m)))
	return appendFill(append(dst, m...), size-2-len(m)), nil
}

// appendFill appends n '#'. There must be room.
func appendFill(dst []byte, n int) []byte {
	if n == 0 {
		return dst
	}
	fill := dst[len(dst) : len(dst)+n]
	fill[0] = '#'
	for i := 1; i < n; i *= 2 {
		copy(fill[i:], fill[:i])
	}
	return dst[:len(dst)+n]
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

// PadLong is Pad with a length of 8 bytes: for files, and for messages of any
// size. It returns [ErrPadSize] if size < len(m)+8.
func PadLong(dst, m []byte, size int) ([]byte, error) {
	if size < len(m)+8 {
		return dst, fmt.Errorf("%w: %d bytes into %d", ErrPadSize, len(m), size)
	}
	dst = slices.Grow(dst, size)
	dst = AppendInt64(dst, int64(len(m)))
	return appendFill(append(dst, m...), size-8-len(m)), nil
}

// UnpadLong returns the message inside what [PadLong] padded, aliasing it.
func UnpadLong(padded []byte) ([]byte, error) {
	if len(padded) < 8 {
		return nil, fmt.Errorf("%w: %d bytes", ErrUnpad, len(padded))
	}
	n := int64(binary.BigEndian.Uint64(padded))
	if n < 0 || n > int64(len(padded)-8) {
		return nil, fmt.Errorf("%w: length %d of %d", ErrUnpad, n, len(padded)-8)
	}
	return padded[8 : 8+n], nil
}
