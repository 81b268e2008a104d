// Package online puts a device of the swarm on the network: it gives the
// conversations of a [swarm.Node] to lib/swarm/peer and finds the devices that
// they need.
//
// A device is found by the addresses in an invitation, on the local network, or
// by the rendez-vous of its account, a topic in the DHT that every device
// advertises. Who connects says whose device it is (hello) before anything
// else; from then on members, certificates and bans decide.
//
// Beside peer's protocols there are three, each one JSON object and one as the
// answer:
//
//	/simplexkit/swarm/redeem/1  the token of an open invitation: its bearer is added
//	/simplexkit/swarm/key/1     a key of a sealed conversation, for a member
//	/simplexkit/swarm/link/1    the secret of a PIN: the sealed account, for a new device
package online
