package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/profile"
	"github.com/simplexkit/simplexkit/lib/store"
)

// leaks HOME PASSPHRASE DIR... opens everything that is sealed in the profile
// of HOME, and fails if any of it is in a file of the directories. ! leaks wants
// to find something: it is for a profile that is not encrypted.
func cmdLeaks(ts *testscript.TestScript, neg bool, args []string) {
	ctx := context.Background()
	db, err := store.Open(ctx, filepath.Join(ts.MkAbs(args[0]), "simplexd.db"), store.Options{})
	ts.Check(err)
	defer db.Close()
	if db.Encrypted() {
		ts.Check(db.Unlock(ctx, store.Passphrase([]byte(args[1]), store.KDF{})))
	}
	files := readDirs(ts, args[2:])
	values, found := 0, map[string]int{}
	columns := map[string]bool{}
	ts.Check(db.Sealed(ctx, profile.Columns(), func(column string, v any) error {
		var b []byte
		switch v := v.(type) {
		case string:
			b = []byte(v)
		case []byte:
			b = v
		}
		if len(b) < 8 {
			return nil // such short ones are everywhere
		}
		values++
		columns[column] = true
		if where := files.find(b); where != "" {
			found[column+" in "+where]++
		}
		return nil
	}))
	ts.Logf("%d values of %d columns, %d files of %d bytes", values, len(columns), len(files), files.size())
	if len(found) > 0 != neg {
		ts.Fatalf("found %v", found)
	}
	if values < 100 || len(columns) < 15 {
		ts.Fatalf("only %d values of %d columns to look for", values, len(columns))
	}
}

// nowhere TEXT DIR... fails if the text is in a file of the directories.
func cmdNowhere(ts *testscript.TestScript, neg bool, args []string) {
	if where := readDirs(ts, args[1:]).find([]byte(args[0])); where != "" != neg {
		ts.Fatalf("%q is in %q", args[0], where)
	}
}

// tree is the files of directories.
type tree map[string][]byte

func readDirs(ts *testscript.TestScript, dirs []string) tree {
	t := tree{}
	for _, dir := range dirs {
		ts.Check(filepath.WalkDir(ts.MkAbs(dir), func(path string, d fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil // a journal that has been put away
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil && !os.IsNotExist(err) {
				return err
			}
			t[path] = b
			return nil
		}))
	}
	if len(t) == 0 {
		ts.Fatalf("no files in %v", dirs)
	}
	return t
}

// find looks for b as it is and as programs write bytes into text.
func (t tree) find(b []byte) string {
	forms := [][]byte{b}
	for _, s := range []string{
		hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)),
		base64.RawStdEncoding.EncodeToString(b), base64.RawURLEncoding.EncodeToString(b),
	} {
		forms = append(forms, []byte(s))
	}
	for path, content := range t {
		for i, form := range forms {
			if bytes.Contains(content, form) {
				return fmt.Sprintf("%s (form %d)", filepath.Base(path), i)
			}
		}
	}
	return ""
}

func (t tree) size() (n int) {
	for _, b := range t {
		n += len(b)
	}
	return n
}
