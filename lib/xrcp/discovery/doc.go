// Package discovery finds controllers for hosts: which address a controller
// writes into its invitation, the port that it listens on, and announcements in
// multicast datagrams for hosts that know it.
//
//	port       5226/tcp by default, any other if that is taken
//	addresses  the default route's first, then other networks, private networks
//	           over tunnels, bridges of containers and machines, loopback last
//	datagram   xrcp.Announcement to 224.0.0.251:5227, once a second, from the
//	           address that the invitation has: receivers compare them
//
// Spec: protocol/xrcp.md of simplexmq, version 1. What the datagrams hold is
// package xrcp's.
//
// xrcp: Session invitation
package discovery
