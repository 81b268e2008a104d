package store

import (
	"fmt"
	"slices"
	"strings"
)

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
