package chat

import (
	"context"

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
