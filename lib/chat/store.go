package chat

import "context"

// Store keeps what chat knows. It is implemented by package chatdb.
type Store interface {
	// Update runs fn in a transaction: all of it is on disk when Update
	// returns nil, none of it when fn or the commit fails. fn runs once and
	// must not call the agent.
	Update(ctx context.Context, fn func(Tx) error) error
	// View runs fn on a consistent state that it only reads.
	View(ctx context.Context, fn func(Tx) error) error
}

// Tx is a transaction.
type Tx interface {
}
