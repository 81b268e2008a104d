// Package transport is TLS pinned to a relay's fingerprint, in blocks of one
// size: what every SimpleX protocol runs on.
//
// # TLS
//
// Versions 1.3 and 1.2, key exchange X25519, suite
// TLS_CHACHA20_POLY1305_SHA256 or ECDHE-ECDSA-CHACHA20-POLY1305, leaf keys
// Ed25519 or Ed448, no server name, no session tickets, ALPN names of the
// protocol. Package gotls is the implementation: crypto/tls, or a patched copy
// of it that speaks Ed448 and offers no other suites.
//
// crypto/tls itself cannot be told which suites of TLS 1.3 to offer, so a hello
// made with it also lists the two AES-GCM suites of 1.3. A server of the
// reference accepts ChaCha20 only; one built on crypto/tls takes the kind of
// suite that comes first in the hello, and that is the one suite configured
// for TLS 1.2, of ChaCha20. So 1.2 is always offered along with 1.3. Both ends
// look at what was agreed before any byte of the protocol, and refuse all but
// the two suites above with [ErrSuite].
//
// # Identity
//
// A peer shows a chain of two to four certificates, leaf first. Its identity is
// the SHA-256 of the second certificate's DER, the offline CA's in a chain of
// two; in longer chains operators and networks stand above it. The chain is
// checked up to its last certificate, the anchor, which is trusted as it is:
// validity times, signatures (Ed25519 and Ed448), the CA mark of those between
// leaf and anchor; no host name. Clients may show a chain too, of one to four, as services do.
//
//	length  certificates              identity
//	2       leaf, CA                  CA
//	3       leaf, identity, operator  second
//	4       leaf, identity, network, operator  second
//
// # Session identifier
//
// Commands are authorized together with the verify_data of the client's
// Finished message, which RFC 5929 calls tls-unique: 12 bytes in TLS 1.2 and,
// beyond that RFC, 32 bytes in TLS 1.3. For 1.3 the client's handshake flight
// is recorded and opened with its traffic secret once the handshake is over;
// secret and recording are wiped at once.
//
// # Blocks
//
// All bytes travel in blocks of 16384 (512 for notifications). A block is a
// word16 length, the payload and '#' bytes; or, once [Conn.SetChains] was
// called, the same in 16 bytes less, sealed with a key of the direction's
// chain.
//
// smp: Transport connection with the SMP router
// smp: TLS transport encryption
// smp: Router certificate
package transport
