// Package gitwire speaks git-upload-pack, protocol version 0 and 1, on both
// sides, over any stream (gitprotocol-pack): how a device gets from another the
// commits that it lacks. Real git can be at the other end.
//
//	server  refs            "<id> HEAD\0<capabilities>" "<id> refs/heads/main" … flush
//	client  want            "want <id> <capabilities>" flush
//	client  haves           "have <id>" … "done"
//	server  answer          "ACK <id>" or "NAK"
//	server  pack            side-band 1, errors in 3, flush
//
// Each line is a pkt-line: its length with these four as four hex digits, then
// the bytes; "0000" is a flush. A client that has everything sends a flush in
// place of its wants. Haves are sent all at once, so a fetch takes one round
// trip; a server answers the flushes of a client that sends them in portions.
//
// Nothing that the other side says is believed: lines, refs, wants and haves
// are limited in number and length, and a [Link] ends what takes too long.
package gitwire
