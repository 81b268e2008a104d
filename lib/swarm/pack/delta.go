package pack

import (
	"encoding/binary"
	"fmt"
)

// deltaSizes reads the sizes at the start of a delta and returns what follows.
func deltaSizes(delta []byte) (base, result uint64, rest []byte, err error) {
	base, n := binary.Uvarint(delta)
	if n <= 0 {
		return 0, 0, nil, fmt.Errorf("delta: %w", ErrFormat)
	}
	result, m := binary.Uvarint(delta[n:])
	if m <= 0 {
		return 0, 0, nil, fmt.Errorf("delta: %w", ErrFormat)
	}
	return base, result, delta[n+m:], nil
}

// applyDelta makes an object of its base and a delta. It makes none larger
// than limit.
func applyDelta(base, delta []byte, limit int64) ([]byte, error) {
	from, to, in, err := deltaSizes(delta)
	if err != nil {
		return nil, err
	}
	if from != uint64(len(base)) {
		return nil, fmt.Errorf("delta: base of %d bytes, want %d: %w", len(base), from, ErrFormat)
	}
	if to > uint64(limit) {
		return nil, fmt.Errorf("delta: result of %d bytes: %w", to, ErrTooLarge)
	}
	out := make([]byte, 0, to)
	for len(in) > 0 {
		var part []byte
		if part, in, err = instruction(base, in); err != nil {
			return nil, err
		}
		if len(part) > cap(out)-len(out) {
			return nil, fmt.Errorf("delta: more than its size: %w", ErrFormat)
		}
		out = append(out, part...)
	}
	if uint64(len(out)) != to {
		return nil, fmt.Errorf("delta: less than its size: %w", ErrFormat)
	}
	return out, nil
}

// instruction reads one instruction: the bytes it stands for, and the rest.
func instruction(base, in []byte) (part, rest []byte, err error) {
	op := in[0]
	in = in[1:]
	if op&0x80 == 0 {
		if op == 0 || int(op) > len(in) {
			return nil, nil, fmt.Errorf("delta: insert: %w", ErrFormat)
		}
		return in[:op], in[op:], nil
	}
	var arg [7]byte
	for i := range arg {
		if op>>i&1 == 0 {
			continue
		}
		if len(in) == 0 {
			return nil, nil, fmt.Errorf("delta: copy: %w", ErrFormat)
		}
		arg[i], in = in[0], in[1:]
	}
	at := uint64(binary.LittleEndian.Uint32(arg[:4]))
	n := uint64(arg[4]) | uint64(arg[5])<<8 | uint64(arg[6])<<16
	if n == 0 {
		n = 0x10000
	}
	if at+n > uint64(len(base)) {
		return nil, nil, fmt.Errorf("delta: copy past the base: %w", ErrFormat)
	}
	return base[at : at+n], in, nil
}

// block is the grain in which makeDelta looks for what base and target share.
const block = 16

// makeDelta finds a delta from base to target of fewer than max bytes; nil if
// there is none. It looks blocks of the base up by a hash of their bytes and
// extends what matches in both directions.
func makeDelta(base, target []byte, max int) []byte {
	if len(base) < block || len(target) < block {
		return nil
	}
	at := make(map[[block]byte]int, len(base)/block)
	for i := len(base)/block*block - block; i >= 0; i -= block {
		at[[block]byte(base[i:])] = i
	}
	out := binary.AppendUvarint(nil, uint64(len(base)))
	out = binary.AppendUvarint(out, uint64(len(target)))
	done := 0
	for i := 0; i+block <= len(target); {
		from, ok := at[[block]byte(target[i:])]
		if !ok {
			i++
			continue
		}
		to := i
		for from > 0 && to > done && base[from-1] == target[to-1] {
			from, to = from-1, to-1
		}
		n := i - to + block
		for from+n < len(base) && to+n < len(target) && base[from+n] == target[to+n] {
			n++
		}
		out = appendInsert(out, target[done:to])
		out = appendCopy(out, from, n)
		if len(out) >= max {
			return nil
		}
		done = to + n
		i = done
	}
	if out = appendInsert(out, target[done:]); len(out) >= max {
		return nil
	}
	return out
}

func appendInsert(b, p []byte) []byte {
	for len(p) > 0 {
		n := min(len(p), 127)
		b = append(append(b, byte(n)), p[:n]...)
		p = p[n:]
	}
	return b
}

func appendCopy(b []byte, at, n int) []byte {
	for n > 0 {
		size := min(n, 0xffff)
		op := len(b)
		b = append(b, 0x80)
		for i := range 4 {
			if c := byte(at >> (8 * i)); c != 0 {
				b = append(b, c)
				b[op] |= 1 << i
			}
		}
		for i := range 2 {
			if c := byte(size >> (8 * i)); c != 0 {
				b = append(b, c)
				b[op] |= 0x10 << i
			}
		}
		at, n = at+size, n-size
	}
	return b
}
