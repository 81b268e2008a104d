package chat

import (
	"context"
	"encoding/json"

	"github.com/simplexkit/simplexkit/lib/api"
)

// Announce puts an event into the log that is not about messages: somebody
// else's, such as that a remote controller was attached.
func (c *Core) Announce(ctx context.Context, r api.Response) error {
	return c.update(ctx, func(w *work) error {
		_, err := w.emit(r)
		return err
	})
}

// Mirror puts an event into the log that came from elsewhere, such as from a
// remote host, as it is. resp must be a JSON object.
func (c *Core) Mirror(ctx context.Context, typ string, resp json.RawMessage) error {
	return c.update(ctx, func(w *work) error {
		e := Event{TS: w.now, Type: typ, Resp: resp}
		return w.AppendEvent(&e)
	})
}
