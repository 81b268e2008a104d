// Package link is the grammar of what two clients of SMP tell each other out
// of band: queue addresses, connection requests, short links and the data
// behind them, names. Spec: simplexmq, protocol/agent-protocol.md (Connection
// request, Short links) and protocol/simplex-messaging.md (Out-of-band
// messages).
//
//	queue address       smp://FINGERPRINT@host:port/SENDERID#/?v=1-4&dh=KEY&q=m
//	connection request  simplex:/invitation#/?v=2-7&smp=QUEUE;QUEUE&e2e=PARAMS&data=TEXT
//	                    simplex:/contact#/?v=2-7&smp=QUEUE
//	short link          simplex:/i#LINKID/KEY?h=HOSTS&p=PORT&c=FINGERPRINT
//	                    https://HOST/a#KEY?h=HOSTS&p=PORT&c=FINGERPRINT
//	name                simplex:/name#group.simplex
//
// All but names also have a binary form, which link data uses. The data of a
// short link are two parts, encrypted so that the relay cannot read them:
//
//	fixed   nonce 24, sealed padded(2008, short signature, versions, root key,
//	        connection request [, short entity ID])
//	user    nonce 24, sealed padded(13784, short signature, 'I' versions data
//	        | 'C' versions, direct, owners, relays, data)
//
// The link key is the SHA3-256 of the fixed part without its signature, so a
// link names its data; keys and the contact link's ID are derived from it.
// The user part is signed by the root key or by an owner, whom the root key or
// an earlier owner has signed.
//
// The package is pure but for the nonces, which come from crypto/rand.
package link
