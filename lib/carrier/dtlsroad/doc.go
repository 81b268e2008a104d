// Package dtlsroad carries streams of bytes in datagrams: DTLS 1.2 over UDP, and
// one stream of SCTP over that, as in WebRTC's data channels.
//
//	stream  SCTP, stream 0: in order, repeated where lost, congestion control
//	record  DTLS 1.2, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 only,
//	        extended master secret required, certificates of one use
//	packet  UDP
//
// Nobody is authenticated here: what runs over the stream does that itself, and
// DTLS keeps its form and its packets from those on the way. One suite only,
// since it is the one of which nonces are counted (RFC 7905) and not drawn.
//
// The callee's port is shared: packets that are not of DTLS go to whoever else
// listens there.
package dtlsroad
