package drt

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/bits"
)

// IDSize is the size of an ID in bytes.
const IDSize = 32

// ID is a device's place in the table: its device ID.
type ID [IDSize]byte

// ParseID reads 64 hex digits.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*IDSize {
		return id, fmt.Errorf("drt: parse ID: %d characters, want %d", len(s), 2*IDSize)
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return id, fmt.Errorf("drt: parse ID: %v", err)
	}
	return id, nil
}

// String is 64 lower-case hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Compare orders IDs as numbers.
func (id ID) Compare(o ID) int { return bytes.Compare(id[:], o[:]) }

// xor is the distance of two IDs.
func (id ID) xor(o ID) ID {
	for i := range id {
		id[i] ^= o[i]
	}
	return id
}

// deepest is the index of the last set bit, counted from the first; -1 if none
// is set.
func (id ID) deepest() int {
	for i := IDSize - 1; i >= 0; i-- {
		if id[i] != 0 {
			return 8*i + 7 - bits.TrailingZeros8(id[i])
		}
	}
	return -1
}

func (id ID) with(bit int) ID {
	id[bit/8] |= 0x80 >> (bit % 8)
	return id
}
