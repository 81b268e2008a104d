// Package smpserver is a message relay: the router of the SimpleX Messaging
// Protocol, versions 6 to 18.
//
// # A connection
//
// has one goroutine that reads blocks and one that writes them. Blocks that
// have been read are run by a third one, which lives only while there are
// some, so that an idle connection costs two small stacks:
//
//	reader ─ blocks ─> runner ─ answers ──┐
//	                     │                v
//	other connections ─ subscriptions ─> out ─> writer
//
// The out queue holds answers and small events; of messages only the names of
// the queues that have one. The writer takes the message when there is room
// for it on the wire, so a recipient that reads slowly costs no memory and
// nobody else's time. A runner waits while its own connection's out queue is
// long.
//
// A peer that begins a block has a minute to complete it, so that one that
// sends byte after byte holds no buffer for long; an idle one holds none.
//
// # Durability
//
// All changes of the blocks that a runner has at hand go into one update of
// the store, and the store commits the updates of many connections at once.
// OK to NEW, SEND, KEY and the like follows the commit. An acknowledged
// message is gone at once for the recipient, and from the store with a later
// commit: a crash in between delivers it again, with the same ID.
//
// # Queues in memory
//
// Records of queues are cached, in a number bounded by the configuration;
// besides them memory holds subscriptions and one message for each queue to
// which a message was sent just now. The number of stored queues costs
// nothing.
//
// # Several relays on one store
//
// A store that is [queuestore.Shared] orders the updates of all its relays
// and lets each know what others did before its next update runs. So these
// hold whatever the relays do at the same time: messages have one order, a
// queue takes no more than its quota, and SEND, KEY, OFF, DEL and the like
// meet the queue as it is. A subscription belongs to the relay with the last
// SUB; the one before sends END.
//
// What is answered from memory may be older by the time that a notification
// of the store takes, milliseconds as a rule: LGET, QUE, the check of a
// recipient's key, and the owner of a subscription. Therefore, between SUB at
// one relay and END at another, both may deliver the same message. It has the
// same ID, each connection still gets one message at a time and in order, and
// none is lost. GET is not exclusive, nor is it with one relay. Notifications
// that wait for a notification server are in the memory of the relay that
// took the message, and in that of the one where the server is subscribed, which
// tells the others before it sends them, so that none is sent twice.
//
// smp: Simplex Messaging Protocol, all sections on router behaviour;
// simplex-messaging Appendix A.
package smpserver
