// Package carrier is the ways on which two devices reach each other, as roads
// that all carry the same thing: a reliable stream of bytes, a net.Conn. What
// runs over it has its own TLS with its own identities, so that a road need not
// be trusted: it can delay and cut, not read or change.
//
//	tcp        the callee listens, the caller connects
//	multicast  the same, found by an announcement in a datagram
//	flip-tcp   the caller says where it listens in one line of TCP, then is called
//	flip-udp   the same in a datagram
//	flip-smp   the same in a message of a temporary queue of a relay
//	dtls       DTLS over UDP, and SCTP over that
//	libp2p     a stream of libp2p: hole punching, relays, mDNS
//	smp        messages of two queues of a relay, in order and with flow control
//
// Callee is who publishes an invitation and waits, whichever side opens the
// sockets; caller is who has got it. The package has names, the race of all
// roads, and the joining of several listeners to one; the packages below it
// are the roads.
//
//	callee  [Join](listeners…).Accept ─▶ *[Conn]
//	caller  [Race](ctx, roads, verify) ─▶ the first stream that verifies
package carrier
