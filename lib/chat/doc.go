// Package chat is the messenger: users, contacts, their chat items, and the
// messages of the SimpleX Chat protocol that go between two contacts. It knows
// no SQL and no sockets: a [Store] keeps what it decides, an [Agent] carries
// bodies to the other party.
//
// Everything received is in the store before the agent hears that it was
// taken, everything sent is in the store before it is given to the agent under
// a key that makes giving it twice harmless. What happens is written to an
// event log with rising numbers, from which every consumer reads at its own
// pace.
//
// SimpleX Chat Protocol: Message formats; Bot API.
package chat
