package main

import (
	"strings"
	"testing"
)

// TestCurrent fails if a program's --help has changed since its man page was
// written.
func TestCurrent(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the programs")
	}
	if err := run("../..", true); err != nil {
		t.Error(err)
	}
}

func TestManual(t *testing.T) {
	says := map[string]string{
		"":    "Examples:\n  p a\n\nUsage: p [flags] COMMAND\n\nwhat it is\n\nmore of it\n\nCommands:\n  a  do a\n  g  group\n  help  Shows\n\nFlags:\n  --x FILE, -x FILE  take FILE [$P_X]\n\np COMMAND --help shows a command's flags and exit codes.\n",
		"a":   "Examples:\n  p a 'it''s'\n\nUsage: p a [flags]\n\ndo a\n\nA paragraph.\n   one  two\n\nExit codes:\n    0  done\n",
		"g":   "Usage: p g COMMAND\n\ngroup\n\nCommands:\n  b  do b\n\np g COMMAND --help shows a command's flags and exit codes.\n",
		"g b": "Usage: p g b [flags]\n\ndo b\n\nFlags:\n  --help, -h  show help\n",
	}
	b, err := manual(func(args ...string) (string, error) { return says[strings.Join(args, " ")], nil }, "p")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	for _, want := range []string{".SH NAME\np \\- what it is\n", "more of it", ".TP\n.B \\-\\-x FILE, \\-x FILE\ntake FILE [$P_X]\n",
		".SS p a\nDo a.\n", ".SS p g b\n", ".TP\n.B 0\ndone\n", "A paragraph.\n.RS 4\n.nf\none  two\n.fi"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	if strings.Contains(page, "Shows") || strings.Contains(page, "COMMAND \\-\\-help") {
		t.Errorf("too much in\n%s", page)
	}
}
