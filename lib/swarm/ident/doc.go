// Package ident is who takes part in a conversation: accounts, their devices,
// the certificates that tie them together, and the names made of their keys.
//
// Keys are RSA, 4096 bits. The name of an account, its [URI], is the SHA-1 of
// the SubjectPublicKeyInfo of its key; a device is named by the SHA-256 of its
// own, [DeviceID]. An account certificate is signed by a CA that belongs to it,
// a device certificate by the account, whose URI stands in the issuer's UID:
//
//	CA       CN=Jami CA   UID=sha1(CA key)       CA:TRUE, signs itself
//	account  CN=Jami      UID=URI                CA:TRUE, certSign + cRLSign
//	device   CN=Jami device  UID=sha1(device key)  no extensions
//
// Files hold PEM, certificates are read from DER too. Serial numbers are 64
// random bits, half of them negative: programs that read such certificates need
// "godebug x509negativeserial=1" in their go.mod, as ours has.
package ident
