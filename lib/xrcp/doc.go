// Package xrcp is the SimpleX remote control protocol, version 1: a controller
// (a desktop, a terminal) drives the profile of a host (a phone, a daemon).
// This package has its words, its bytes and its handshake, as values; the
// packages xrcpctl and xrcphost are the two roles on a network, and discovery
// finds one for the other.
//
// # Roles
//
// The controller listens, the host connects to it. Above TLS the roles turn
// around: the host serves HTTP/2, the controller sends it requests.
//
//	invitation    the controller's address and keys, signed twice, in a QR code
//	announcement  an invitation sealed for a known host, in a datagram
//	pairing       what each side keeps for good: its CA, the other's identity
//	session code  TLS's channel binding, which people compare
//	hello         a block each way: X25519, sntrup761 and facts of the programs
//	body          a request or response inside HTTP/2, sealed and numbered
//	attachment    a file after a body, sealed as a stream
//
// # Bytes
//
//	invitation    "xrcp:/" CA "@" host ":" port "#/?v=…&app=…&ts=…&skey=…&idkey=…&dh=…"
//	              then "&ssig=" by the session key over all before it,
//	              then "&idsig=" by the identity key over all before it
//	announcement  short(X25519 key) nonce24 box(pad(invitation, 900))
//	host hello    "HELLO " short(X25519 key) nonce24 box(pad(JSON, 12288))
//	ctrl hello    "HELLO " large(KEM ciphertext) box(pad(JSON, 12288))
//	              "ERROR " nonce24 box(pad(text, 12288))
//	request       word32 counter, word32 length, sealed(short(tls-unique) JSON) with
//	              the tag last, short(session signature) short(identity signature)
//	response      the same without signatures
//	attachment    0x01 word32 length, sealed file with the tag last
//
// Both hellos travel in blocks of 16384 bytes.
//
// # Keys
//
//	dh       X25519(host's key, controller's key): seals the host hello
//	hybrid   SHA3-256(dh ‖ KEM secret): the two chains, by HKDF with no salt;
//	         the controller sends with the first, beginning with its hello
//	body     two steps of the sender's chain: one key for the body, one for its
//	         attachment, whether there is one or not
//
// # What the reference does
//
// It verifies an invitation over its own encoding of what it has read, not over
// the text: JSON with sorted keys and no spaces, parameters in its order,
// unknown ones dropped. It undoes percent-coding of the app parameter twice, so
// that a plus sign there becomes a space, and such an invitation never verifies.
// This package reads and verifies in the same way; [Invitation.Sign] refuses
// what could not be verified. The reference looks at neither the invitation's
// time nor the signature of the host's leaf certificate; we do.
//
// Spec: protocol/xrcp.md of simplexmq, version 1. The package is pure but for
// random bytes.
//
// xrcp: XRCP model
// xrcp: Transport protocol
package xrcp
