// Package key gives a type to every kind of key in the SimpleX protocols:
// X25519 and X448 for key agreement, Ed25519 and Ed448 for signatures.
//
// Public keys are comparable arrays and travel as DER SubjectPublicKeyInfo
// (RFC 8410), as a short string inside other messages. Private keys are
// structs that cannot be compared with == or printed: every format verb, JSON
// and slog give a short mark of the public key. They are stored as PKCS #8
// DER without the optional public key.
//
//	kind      OID          raw public  raw private  SPKI DER  PKCS #8 DER
//	X25519    1.3.101.110  32          32           44        48
//	X448      1.3.101.111  56          56           68        72
//	Ed25519   1.3.101.112  32          32 (seed)    44        48
//	Ed448     1.3.101.113  57          57 (seed)    69        73
//
// Ed25519 is the standard library's, the other curves are circl's. The package is
// pure but for reading crypto/rand in the Generate functions.
package key
