// Package smproad has two devices meet at a message relay: a queue that lives as
// long as a pairing is offered, whose address is in the QR code.
//
// Either the caller says where it can be called, and all else goes past the
// relay (flip-smp); or it gives a queue of its own, and both queues carry a
// stream of bytes (smp).
//
//	caller                       relay                         callee
//	  │                            │◀── NEW ─────────────────────┤ shows the address
//	  ├── SEND first(location) ───▶│── MSG ─────────────────────▶│ calls the caller
//	  │           or               │                             │
//	  ├── NEW ────────────────────▶│                             │
//	  ├── SEND first(queue) ──────▶│── MSG ─────────────────────▶│ accepts a stream
//	  │◀══ SEND next, MSG ════════▶│◀══ SEND next, MSG ═════════▶│
//
// Bodies of messages, all of one size:
//
//	first  0x01 short(X25519 key) box(pad('L' lines | 'Q' queue's address))
//	next   0x02 id8 word64 number box(pad(frame))
//	frame  'D' word32 taken, bytes       bytes of the stream
//	       'A' word32 taken              how many D the sender of this has taken
//	       'F'                           the stream ends
//
// The box has the secret of the caller's key, made for this, and the queue's
// key; its nonce is the direction and the number. The relay sees neither bytes
// nor sizes. Numbers count from 0 in each direction, first being the caller's
// number 0: what comes twice, as a message that was sent again after a lost
// connection, is dropped; a gap ends the stream. No more than 32 D are under way,
// a quarter of a queue.
//
// Spec: protocol/simplex-messaging.md of simplexmq. The stream is of this
// program's own.
package smproad
