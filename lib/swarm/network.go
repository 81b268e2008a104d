package swarm

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// Network is what a node asks of the network. None of it waits for a peer,
// unless it has a context.
type Network interface {
	// Name is the libp2p name of this device, Addresses its multiaddrs.
	Name() string
	Addresses() []string
	// Announce tells the members' devices of a new head.
	Announce(conv, head commit.ObjectID)
	// Clone copies a conversation that was accepted, as soon as it can.
	Clone(conv commit.ObjectID)
	// Deliver sends the invitations that wait, as soon as it can.
	Deliver()
	// Leave stops taking part in a conversation.
	Leave(conv commit.ObjectID)
	// Recheck closes connections with devices that are not welcome any more.
	Recheck()
	// Typing and Read tell the devices that are connected.
	Typing(ctx context.Context, conv commit.ObjectID, active bool) error
	Read(ctx context.Context, conv, message commit.ObjectID) error
	// Fetch gets a file from all who have it; f.Path is where it is put.
	Fetch(ctx context.Context, conv commit.ObjectID, f *api.SwarmFile) error
	// Peers is how devices are reached.
	Peers() []api.SwarmPeer
	// Neighbors are those of a conversation in the DRT.
	Neighbors(conv commit.ObjectID) []string
	// PIN lets another device join our account once, within ten minutes; Link
	// joins the account of a device that gave a PIN.
	PIN(ctx context.Context) (string, error)
}

// Attach gives the node its network, or with nil takes it away.
func (n *Node) Attach(net Network) {
	n.mu.Lock()
	n.net = net
	n.mu.Unlock()
	n.news.ring()
}
