package commit

import (
	"bytes"
	"fmt"
	"sort"
	"strings"
)

// Limits of trees. The deepest path of a conversation has 5 parts.
const (
	MaxTree      = 8 << 20
	MaxTreeDepth = 8
	maxEntryName = 255
)

// Mode is what an entry of a tree is.
type Mode uint32

// The modes that git writes. A conversation has ModeDir and ModeFile only.
const (
	ModeDir     Mode = 0o40000
	ModeFile    Mode = 0o100644
	ModeExec    Mode = 0o100755
	ModeSymlink Mode = 0o120000
	ModeGitlink Mode = 0o160000
)

// String is the mode as it stands in trees.
func (m Mode) String() string { return fmt.Sprintf("%o", uint32(m)) }

// Entry is one name in a tree.
type Entry struct {
	Mode Mode
	Name string
	ID   ObjectID
}

// Tree is a folder: its entries in git's order, in which a folder's name counts
// as if it ended in a slash.
type Tree struct{ Entries []Entry }

// ParseTree reads a tree object: entries in order, no name twice, no name that
// git refuses to write to a disk.
func ParseTree(b []byte) (*Tree, error) {
	if len(b) > MaxTree {
		return nil, fmt.Errorf("commit: tree of %d bytes: %w", len(b), ErrMalformed)
	}
	t := &Tree{Entries: make([]Entry, 0, len(b)/64)}
	for len(b) > 0 {
		e, n, err := parseEntry(b)
		if err != nil {
			return nil, fmt.Errorf("commit: tree: %v: %w", err, ErrMalformed)
		}
		t.Entries, b = append(t.Entries, e), b[n:]
	}
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("commit: tree: %v: %w", err, ErrMalformed)
	}
	return t, nil
}

func parseEntry(b []byte) (e Entry, n int, err error) {
	sp := bytes.IndexByte(b[:min(len(b), 8)], ' ')
	if sp < 0 {
		return e, 0, fmt.Errorf("entry without mode")
	}
	switch string(b[:sp]) {
	case "40000":
		e.Mode = ModeDir
	case "100644":
		e.Mode = ModeFile
	case "100755":
		e.Mode = ModeExec
	case "120000":
		e.Mode = ModeSymlink
	case "160000":
		e.Mode = ModeGitlink
	default:
		return e, 0, fmt.Errorf("mode %q", b[:sp])
	}
	nul := bytes.IndexByte(b[sp+1:min(len(b), sp+2+maxEntryName)], 0)
	if nul < 0 {
		return e, 0, fmt.Errorf("entry without the end of its name")
	}
	e.Name = string(b[sp+1 : sp+1+nul])
	n = sp + 1 + nul + 1 + len(e.ID)
	if len(b) < n {
		return e, 0, fmt.Errorf("entry cut off")
	}
	copy(e.ID[:], b[n-len(e.ID):])
	return e, n, nil
}

// goodName tells whether git would check out a file of that name anywhere.
func goodName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= maxEntryName &&
		!strings.EqualFold(name, ".git") && !strings.ContainsAny(name, "/\x00")
}

func (t *Tree) check() error {
	names := make(map[string]bool, len(t.Entries))
	for i, e := range t.Entries {
		if !goodName(e.Name) {
			return fmt.Errorf("name %q", e.Name)
		}
		if e.ID.IsZero() {
			return fmt.Errorf("%q without object", e.Name)
		}
		if names[e.Name] {
			return fmt.Errorf("%q twice", e.Name)
		}
		names[e.Name] = true
		if i > 0 && t.Entries[i-1].key() >= e.key() {
			return fmt.Errorf("%q out of order", e.Name)
		}
	}
	return nil
}

func (e Entry) key() string {
	if e.Mode == ModeDir {
		return e.Name + "/"
	}
	return e.Name
}

// AppendBinary appends the tree object's bytes. Entries need not be in order.
func (t *Tree) AppendBinary(b []byte) ([]byte, error) {
	sort.Slice(t.Entries, func(i, j int) bool { return t.Entries[i].key() < t.Entries[j].key() })
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("commit: tree: %v: %w", err, ErrMalformed)
	}
	for _, e := range t.Entries {
		b = append(append(append(b, e.Mode.String()...), ' '), e.Name...)
		b = append(append(b, 0), e.ID[:]...)
	}
	return b, nil
}

// Lookup finds the entry of a name.
func (t *Tree) Lookup(name string) (Entry, bool) {
	for _, key := range [2]string{name, name + "/"} {
		i := sort.Search(len(t.Entries), func(i int) bool { return t.Entries[i].key() >= key })
		if i < len(t.Entries) && t.Entries[i].Name == name {
			return t.Entries[i], true
		}
	}
	return Entry{}, false
}
