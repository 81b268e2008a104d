package agent

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/agent/envelope"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
)

// TestOnlySendRaw sends bytes in the place of an envelope; with the queue's
// key beside them if kind is that of a confirmation.
func (a *Agent) TestOnlySendRaw(ctx context.Context, id ConnID, kind MessageKind, body []byte) error {
	t := &turn{a: a, ctx: ctx}
	if err := t.load(id); err != nil {
		return err
	}
	return a.sendTo(ctx, t.Conn, t.primarySnd(), &Delivery{SentMessage: SentMessage{Kind: kind, Body: body}})
}

// TestOnlySeal takes bytes in the place of a plain message through the
// ratchet, and gives the envelope.
func (a *Agent) TestOnlySeal(ctx context.Context, id ConnID, plain []byte) (body []byte, err error) {
	err = a.change(ctx, id, func(t *turn) error {
		enc, err := t.encrypt(plain, envelope.MessageSize(t.Version, t.PQ), ratchet.PQKeep)
		body = envelope.Append(nil, envelope.Message{Version: t.Version, Body: enc})
		return err
	})
	return body, err
}
