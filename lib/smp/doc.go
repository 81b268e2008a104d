// Package smp is the grammar of the SimpleX Messaging Protocol between
// clients and relays, versions 6 to 18: commands, answers, transmissions,
// handshakes, addresses. Spec: simplexmq, protocol/simplex-messaging.md.
//
// Everything travels in blocks of 16384 bytes. A block holds up to 255
// transmissions and is padded, in v11+ also encrypted inside TLS:
//
//	block         = padded(16384, batch)               below v11, and between relays
//	              | tag 16, padded(16368, batch) sealed  v11+
//	batch         = count byte, large transmission …
//	transmission  = short authorization,               empty | Ed25519 64 | Ed448 114 | X25519 80
//	                [maybe short service signature,]   v16+, if authorized
//	                [short session ID,]                v6 only, later implied
//	                short corrID, short entity ID, command
//	command       = tag [' ' parameters]
//
// What is authorized: short session ID, short corrID, short entity ID,
// command; with a service's signature the fingerprint of its certificate,
// without a length, comes before.
//
// What each version brought:
//
//	6   NEW may create without subscribing (the oldest one here)
//	7   authorization by X25519, session ID implied, relay's session key
//	8   proxies: PRXY, PFWD, RFWD
//	9   SKEY, who may secure a queue in NEW and IDS
//	10  DELD
//	11  encrypted blocks, shorter bodies
//	12  BLOCKED
//	14  a proxy says so in its hello
//	15  short links: LSET, LDEL, LKEY, LGET; queue mode in NEW and IDS
//	16  service certificates: SUBS, NSUBS, SOK, SOKS, ENDS
//	17  notification keys in NEW
//	18  notices in BLOCKED
//
// Words: a relay is a server of SMP; recipient, sender and notifier are the
// three who know one queue by three IDs; an entity is whatever a
// transmission is addressed to; a corrID matches an answer to its command; an
// event is a message without corrID; a service is a client with a
// certificate.
//
// The package is pure: bytes in, values out. Parsers keep slices of their
// input; nothing they return is larger than it.
package smp
