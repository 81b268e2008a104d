package chatdb

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/chat"
)

var _ chat.Joined = (*DB)(nil)

// Joined implements [chat.Joined].
func (d *DB) Joined(ctx context.Context) bool { return d.db.Joined(ctx) }
