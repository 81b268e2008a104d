// Package drt is the distributed routing table of a conversation: how its
// devices stay one connected graph with few links each (SWARM-FORMAT, section
// 8, DRT).
//
// Devices are 256 bit IDs with the exclusive-or distance. A [Table] divides the
// range of IDs into buckets:
//
//	lower limit   ID; the bucket reaches up to the next one's
//	nodes         devices with a channel to us
//	connecting    devices to which a channel is being opened
//	known         devices heard of
//	mobile        devices that keep no channel and are woken instead
//
// A bucket that holds two nodes and our own ID is split before a third comes
// in; other buckets grow. So there are about two links for each halving of the
// distance to us.
//
// A [Machine] keeps the table: inputs are what happened (IDs learnt, channels
// opened, lost, messages, time), and each returns the actions to take. It does
// no I/O, reads no clock and starts nothing.
//
// Messages follow each other on a channel, each a msgpack map:
//
//	v                 3
//	is_mobile         whether the sender is a mobile device
//	self_mobile_info  the sender's lease, if it is one
//	request           {q: 1, num, nodeId}: FIND, the nodes closest to nodeId
//	response          {q: 2, nodes, mobile_nodes, mobile_node_infos}: FOUND
//	cert_request      {q: 3, nodes}: certificates wanted
//	cert_response     {q: 4, certs}: DER certificates
//
// A [Lease] is a mobile device's word that it wants to be woken, signed by it,
// for at most 30 days.
package drt
