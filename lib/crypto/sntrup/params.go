package sntrup

// The parameters of sntrup761.
const (
	p = 761  // degree of x^p - x - 1
	q = 4591 // modulus of the public key
	w = 286  // number of nonzero coefficients of f and r

	smallSize   = (p + 3) / 4
	roundedSize = 1007
	confirmSize = 32
)
