package sntrup

// A pair polynomial packs coefficients i and i+half into the lower and the
// upper lane of word i, so that one multiplication serves two of them.
// Lanes hold values below 18400 that are right modulo q.
const (
	half  = 384
	steps = 2*p - 1
	lane  = 1<<32 - 1
)

// division is the state of the division steps: as in inverse3, but modulo q.
// Multiplying v and dividing g by x moves where they begin.
type division struct {
	f, r [half]uint64
	v    [steps + half]uint64
	g    [steps + half]uint64
}

// reducePair takes both lanes, below 2·18400·q, to below 18400.
func reducePair(x uint64) uint64 {
	const (
		bits = 1<<19 - 1 // what is left of a lane after a shift by 13
		mask = bits<<32 | bits
		m    = 1 << 26 / q
	)
	t := ((x >> 13) & mask) * m >> 13 & mask
	return x - t*q
}

// stepPairs swaps a and b if swap is all ones and sets b to b·f0 - a·g0, where g0
// is given negated.
func stepPairs(a, b []uint64, swap, f0, negG0 uint64) {
	b = b[:len(a)]
	for i, x := range a {
		y := b[i]
		t := swap & (x ^ y)
		x, y = x^t, y^t
		a[i] = x
		b[i] = reducePair(y*f0 + x*negG0)
	}
}

// modq is x mod q in 0..q-1, for x below 2^28.
func modq(x uint64) uint64 {
	const m = 1<<44/q + 1
	return x - x*m>>44*q
}

// inverseScalar is 1/x modulo q, by x^(q-2).
func inverseScalar(x uint64) uint64 {
	y := uint64(1)
	for bit := 12; bit >= 0; bit-- {
		y = modq(y * y)
		if (q-2)>>bit&1 == 1 { // of a constant
			y = modq(y * x)
		}
	}
	return y
}

func (d *division) init(a *small) {
	const minus1 = q - 1
	d.f[0] = 1
	d.f[p-1-half] |= minus1 << 32
	d.f[p-half] |= minus1 << 32
	d.r[0] = inverseScalar(3)
	for i, c := range a {
		j := p - 1 - i
		x := uint64(int64(c) + q&(int64(c)>>63))
		if j >= half {
			d.g[j-half] |= x << 32
		} else {
			d.g[j] |= x
		}
	}
}

// inverseThird is 1/(3a) modulo q and x^p - x - 1, a field: a must not be
// zero. The time does not depend on a.
func inverseThird(a *small) (out ring) {
	d := new(division)
	d.init(a)
	delta := int64(1)
	for n := range steps {
		// v begins one word earlier: its coefficients move up by one, and the
		// one at half-1 crosses into the upper lane.
		vAt, gAt := steps-1-n, n
		v := d.v[vAt : vAt+half]
		v[0] = d.v[vAt+half] & lane << 32
		g := d.g[gAt : gAt+half]

		f0, g0 := modq(d.f[0]&lane), modq(g[0]&lane)
		nonzero := -((g0 | -g0) >> 63)
		swap := nonzero & uint64(-delta>>63)
		delta ^= int64(swap) & (delta ^ -delta)
		delta++
		t := swap & (f0 ^ g0)
		f0, g0 = f0^t, g0^t

		// Only what the remaining steps still see of f and g is worked on,
		// and only what is not zero yet of v and r.
		stepPairs(d.f[:min(half, steps-n)], g, swap, f0, q-g0)
		stepPairs(v[:min(half, n+2)], d.r[:], swap, f0, q-g0)
		d.g[gAt+half] = g[0] >> 32
	}
	scale := inverseScalar(modq(d.f[0] & lane))
	v := d.v[:half]
	for i := range out {
		j := p - 1 - i
		x := v[j%half] >> (j / half * 32) & lane
		out[i] = freezeQ(int32(modq(modq(x) * scale)))
	}
	return out
}
