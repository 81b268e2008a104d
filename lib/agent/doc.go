// Package agent makes duplex connections out of the simplex queues of SMP
// relays, and delivers messages over them once and in order: relays may go
// away, and the process may die at any moment.
//
// Built on package smp/smpclient for the relays, agent/envelope for the words
// of agents and crypto/ratchet for end-to-end encryption. What is kept goes
// through [Store]; what happens goes to a [Handler].
//
// # Connecting
//
// A connection has a queue in each direction. The inviter's phases, with
// relays that let the sender secure a queue (SKEY) and, in brackets, with
// others:
//
//	         CreateInvitation: NEW
//	invited ────────────────────────► link to the joiner
//	         confirmation 'D' arrives: ratchet, Confirmation event
//	confirmed
//	         Allow: [KEY] SKEY, confirmation 'I' queued
//	allowed
//	         it is delivered [HELLO arrives, HELLO is delivered]
//	connected
//
// and the joiner's:
//
//	         Join: keys and ratchet
//	joining
//	         SKEY, NEW, confirmation 'D' delivered
//	accepted
//	         confirmation 'I' arrives: Info event
//	         [KEY, HELLO delivered, HELLO arrives]
//	connected
//
// An address takes requests: each holds an invitation of the requester, who
// is its inviter from then on. A phase may also become failed, with a fatal
// [ConnError], or deleted.
//
// Once connected, either side may move the queue that it receives from
// ([Agent.Switch]: QADD, QKEY, QUSE, QTEST) and begin a new ratchet
// ([Agent.SyncRatchet]).
//
// # A new ratchet
//
// Either party sends parameters for a new ratchet; the other answers with its
// own, and the greater hash decides who speaks first (EREADY):
//
//	ok, allowed, required ── SyncRatchet: our keys ──► started
//	ok, allowed, required ── keys come: ours go ─────► agreed
//	started ─────────────── keys come ───────────────► agreed
//	agreed ──────────────── a message comes ─────────► ok
//
// Both may begin at once, keys may come that nobody waits for, and the party
// that sent them may have gone back to an older state. Until a message has come
// through the ratchet each party therefore keeps its last keys and the other's
// last parameters, and makes the ratchet anew when either changes; keys that
// come unasked in between lead to required, so that a client can ask again.
//
// # Short links
//
// A short link leads to data on the relay that is sealed with the link's key:
// the connection request, which the key fixes, and what its owners may change
// ([Agent.SetLink]). A one-time link is opened with a key of ours, which the
// relay takes for the sender's and will not change, so that key is on disk
// before the relay is asked, and stays the same until the connection is there.
//
// # What is on disk when
//
// Every change of a connection is made under its lock and in one transaction:
// the step of the ratchet together with the encrypted message, sent or
// received, its numbers, and the events that follow from it. A message goes
// to the relay only after that, in the same bytes at every attempt, so no key
// is used twice. A received message is acknowledged to the relay when the
// client has taken its event; the relay sends it again otherwise, and its ID
// tells that it is known. Steps that need a relay are commands in the store,
// with all keys that the relay will see.
//
// # Goroutines
//
// [Agent.Run] starts one for each session with a relay, and one at a time for each
// connection's received messages, events and commands and for each queue to
// send to, only while there is something to do; it waits for all of them.
//
// Spec: "SMP agent protocol - duplex communication over SMP protocol",
// version 7 (simplexmq, protocol/agent-protocol.md).
package agent
