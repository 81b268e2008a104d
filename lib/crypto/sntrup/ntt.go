package sntrup

// Products of polynomials are taken in F_n[x]/(x^1536 - 1) with the prime
// n = 2^23 - 2^13 + 1. No coefficient of a product of two factors, one of
// them small, is over 761·2295 in size, so n is large enough to lift the
// result back to the integers; and the degree of the product is below 1536.
//
// x^1536 - 1 splits over nine levels into 512 factors x^3 - c, c a power of
// the 512th root of unity. A pointwise product is therefore one of
// polynomials of degree 2.
const (
	prime     = 8380417
	root512   = 1753
	size      = 1536
	levels    = 9
	inverse2L = 8364049 // 1/512
)

// twiddle is a factor with its quotient for Shoup's multiplication.
type twiddle struct{ c, quot uint32 }

func newTwiddle(c uint32) twiddle {
	return twiddle{c: c, quot: uint32(uint64(c) << 32 / prime)}
}

// mul is x·c mod prime, below 2·prime, for any x.
func (t twiddle) mul(x uint32) uint32 {
	h := uint32(uint64(t.quot) * uint64(x) >> 32)
	return t.c*x - h*prime
}

// The factors of node j of level l stand at 2^l + j: roots to split it,
// inverse roots to join it. They depend on no input.
var roots, inverseRoots = twiddleTables()

func twiddleTables() (fwd, inv [1 << levels]twiddle) {
	var power [512]uint32
	power[0] = 1
	for i := 1; i < len(power); i++ {
		power[i] = uint32(uint64(power[i-1]) * root512 % prime)
	}
	exp := []int{0} // of the constants of the nodes of a level
	for l := range levels {
		next := make([]int, 0, 2*len(exp))
		for j, e := range exp {
			fwd[1<<l+j] = newTwiddle(power[e/2])
			inv[1<<l+j] = newTwiddle(power[(512-e/2)%512])
			next = append(next, e/2, e/2+256)
		}
		exp = next
	}
	return fwd, inv
}

// poly holds values below 4·prime between levels.
type poly [size]uint32

// below2 takes x below 4·prime to below 2·prime.
func below2(x uint32) uint32 {
	x -= 2 * prime
	return x + 2*prime&-(x>>31)
}

// below1 takes x below 2·prime to below prime.
func below1(x uint32) uint32 {
	x -= prime
	return x + prime&-(x>>31)
}

// load takes coefficients of any sign and transforms them. Splitting the root
// node needs no work, as only the lower half is there: both parts are equal.
func (a *poly) load(x []int16) {
	for i, c := range x {
		v := uint32(int32(c)) + prime&uint32(int32(c)>>31)
		a[i], a[size/2+i] = v, v
	}
	length := size / 4
	for l := 1; l < levels; l++ {
		for j := range 1 << l {
			t := roots[1<<l+j]
			lo := a[2*length*j:][:length:length]
			hi := a[2*length*j+length:][:length:length]
			for i := range lo {
				u, v := below2(lo[i]), t.mul(hi[i])
				lo[i], hi[i] = u+v, u+2*prime-v
			}
		}
		length /= 2
	}
}

// unload transforms back and lifts the coefficients to the integers.
func (a *poly) unload(out *[size]int32) {
	length := size >> levels
	for l := levels - 1; l >= 0; l-- {
		for j := range 1 << l {
			t := inverseRoots[1<<l+j]
			lo := a[2*length*j:][:length:length]
			hi := a[2*length*j+length:][:length:length]
			for i := range lo {
				u, v := lo[i], hi[i]
				lo[i], hi[i] = below2(u+v), t.mul(u+2*prime-v)
			}
		}
		length *= 2
	}
	scale := newTwiddle(inverse2L)
	for i, c := range a {
		x := int32(below1(scale.mul(c)))
		out[i] = x - prime&((prime/2-x)>>31)
	}
}

// mulPointwise sets a to the product of the transformed a and b.
func (a *poly) mulPointwise(b *poly) {
	for j := range 1 << (levels - 1) {
		c := uint64(roots[1<<(levels-1)+j].c)
		mulLeaf((*[3]uint32)(a[6*j:]), (*[3]uint32)(b[6*j:]), c)
		mulLeaf((*[3]uint32)(a[6*j+3:]), (*[3]uint32)(b[6*j+3:]), prime-c)
	}
}

// mulLeaf multiplies modulo x^3 - c. Products of values below 2·prime are
// below 2^48, so that sums of three fit easily.
func mulLeaf(a, b *[3]uint32, c uint64) {
	a0, a1, a2 := uint64(below2(a[0])), uint64(below2(a[1])), uint64(below2(a[2]))
	b0, b1, b2 := uint64(below2(b[0])), uint64(below2(b[1])), uint64(below2(b[2]))
	a[0] = reduce(a0*b0 + c*uint64(reduce(a1*b2+a2*b1)))
	a[1] = reduce(a0*b1 + a1*b0 + c*uint64(reduce(a2*b2)))
	a[2] = reduce(a0*b2 + a1*b1 + a2*b0)
}

// reduce takes x below 2^50 to below 2·prime with the same remainder.
func reduce(x uint64) uint32 {
	const m = 1 << 50 / prime
	return uint32(x - (x>>20*m>>30)*prime)
}

// mulInto sets out to the product of a and b in the integers, reduced by
// x^p = x + 1. One factor is small, or both are.
func mulInto(out *[p]int32, a, b []int16) {
	var fa, fb poly
	var prod [size]int32
	fa.load(a)
	fb.load(b)
	fa.mulPointwise(&fb)
	fa.unload(&prod)
	copy(out[:], prod[:p])
	for i := p; i < 2*p-1; i++ {
		out[i-p] += prod[i]
		out[i-p+1] += prod[i]
	}
}

func (a *small) wide() (out [p]int16) {
	for i, c := range a {
		out[i] = int16(c)
	}
	return out
}

// mulSmall is a·b mod q.
func mulSmall(a *ring, b *small) (out ring) {
	var prod [p]int32
	wide := b.wide()
	mulInto(&prod, a[:], wide[:])
	for i, c := range prod {
		out[i] = freezeQ(c)
	}
	return out
}

// mul3 is a·b mod 3.
func mul3(a, b *small) (out small) {
	var prod [p]int32
	wa, wb := a.wide(), b.wide()
	mulInto(&prod, wa[:], wb[:])
	for i, c := range prod {
		out[i] = freeze3(c)
	}
	return out
}
