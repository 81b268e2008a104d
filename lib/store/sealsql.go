package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	sqlite3 "github.com/mattn/go-sqlite3"
)

// vault is the key of an encrypted database; its sealer is nil while locked.
type vault struct{ *sealer }

// register gives a connection of an encrypted database its SQL functions.
func (c *connector) register(conn *sqlite3.SQLiteConn) error {
	sealer := func() (*sealer, error) {
		if v := c.vault.Load(); v != nil && v.sealer != nil {
			return v.sealer, nil
		}
		return nil, errNotOpen
	}
	seal := func(token bool) func(string, any, ...any) (any, error) {
		return func(column string, v any, row ...any) (any, error) {
			s, err := sealer()
			if err != nil {
				return nil, err
			}
			return s.seal(column, v, token, row)
		}
	}
	unseal := func(column string, v any, row ...any) (any, error) {
		s, err := sealer()
		if err != nil {
			return nil, err
		}
		return s.open(column, v, row)
	}
	return errors.Join(conn.RegisterFunc("seal", seal(false), false),
		conn.RegisterFunc("token", seal(true), false), conn.RegisterFunc("unseal", unseal, false))
}

// text is a statement as SQLite gets it. In a database without a key the calls
// of the functions are replaced by their values, so that nothing is paid for
// what is not used.
func (c *connector) text(query string) string {
	if c.vault.Load() != nil || !strings.Contains(query, "seal(") && !strings.Contains(query, "token(") {
		return query
	}
	if q, ok := plainTexts.Load(query); ok {
		return q.(string)
	}
	q := plainText(query)
	plainTexts.Store(query, q)
	return q
}

// plainTexts are statements without the functions, by those with them. They
// are constants of the programs, so there is an end to them.
var plainTexts sync.Map

// plainText replaces seal(c, v, …), token(c, v, …) and unseal(c, v, …) by v.
func plainText(q string) string {
	var out strings.Builder
	for q != "" {
		i, name := nextCall(q)
		if i < 0 {
			break
		}
		args, rest := callArgs(q[i+len(name):])
		if len(args) < 2 {
			out.WriteString(q[:i+len(name)])
			q = q[i+len(name):]
			continue
		}
		out.WriteString(q[:i])
		out.WriteString(plainText(strings.TrimSpace(args[1])))
		q = rest
	}
	return out.String() + q
}

// nextCall finds the first call of one of the functions outside of quotes.
func nextCall(q string) (at int, name string) {
	quote := byte(0)
	for i := range len(q) {
		switch c := q[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
			continue
		case c == '\'' || c == '"':
			quote = c
			continue
		case i > 0 && wordByte(q[i-1]):
			continue
		}
		for _, name := range []string{"seal(", "token(", "unseal("} {
			if strings.HasPrefix(q[i:], name) {
				return i, name
			}
		}
	}
	return -1, ""
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// callArgs splits the arguments of a call, whose opening bracket is before q.
func callArgs(q string) (args []string, rest string) {
	depth, start, quote := 0, 0, byte(0)
	for i := range len(q) {
		switch c := q[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == ')':
			return append(args, q[start:i]), q[i+1:]
		case c == ',' && depth == 0:
			args, start = append(args, q[start:i]), i+1
		}
	}
	return nil, ""
}

// Column is a column with sealed values.
type Column struct {
	// Name is table.column, as it is given to the SQL functions.
	Name string
	// Row are the columns of the same table whose values, in this order, are
	// the row identity given to the functions.
	Row []string
	// Token tells that the values are tokens. A column that is part of
	// another's Row stands before it.
	Token bool
}

// Columns are the sealed columns of a component.
type Columns []Column

// Open is the SQL expression for the value of a sealed column of the row at
// hand.
func (c Columns) Open(name string) string {
	col := c.get(name)
	_, column, _ := strings.Cut(name, ".")
	return call("unseal", name, append([]string{column}, col.Row...))
}

// Seal is the SQL expression for what to write into a sealed column, or for
// what to look for in one of tokens: value is the expression of the value, row
// are those of its row identity. Parameters in them must be numbered: in a
// database without a key the expression is value alone.
func (c Columns) Seal(name, value string, row ...string) string {
	col := c.get(name)
	if len(row) != len(col.Row) {
		panic("store: misuse: " + name + " has another row identity")
	}
	if col.Token {
		return call("token", name, append([]string{value}, row...))
	}
	return call("seal", name, append([]string{value}, row...))
}

func (c Columns) get(name string) Column {
	i := slices.IndexFunc(c, func(col Column) bool { return col.Name == name })
	if i < 0 {
		panic("store: misuse: " + name + " is not among the sealed columns")
	}
	return c[i]
}

func call(function, name string, args []string) string {
	return fmt.Sprintf("%s('%s', %s)", function, name, strings.Join(args, ", "))
}

// of are the columns of a table.
func (c Columns) of(table string) (out Columns) {
	for _, col := range c {
		if strings.HasPrefix(col.Name, table+".") {
			out = append(out, col)
		}
	}
	return out
}

// Sealed calls fn with every value of the sealed columns, opened: for checks
// that they are nowhere else. The value is a string or a []byte.
func (db *DB) Sealed(ctx context.Context, columns Columns, fn func(column string, v any) error) error {
	return db.View(ctx, func(tx *sql.Tx) error {
		for _, c := range append(slices.Clone(settingsColumns), columns...) {
			if err := eachOpened(ctx, tx, c, fn); err != nil {
				return fmt.Errorf("store: opening %s: %w", c.Name, err)
			}
		}
		return nil
	})
}

func eachOpened(ctx context.Context, tx *sql.Tx, c Column, fn func(string, any) error) error {
	table, _, _ := strings.Cut(c.Name, ".")
	var n int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE name = ?`, table).Scan(&n)
	if err != nil || n == 0 {
		return err
	}
	rows, err := tx.QueryContext(ctx, `SELECT `+Columns{c}.Open(c.Name)+` FROM `+table)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var v any
		if err := rows.Scan(&v); err != nil {
			return err
		}
		if v == nil {
			continue
		}
		if err := fn(c.Name, v); err != nil {
			return err
		}
	}
	return rows.Err()
}
