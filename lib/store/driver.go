package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync/atomic"

	sqlite3 "github.com/mattn/go-sqlite3"
)

// connector opens connections of one pool. With steady set, contexts do not
// interrupt statements, and the latest connection is kept to be asked whether
// its transaction is open; that pool has one connection at most.
type connector struct {
	dsn    string
	steady bool
	last   atomic.Pointer[sqlite3.SQLiteConn]
}

func (c *connector) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

func (c *connector) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.Driver().Open(c.dsn)
	if err != nil {
		return nil, err
	}
	sc := conn.(*sqlite3.SQLiteConn)
	if _, err := sc.ExecContext(context.Background(), settings, nil); err != nil {
		return nil, errors.Join(err, sc.Close())
	}
	if !c.steady {
		return sc, nil
	}
	c.last.Store(sc)
	return steadyConn{sc}, nil
}

// settings of every connection: sorting leaves nothing on the disk, and a
// journal that has grown shrinks again.
const settings = `PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864`

// inTransaction tells whether the connection's transaction is open. The
// caller must be inside one, so that the connection stays open meanwhile.
func (c *connector) inTransaction() bool { return !c.last.Load().AutoCommit() }

type steadyConn struct{ *sqlite3.SQLiteConn }

func (c steadyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	return c.SQLiteConn.BeginTx(context.WithoutCancel(ctx), o)
}

func (c steadyConn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	return c.SQLiteConn.ExecContext(context.WithoutCancel(ctx), q, args)
}

func (c steadyConn) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	return c.SQLiteConn.QueryContext(context.WithoutCancel(ctx), q, args)
}

func (c steadyConn) PrepareContext(ctx context.Context, q string) (driver.Stmt, error) {
	s, err := c.SQLiteConn.PrepareContext(context.WithoutCancel(ctx), q)
	if err != nil {
		return nil, err
	}
	return steadyStmt{s.(*sqlite3.SQLiteStmt)}, nil
}

type steadyStmt struct{ *sqlite3.SQLiteStmt }

func (s steadyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.SQLiteStmt.ExecContext(context.WithoutCancel(ctx), args)
}

func (s steadyStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.SQLiteStmt.QueryContext(context.WithoutCancel(ctx), args)
}
