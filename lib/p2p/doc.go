// Package p2p is a device on a network without servers: one libp2p host, whose
// identity is the device's key.
//
// A peer is known by its peer ID, which is the hash of its public key as libp2p
// has it; TLS 1.3 proves that the peer holds the key. For an RSA key, the
// device ID of a conversation's repository is another hash of the same key:
// see [DeviceID] and [PeerOf].
//
// How two devices find a road to each other, cheapest first:
//
//	lan      both announce themselves by mDNS on the local network: nothing to
//	         set up, no internet
//	direct   an address that is known, or that the peer left in the DHT
//	         (kad-DHT, /simplexkit/kad/1.0.0) by way of the bootstrap nodes
//	relayed  over a bootstrap node's circuit relay v2; DCUtR then tries to make
//	         it direct by hole punching
//
// Streams carry a protocol ID. Every read of a stream has a deadline, see
// [Stream]. Who may connect is asked at dial and at accept: [Config.Admit].
//
// The host costs little when idle: no public network is joined, no transport
// but TCP and QUIC is opened, nothing is measured for Prometheus.
package p2p
