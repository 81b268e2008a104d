// Package ratchet is the end-to-end encryption of a connection: X3DH key
// agreement and the double ratchet with header encryption, both with an
// optional post-quantum KEM (sntrup761).
//
// The party who makes the invitation sends its E2E parameters in the link:
// two X448 keys and, if it wants, a KEM key. The party who joins replies with
// its own in the confirmation, and both have a [State]:
//
//	inviter                                joiner
//	GenerateRcv ── Params (link) ────────► GenerateSnd, InitSnd
//	InitRcv ◄───── Params (confirmation) ─ Encrypt
//	Decrypt ◄───── message ─────────────── …
//
// A State is a value: its methods return the next state and leave the
// receiver as it was, so that the caller stores the next state in the same
// transaction as the bytes it got, and throws it away if that fails. Nothing
// here does I/O but for reading random bytes.
//
// A message, prefix being one length byte at e2e version 2 and two from
// version 3 (a reader takes a first byte below 32 for two bytes):
//
//	message = prefix header ‖ tag (16) ‖ encrypted body
//	header  = word16 current version ‖ IV (16) ‖ tag (16) ‖ prefix encrypted header
//	header plain text = word16 max version ‖ short X448 SPKI
//	                    ‖ [from 3] maybe KEM params ‖ word32 PN ‖ word32 N
//	KEM params = 'P' large key | 'A' large ciphertext large key
//
// The header's plain text is padded to 88 bytes, or to 2310 once the
// connection supports the KEM. Bodies and headers are sealed with AES-256-GCM
// with IVs of 16 bytes. All keys come from HKDF with HMAC-SHA-512.
//
// Spec: "Post-quantum resistant augmented double ratchet algorithm"
// (simplexmq, protocol/pqdr.md); Signal's "The Double Ratchet Algorithm",
// section 4, and "The X3DH Key Agreement Protocol". Checked against messages
// and states of simplexmq 6.5.5 (testdata).
package ratchet
