package filepipe_test

import (
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/xrcp"
)

// bodies are both sides of one session: a seals commands, b opens them.
func bodies(t *testing.T) (a, b *xrcp.Bodies) {
	t.Helper()
	session, id := key.GenerateEd25519(), key.GenerateEd25519()
	secret := box.RandomKey().Raw()
	send, recv := box.ChainInit(nil, secret)
	a = xrcp.NewBodies(&xrcp.Keys{Send: send, Recv: recv, Sign: &xrcp.Signer{Session: session, ID: id}}, []byte("tls"), nil, 0)
	send, recv = box.ChainInit(nil, secret)
	b = xrcp.NewBodies(&xrcp.Keys{Send: recv, Recv: send, Verify: &xrcp.Verifier{Session: session.Public(), ID: id.Public()}}, []byte("tls"), nil, 0)
	return a, b
}
