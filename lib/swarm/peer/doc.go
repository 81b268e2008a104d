// Package peer is what devices of a conversation say to each other
// (SWARM-FORMAT, section 7), over streams of lib/p2p in place of the daemon's
// channels.
//
// Each protocol is one kind of stream. Frames are a length in four bytes, big
// endian, and that many bytes, of a limit that stands at each reader.
//
//	/simplexkit/swarm/git/1      frame: JSON {"id": conversation}; answer frame
//	                             {} or {"error"}; then git-upload-pack
//	/simplexkit/swarm/drt/1      frame and answer as above; then messages of
//	                             lib/swarm/drt as long as both live
//	/simplexkit/swarm/message/1  frame: JSON {"type", "body"}; answer frame
//	/simplexkit/swarm/file/1     frame: JSON {"id", "file", "sha3", "start",
//	                             "end"}; answer frame {"size"}; the bytes
//	/simplexkit/swarm/sync/1     frames: msgpack, each side's state
//	/simplexkit/swarm/hello/1    frames: JSON {"chain", "name", "addrs"}, an
//	                             answer frame, and the other's
//
// Messages are those of the daemon: application/im-gitmessage-id (a commit is
// there), application/invite+json, application/invite (an invitation is
// wanted), application/im-iscomposing+xml, message/imdn+xml. The latter two
// never enter the history.
//
// How a commit spreads: its author notifies the neighbours in the routing
// table, its account's other devices, and two random members that are not
// connected. Who hears of a commit that it has not got fetches from who told
// it, and forwards the notification if the commit really came, to those who
// have not told it themselves. So each device sends at most one notification to
// each neighbour, however many members there are.
//
// Two that wrote apart fetch each other's head. A head that is not below ours
// is merged a little later, at a time that chance gives each device another of;
// the merge of the first reaches most others before their time, and they move
// on to it instead of merging too. So merges do not call forth merges. Only
// what is in our own head is announced, since that is what others can fetch.
//
// Rules kept here: every read has a deadline (lib/p2p, Stream), and each
// exchange as a whole has one; no lock is held over the network; all that is
// tried again waits by one rule, [Backoff]; at most one fetch of a conversation
// runs at a time; who announces what it has not got, floods, or does not
// answer, is asked ever more rarely.
package peer
