// Package wire is the SimpleX binary encoding: the bytes that every protocol
// of the family (SMP, agent, chat envelopes, NTF, XRCP) is written in.
//
// The elements, all integers big endian:
//
//	short   1 byte length n (0..255), then n bytes
//	large   2 bytes length n (0..65535), then n bytes
//	tail    the rest of the input, without a length
//	word16, word32, int64   2, 4, 8 bytes
//	bool    'T' or 'F'
//	maybe   '0', or '1' and the value
//	list    1 byte count (0..255), then the items
//	time    int64, seconds since 1970 UTC
//	padded  word16 length, that many bytes, '#' up to a fixed size
//
// Encoders append to a slice and cannot fail, save where a length does not fit
// its prefix: those return an error or are documented to panic on misuse.
// [Decoder] keeps the first error and goes on returning zeros, so a parser
// reads like its grammar and checks once at the end. A decoder never
// allocates more than its input and its results alias the input.
//
// Spec: "SMP agent protocol", "Simplex messaging protocol: Appendix, binary
// encoding" (simplexmq, protocol/simplex-messaging.md). The package is pure:
// no I/O, no clock, no goroutine.
package wire
