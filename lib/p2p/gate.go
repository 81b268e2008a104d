package p2p

import (
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// gate asks Config.Admit at each place where a peer's identity is known.
type gate struct {
	admit func(PeerID) bool
	dials func(addr string) bool
}

var _ connmgr.ConnectionGater = (*gate)(nil)

func (g *gate) allow(id peer.ID) bool { return g.admit == nil || g.admit(id) }

// InterceptPeerDial is asked before a peer is dialled.
func (g *gate) InterceptPeerDial(id peer.ID) bool { return g.allow(id) }

// InterceptAddrDial is asked for each address of a peer.
func (g *gate) InterceptAddrDial(id peer.ID, addr ma.Multiaddr) bool {
	return g.allow(id) && (g.dials == nil || g.dials(addr.String()))
}

// InterceptAccept is asked before the peer has said who it is.
func (g *gate) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptSecured is asked when the peer has proved who it is.
func (g *gate) InterceptSecured(_ network.Direction, id peer.ID, _ network.ConnMultiaddrs) bool {
	return g.allow(id)
}

// InterceptUpgraded is asked at last.
func (g *gate) InterceptUpgraded(c network.Conn) (bool, control.DisconnectReason) {
	return g.allow(c.RemotePeer()), 0
}
