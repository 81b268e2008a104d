package sntrup

// The parameters of sntrup761.
const (
	p   = 761 // degree of x^p - x - 1
	q   = 4591
	q12 = (q - 1) / 2
	w   = 286 // number of nonzero coefficients of f and r

	smallSize   = (p + 3) / 4 // bytes of an encoded small polynomial
	roundedSize = 1007
	confirmSize = 32
)

// small is a polynomial with coefficients -1, 0 and 1.
type small [p]int8

// ring is a polynomial of Z/q[x]/(x^p - x - 1), coefficients -q12..q12.
type ring [p]int16

// freezeQ is the representative of x mod q in -q12..q12, for |x| < 2^30.
func freezeQ(x int32) int16 {
	const m = (1<<44 + q12) / q
	t := (int64(x)*m + 1<<43) >> 44
	return int16(x - int32(t)*q)
}

// freeze3 is the representative of x mod 3 in -1..1, for |x| < 2^24.
func freeze3(x int32) int8 {
	const m = (1<<32 + 1) / 3
	t := (int64(x)*m + 1<<31) >> 32
	return int8(x - int32(t)*3)
}
