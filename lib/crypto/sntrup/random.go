package sntrup

import (
	"encoding/binary"
	"fmt"
	"io"
)

// randomWords reads p words, little endian.
func randomWords(rand io.Reader) (*[p]uint32, error) {
	var b [4 * p]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return nil, fmt.Errorf("sntrup: reading random bytes: %w", err)
	}
	out := new([p]uint32)
	for i := range out {
		out[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	clear(b[:])
	return out, nil
}

// randomSmall has each coefficient near uniformly.
func randomSmall(rand io.Reader) (out small, err error) {
	words, err := randomWords(rand)
	if err != nil {
		return out, err
	}
	for i, x := range words {
		out[i] = int8((x&(1<<30-1))*3>>30) - 1
	}
	return out, nil
}

// randomShort has w coefficients of 1 or -1 and zeros in random places: the
// low bits of random words, ordered by the others.
func randomShort(rand io.Reader) (out small, err error) {
	words, err := randomWords(rand)
	if err != nil {
		return out, err
	}
	for i := range words {
		if i < w {
			words[i] &^= 1 // 0 or 2
		} else {
			words[i] = words[i]&^2 | 1
		}
	}
	sort(words)
	for i, x := range words {
		out[i] = int8(x&3) - 1
	}
	clear(words[:])
	return out, nil
}

// sort orders a in time that does not depend on it: Batcher's merge exchange
// (Knuth, "The Art of Computer Programming", 5.2.2, algorithm M).
func sort(a *[p]uint32) {
	const top = 512 // the greatest power of two below p
	for m := top; m > 0; m /= 2 {
		from, dist := 0, m
		for n := top; ; n /= 2 {
			for i := range p - dist {
				if i&m == from {
					exchange(&a[i], &a[i+dist])
				}
			}
			if n == m {
				break
			}
			dist, from = n-m, m
		}
	}
}

// exchange puts the smaller of two words first.
func exchange(x, y *uint32) {
	t := (*x ^ *y) & uint32((uint64(*y)-uint64(*x))>>32)
	*x ^= t
	*y ^= t
}
