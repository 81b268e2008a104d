package agentdb_test

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/store/agentdb"
)

// TestSchemaSaysWhatIsSealed compares the marks in the migrations with what is
// sealed.
func TestSchemaSaysWhatIsSealed(t *testing.T) {
	var marked, sealed []string
	m := agentdb.Migrations()
	names, err := fs.Glob(m.FS, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	table := regexp.MustCompile(`^CREATE TABLE (\w+)`)
	column := regexp.MustCompile(`^\s+(\w+) .*-- \[(sealed|token)\]`)
	for _, name := range names {
		b, err := fs.ReadFile(m.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		in := ""
		for line := range strings.Lines(string(b)) {
			if m := table.FindStringSubmatch(line); m != nil {
				in = m[1]
			}
			if m := column.FindStringSubmatch(line); m != nil {
				marked = append(marked, m[2]+" "+in+"."+m[1])
			}
		}
	}
	for _, c := range agentdb.Sealed() {
		kind := "sealed "
		if c.Token {
			kind = "token "
		}
		sealed = append(sealed, kind+c.Name)
	}
	slices.Sort(marked)
	slices.Sort(sealed)
	if !slices.Equal(marked, sealed) {
		t.Errorf("marked in the schema:\n%s\nsealed:\n%s", strings.Join(marked, "\n"), strings.Join(sealed, "\n"))
	}
}
