package sntrup

// planes holds a polynomial over F_3 of up to 768 coefficients in bits: one
// bit of plus is set for 1, one of minus for -1.
type planes struct{ plus, minus [12]uint64 }

func (a *planes) set(i int, c int8) {
	u := uint64(uint8(c))
	a.plus[i/64] |= (u & 1 &^ (u >> 7)) << (i % 64)
	a.minus[i/64] |= (u >> 7) << (i % 64)
}

func (a *planes) get(i int) int8 {
	return int8(a.plus[i/64]>>(i%64)&1) - int8(a.minus[i/64]>>(i%64)&1)
}

// shiftUp multiplies by x.
func shiftUp(a *[12]uint64) {
	for i := len(a) - 1; i > 0; i-- {
		a[i] = a[i]<<1 | a[i-1]>>63
	}
	a[0] <<= 1
}

// shiftDown divides by x; the constant is dropped.
func shiftDown(a *[12]uint64) {
	for i := range len(a) - 1 {
		a[i] = a[i]>>1 | a[i+1]<<63
	}
	a[len(a)-1] >>= 1
}

// swapAdd swaps a and b if swap is all ones, then adds c·a to b; c is 1 if
// cp is all ones, -1 if cm is, else 0.
func swapAdd(a, b *planes, swap, cp, cm uint64) {
	for i := range a.plus {
		ap, am, bp, bm := a.plus[i], a.minus[i], b.plus[i], b.minus[i]
		tp, tm := swap&(ap^bp), swap&(am^bm)
		ap, am, bp, bm = ap^tp, am^tm, bp^tp, bm^tm
		a.plus[i], a.minus[i] = ap, am
		xp, xm := ap&cp|am&cm, am&cp|ap&cm
		t := (xp | bm) ^ (xm | bp)
		b.plus[i], b.minus[i] = (xm|bm)^t, (xp|bp)^t
	}
}

// inverse3 is 1/a modulo 3 and x^p - x - 1. ok is false if a has none. The
// time does not depend on a.
//
// It makes 2p-1 division steps (Bernstein and Yang, "Fast constant-time gcd
// computation and modular inversion") on the reversed polynomials f and g,
// keeping v and r with f = v·a and g = r·a up to a power of x.
func inverse3(a *small) (out small, ok bool) {
	var f, g, v, r planes
	f.set(0, 1)
	f.set(p-1, -1)
	f.set(p, -1)
	r.set(0, 1)
	for i, c := range a {
		g.set(p-1-i, c)
	}
	delta := int64(1)
	for range 2*p - 1 {
		shiftUp(&v.plus)
		shiftUp(&v.minus)
		fp, fm, gp, gm := f.plus[0]&1, f.minus[0]&1, g.plus[0]&1, g.minus[0]&1
		cp, cm := -(fp&gm | fm&gp), -(fp&gp | fm&gm) // -f(0)·g(0)
		swap := -(gp | gm) & uint64(-delta>>63)
		delta ^= int64(swap) & (delta ^ -delta)
		delta++
		swapAdd(&f, &g, swap, cp, cm)
		swapAdd(&v, &r, swap, cp, cm)
		shiftDown(&g.plus)
		shiftDown(&g.minus)
	}
	sign := f.get(0)
	for i := range out {
		out[i] = sign * v.get(p-1-i)
	}
	return out, delta == 0
}
