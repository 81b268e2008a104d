package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	ucli "github.com/urfave/cli/v2"
)

// TestEveryFlagIsTriedAndHasAVariable finds flags that no script uses and
// flags without their environment variable.
func TestEveryFlagIsTriedAndHasAVariable(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var scripts strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		scripts.Write(b)
	}
	app := newApp(&env{})
	check := func(where string, flags []ucli.Flag) {
		for _, f := range flags {
			name := f.Names()[0]
			tried := false
			for _, n := range f.Names() {
				tried = tried || strings.Contains(scripts.String(), strings.Repeat("-", min(len(n), 2))+n+" ") ||
					strings.Contains(scripts.String(), strings.Repeat("-", min(len(n), 2))+n+"\n") ||
					strings.Contains(scripts.String(), strings.Repeat("-", min(len(n), 2))+n+"=")
			}
			if !tried {
				t.Errorf("%s --%s: in no script", where, name)
			}
			want := "SIMPLEXD_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
			if got := f.(ucli.DocGenerationFlag).GetEnvVars(); len(got) != 1 || got[0] != want {
				t.Errorf("%s --%s: variables %q, want %s", where, name, got, want)
			}
		}
	}
	check("simplexd", app.Flags)
	for _, c := range app.Commands {
		check("simplexd "+c.Name, c.Flags)
		if len(c.Subcommands) == 0 && !strings.HasPrefix(c.CustomHelpTemplate, "Examples:\n  ") {
			t.Errorf("%s: help does not begin with examples", c.Name)
		}
		for _, f := range c.Flags {
			for _, g := range app.Flags {
				if f.Names()[0] == g.Names()[0] {
					t.Errorf("%s --%s: hides the program's flag", c.Name, f.Names()[0])
				}
			}
		}
	}
}
