// Package gotls is the TLS that the transport is built on, in two forms with
// the same names.
//
// Without build tags it is crypto/tls itself, by type aliases. That
// implementation cannot use certificates whose leaf key is Ed448, and offers
// AES-GCM beside ChaCha20-Poly1305 in TLS 1.3.
//
// With the build tag simplextls, which make sets, it is a copy of the
// toolchain's own crypto/tls, generated from GOROOT by scripts/tlsfork into
// internal/tls (not in version control), with a small patch: Ed448 signatures
// (RFC 8422, RFC 8446: 0x0808) as client and server, only
// TLS_CHACHA20_POLY1305_SHA256 in TLS 1.3, and the key agreement X25519 by
// default. The generator fails, naming the place, if crypto/tls changed under
// the patch.
//
// smp: Transport encryption; INTEROP: TLS as SimpleX uses it.
package gotls
