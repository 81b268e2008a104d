package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/simplexkit/simplexkit/lib/exit"
)

// print writes one line of results.
func (e *env) print(format string, args ...any) error {
	return e.write([]byte(fmt.Sprintf(format, args...) + "\n"))
}

// printJSON writes one object, on a line of its own.
func (e *env) printJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	return e.write(append(b, '\n'))
}

// write writes a whole line at once. Standard output is not buffered, so the
// system has the line when write returns nil.
func (e *env) write(line []byte) error {
	if _, err := e.stdout.Write(line); err != nil {
		return exit.Errorf(exit.IOErr, "write to standard output: %w", err)
	}
	return nil
}

// result writes v as JSON if that was asked for, else the text.
func (e *env) result(v any, format string, args ...any) error {
	if e.json {
		return e.printJSON(v)
	}
	return e.print(format, args...)
}

// note says something to the person at the terminal.
func (e *env) note(format string, args ...any) {
	if !e.quiet && !e.json {
		fmt.Fprintf(e.stderr, "simplexd: "+format+"\n", args...)
	}
}

// printable makes a name that somebody else chose safe for a terminal.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, name)
}

// trimAt takes the @ off a contact's name.
func trimAt(name string) string { return strings.TrimPrefix(name, "@") }
