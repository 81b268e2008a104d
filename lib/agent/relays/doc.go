// Package relays holds an agent's sessions with relays: one for each relay
// and scope of isolation, over which it receives and sends; and the ways to
// relays of others, directly or through a relay of its own.
//
// A [Pool] connects when somebody asks for a session or queues are to be
// subscribed, again after a session has ended, and keeps queues subscribed.
// What it learns goes to [Events].
//
// # Private routing
//
// What a sender asks of a relay (SEND, SKEY, LKEY, LGET) may go through a
// proxy, a relay of the configuration, so that the other party's relay does
// not see our address ([Pool.Send]):
//
//	agent ──PRXY, PFWD──► proxy ──RFWD──► relay of the other party
//
// The session with the proxy is that of any other use of that relay; one
// forwarding session for each scope and relay is kept inside it, and made
// again when the proxy has lost it (NO_SESSION).
//
// Spec: "Simplex Messaging Protocol (SMP)", private message routing
// (simplexmq, protocol/simplex-messaging.md).
package relays
