package agentdb

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/agent"
)

var _ agent.SharedStore = (*DB)(nil)

// Join implements agent.SharedStore.
func (d *DB) Join(ctx context.Context, t agent.Tx) context.Context {
	return d.db.Join(ctx, t.(tx).Tx)
}
