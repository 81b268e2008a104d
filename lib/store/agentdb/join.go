package agentdb

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/agent"
)

var _ agent.Joiner = (*DB)(nil)

// Join implements agent.Joiner.
func (d *DB) Join(ctx context.Context, t agent.Tx) context.Context {
	return d.db.Join(ctx, t.(tx).Tx)
}
