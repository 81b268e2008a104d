// Package sntrup is the key encapsulation mechanism sntrup761: Streamlined
// NTRU Prime with p = 761, q = 4591, w = 286, as in round 3 of the NIST
// project and in draft-josefsson-ntruprime-streamlined. The ratchet mixes its
// secrets with those of X448.
//
//	public key     1158 bytes   h, coefficients mod q
//	secret key     1763 bytes   f, 1/g, public key, rho, hash of public key
//	ciphertext     1039 bytes   rounded coefficients, 32 bytes confirmation
//	shared secret    32 bytes
//
// A ciphertext that was not made for the key decapsulates to a secret that
// depends on rho (implicit rejection): there is no error for it, the secrets
// just differ.
//
// All work on secrets takes the same time and touches the same memory for
// every secret of a kind: no branch, division or table index depends on
// them. Only the number of attempts of GenerateKey varies, and an attempt
// that is thrown away says nothing about the key that is returned. TestTiming
// looks for differences in the times of Decapsulate by statistics.
//
// Checked byte for byte, on the same random bytes, against the C code that
// simplexmq 6.5.5 is built with (testdata). The package is pure but for the
// reader of random bytes that it is given.
package sntrup
