package store

import (
	"errors"
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
