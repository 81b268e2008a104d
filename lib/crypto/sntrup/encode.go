package sntrup

// Polynomials travel as one number in mixed radix: pairs of digits r0, r1
// with moduli m0, m1 become r0 + r1·m0, low bytes are written out while the
// modulus is 2^14 or more, and the pairs again are digits of the next level.

// radixLevel is one level of the encoding; all but the last of its digits
// have modulus m, the last has mLast.
type radixLevel struct {
	count    int
	m, mLast uint32
}

// radixLevels are the levels for p digits modulo m, the last one of one
// digit.
func radixLevels(m uint32) []radixLevel {
	ls := []radixLevel{{count: p, m: m, mLast: m}}
	for {
		l := ls[len(ls)-1]
		if l.count == 1 {
			return ls
		}
		next := radixLevel{count: (l.count + 1) / 2, mLast: l.mLast}
		next.m, _ = carried(l.m * l.m)
		if l.count%2 == 0 {
			next.mLast, _ = carried(l.m * l.mLast)
		}
		ls = append(ls, next)
	}
}

// carried is the modulus that is left of m and how many bytes were written.
func carried(m uint32) (left uint32, bytes int) {
	for m >= 1<<14 {
		m = (m + 255) >> 8
		bytes++
	}
	return m, bytes
}

var (
	radixQ       = radixLevels(q)
	radixRounded = radixLevels((q + 2) / 3)
)

// modulus of digit i.
func (l radixLevel) modulus(i int) uint32 {
	if i == l.count-1 {
		return l.mLast
	}
	return l.m
}

// encodeRadix appends the digits, which it uses as scratch.
func encodeRadix(b []byte, levels []radixLevel, digits *[p]uint32) []byte {
	for _, l := range levels[:len(levels)-1] {
		for i := 0; i+1 < l.count; i += 2 {
			m0 := l.modulus(i)
			r, m := digits[i]+digits[i+1]*m0, l.modulus(i+1)*m0
			for m >= 1<<14 {
				b = append(b, byte(r))
				r, m = r>>8, (m+255)>>8
			}
			digits[i/2] = r
		}
		if l.count%2 == 1 {
			digits[l.count/2] = digits[l.count-1]
		}
	}
	r := digits[0]
	for m := levels[len(levels)-1].mLast; m > 1; m = (m + 255) >> 8 {
		b = append(b, byte(r))
		r >>= 8
	}
	return b
}

// decodeRadix reads digits. Bytes that are no encoding give digits in range
// all the same. It divides, so that what is decoded must be public.
func decodeRadix(digits *[p]uint32, levels []radixLevel, b []byte) {
	var bottom [len(digits)]struct {
		r     uint32
		shift uint8
	}
	at := 0 // of the level's first pair in bottom
	for _, l := range levels[:len(levels)-1] {
		for i := 0; i+1 < l.count; i += 2 {
			_, n := carried(l.modulus(i) * l.modulus(i+1))
			d := &bottom[at+i/2]
			for k := range n {
				d.r |= uint32(b[k]) << (8 * k)
			}
			d.shift = uint8(8 * n)
			b = b[n:]
		}
		at += l.count / 2
	}
	top := levels[len(levels)-1].mLast
	for k, m := 0, top; m > 1; k, m = k+1, (m+255)>>8 {
		digits[0] |= uint32(b[k]) << (8 * k)
	}
	digits[0] %= top
	for n := len(levels) - 2; n >= 0; n-- {
		l := levels[n]
		at -= l.count / 2
		if l.count%2 == 1 {
			digits[l.count-1] = digits[l.count/2]
		}
		for i := l.count/2*2 - 2; i >= 0; i -= 2 {
			d := bottom[at+i/2]
			r := d.r + digits[i/2]<<d.shift
			digits[i] = r % l.modulus(i)
			digits[i+1] = r / l.modulus(i) % l.modulus(i+1)
		}
	}
}

// appendRing appends the 1158 bytes of a polynomial modulo q.
func appendRing(b []byte, a *ring) []byte {
	var digits [p]uint32
	for i, c := range a {
		digits[i] = uint32(int32(c) + q12)
	}
	return encodeRadix(b, radixQ, &digits)
}

func decodeRing(b []byte) (a ring) {
	var digits [p]uint32
	decodeRadix(&digits, radixQ, b)
	for i, d := range digits {
		a[i] = int16(int32(d) - q12)
	}
	return a
}

// appendRounded appends the 1007 bytes of a polynomial whose coefficients are
// multiples of 3.
func appendRounded(b []byte, a *ring) []byte {
	var digits [p]uint32
	for i, c := range a {
		digits[i] = uint32(int32(c)+q12) * 10923 >> 15 // a third
	}
	return encodeRadix(b, radixRounded, &digits)
}

func decodeRounded(b []byte) (a ring) {
	var digits [p]uint32
	decodeRadix(&digits, radixRounded, b)
	for i, d := range digits {
		a[i] = int16(int32(d)*3 - q12)
	}
	return a
}

// appendSmall appends 191 bytes, four coefficients plus one in each.
func appendSmall(b []byte, a *small) []byte {
	for i := 0; i < p; i += 4 {
		var c byte
		for k, v := range a[i:min(i+4, p)] {
			c |= byte(v+1) << (2 * k)
		}
		b = append(b, c)
	}
	return b
}

func decodeSmall(b []byte) (a small) {
	for i := range a {
		a[i] = int8(b[i/4]>>(2*(i%4))&3) - 1
	}
	return a
}
