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
	vault  *atomic.Pointer[vault] // the database's
	last   atomic.Pointer[sqlite3.SQLiteConn]
}

func (c *connector) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

func (c *connector) Connect(context.Context) (driver.Conn, error) {
	dc, err := c.Driver().Open(c.dsn)
	if err != nil {
		return nil, err
	}
	sc := dc.(*sqlite3.SQLiteConn)
	_, err = sc.ExecContext(context.Background(), settings, nil)
	if err == nil {
		err = c.register(sc)
	}
	if err != nil {
		return nil, errors.Join(err, sc.Close())
	}
	if c.steady {
		c.last.Store(sc)
	}
	return conn{sc, c}, nil
}

// settings of every connection: sorting leaves nothing on the disk, a journal
// that has grown shrinks again, and a schema that somebody has changed cannot
// call the functions that open sealed values.
const settings = `PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864; PRAGMA trusted_schema = OFF`

// inTransaction tells whether the connection's transaction is open. The
// caller must be inside one, so that the connection stays open meanwhile.
func (c *connector) inTransaction() bool { return !c.last.Load().AutoCommit() }

// context is what a statement gets of its caller's.
func (c *connector) context(ctx context.Context) context.Context {
	if c.steady {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

type conn struct {
	*sqlite3.SQLiteConn
	pool *connector
}

func (c conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	return c.SQLiteConn.BeginTx(c.pool.context(ctx), o)
}

func (c conn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	return c.SQLiteConn.ExecContext(c.pool.context(ctx), c.pool.text(q), args)
}

func (c conn) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	return c.SQLiteConn.QueryContext(c.pool.context(ctx), c.pool.text(q), args)
}

func (c conn) PrepareContext(ctx context.Context, q string) (driver.Stmt, error) {
	s, err := c.SQLiteConn.PrepareContext(c.pool.context(ctx), c.pool.text(q))
	if err != nil {
		return nil, err
	}
	return stmt{s.(*sqlite3.SQLiteStmt), c.pool}, nil
}

type stmt struct {
	*sqlite3.SQLiteStmt
	pool *connector
}

func (s stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.SQLiteStmt.ExecContext(s.pool.context(ctx), args)
}

func (s stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.SQLiteStmt.QueryContext(s.pool.context(ctx), args)
}
