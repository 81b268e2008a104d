package wire

import (
	"encoding/binary"
	"fmt"
	"time"
)

// MaxShort is the longest byte string that a short string can hold, in bytes.
const MaxShort = 255

// MaxLarge is the longest byte string that a large string can hold, in bytes.
const MaxLarge = 65535

// AppendShort appends s with its 1-byte length. It panics if s is longer than
// [MaxShort]: callers hold IDs, keys and hosts of checked sizes; use
// [CheckShort] first where the size comes from outside.
func AppendShort[T ~[]byte | ~string](b []byte, s T) []byte {
	if len(s) > MaxShort {
		panic(fmt.Sprintf("wire: short string of %d bytes", len(s)))
	}
	b = append(b, byte(len(s)))
	return append(b, s...)
}

// CheckShort tells whether a value of n bytes fits a short string; what names
// the value in the error.
func CheckShort(what string, n int) error {
	if n > MaxShort {
		return fmt.Errorf("wire: %s of %d bytes, at most %d", what, n, MaxShort)
	}
	return nil
}

// AppendLarge appends s with its 2-byte length. It panics if s is longer than
// [MaxLarge]; every block of the protocols is smaller than that.
func AppendLarge[T ~[]byte | ~string](b []byte, s T) []byte {
	if len(s) > MaxLarge {
		panic(fmt.Sprintf("wire: large string of %d bytes", len(s)))
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

// AppendUint16 appends a word16.
func AppendUint16(b []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(b, v) }

// AppendUint32 appends a word32.
func AppendUint32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }

// AppendUint64 appends a word64.
func AppendUint64(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(b, v) }

// AppendInt64 appends an int64 in two's complement.
func AppendInt64(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) }

// AppendBool appends 'T' or 'F'.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 'T')
	}
	return append(b, 'F')
}

// AppendTime appends t in whole seconds since 1970 UTC.
func AppendTime(b []byte, t time.Time) []byte { return AppendInt64(b, t.Unix()) }

// AppendMaybe appends '0' if present is false, else '1' and what put appends.
func AppendMaybe(b []byte, present bool, put func([]byte) []byte) []byte {
	if !present {
		return append(b, '0')
	}
	return put(append(b, '1'))
}

// AppendListLen appends the count byte of a list. It panics if n is over 255.
func AppendListLen(b []byte, n int) []byte {
	if n < 0 || n > 255 {
		panic(fmt.Sprintf("wire: list of %d items", n))
	}
	return append(b, byte(n))
}
