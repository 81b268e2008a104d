package chatdb_test

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/store/chatdb"
)

// encrypted tells open to give databases a key.
var encrypted bool

func TestEncrypted(t *testing.T) {
	encrypted = true
	defer func() { encrypted = false }()
	for name, test := range map[string]func(*testing.T){
		"rows": TestRowsComeBack, "nothing": TestWhatIsNotThere, "items": TestItems, "outgoing": TestOutgoing, "log": TestLog,
	} {
		t.Run(name, test)
	}
}

// TestSchemaSaysWhatIsSealed compares the marks in the migrations with what is
// sealed.
func TestSchemaSaysWhatIsSealed(t *testing.T) {
	var marked, sealed []string
	m := chatdb.Migrations()
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
	for _, c := range chatdb.Sealed() {
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
