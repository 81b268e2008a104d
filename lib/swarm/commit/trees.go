package commit

import (
	"context"
	"fmt"
	"strings"
)

// Trees looks into trees and keeps those it has read, within limits: the trees
// of neighbouring commits are nearly the same. It is for one goroutine.
type Trees struct {
	objects Objects
	trees   map[ObjectID]*Tree
	entries int
}

// maxCached is how many entries of trees are kept.
const maxCached = 1 << 18

// NewTrees looks into the trees among objects.
func NewTrees(objects Objects) *Trees {
	return &Trees{objects: objects, trees: map[ObjectID]*Tree{}}
}

// Tree reads a tree. The caller does not change it.
func (t *Trees) Tree(ctx context.Context, id ObjectID) (*Tree, error) {
	if tree, ok := t.trees[id]; ok {
		return tree, nil
	}
	tree, err := ReadTree(ctx, t.objects, id)
	if err != nil {
		return nil, err
	}
	if t.entries += len(tree.Entries) + 8; t.entries > maxCached {
		clear(t.trees)
		t.entries = len(tree.Entries) + 8
	}
	t.trees[id] = tree
	return tree, nil
}

// Lookup finds what stands at a path, a file or a folder; ok is false if
// nothing does.
func (t *Trees) Lookup(ctx context.Context, root ObjectID, path string) (e Entry, ok bool, err error) {
	for id := root; ; id = e.ID {
		tree, err := t.Tree(ctx, id)
		if err != nil {
			return Entry{}, false, err
		}
		name, rest, deeper := strings.Cut(path, "/")
		if e, ok = tree.Lookup(name); !ok || !deeper {
			return e, ok, nil
		}
		if e.Mode != ModeDir {
			return Entry{}, false, nil
		}
		path = rest
	}
}

// File finds a plain file.
func (t *Trees) File(ctx context.Context, root ObjectID, path string) (id ObjectID, ok bool, err error) {
	e, ok, err := t.Lookup(ctx, root, path)
	if err != nil || !ok || e.Mode != ModeFile {
		return ObjectID{}, false, err
	}
	return e.ID, true, nil
}

// List is what a folder holds; nothing if there is no such folder.
func (t *Trees) List(ctx context.Context, root ObjectID, dir string) ([]Entry, error) {
	e, ok, err := t.Lookup(ctx, root, dir)
	if err != nil || !ok || e.Mode != ModeDir {
		return nil, err
	}
	tree, err := t.Tree(ctx, e.ID)
	if err != nil {
		return nil, err
	}
	return tree.Entries, nil
}

// Blob reads a file's content.
func (t *Trees) Blob(ctx context.Context, id ObjectID) ([]byte, error) {
	if id == EmptyBlob {
		return nil, nil
	}
	return Read(ctx, t.objects, id, TypeBlob)
}

// Value is what stands at the end of a path: zero where nothing does.
type Value struct {
	Mode Mode
	ID   ObjectID
}

// Change is a path at which two trees differ.
type Change struct {
	Path     string
	Old, New Value
}

// Added tells whether nothing was there before.
func (c Change) Added() bool { return c.Old == Value{} }

// Deleted tells whether nothing is there now.
func (c Change) Deleted() bool { return c.New == Value{} }

// MaxChanges is how many paths Diff tells of.
const MaxChanges = 1 << 16

// maxCompared is how many entries of trees a Diff looks at: small objects can
// name each other so that they would make a large tree.
const maxCompared = 1 << 22

// Diff is the files in which two trees differ, in the order of paths. Folders
// are not told of, what is in them is, but for a folder with nothing in it,
// which git does not write; folders with the same name of an object are not
// opened. It fails with ErrMalformed beyond MaxChanges and MaxTreeDepth.
func (t *Trees) Diff(ctx context.Context, old, new ObjectID) ([]Change, error) {
	d := differ{t: t}
	if err := d.tree(ctx, "", old, new, 0); err != nil {
		return nil, err
	}
	return d.out, nil
}

type differ struct {
	t        *Trees
	out      []Change
	compared int
}

func (d *differ) tree(ctx context.Context, prefix string, old, new ObjectID, depth int) error {
	if old == new {
		return nil
	}
	if depth > MaxTreeDepth {
		return fmt.Errorf("commit: folders deeper than %d: %w", MaxTreeDepth, ErrMalformed)
	}
	a, err := d.t.Tree(ctx, old)
	if err != nil {
		return err
	}
	b, err := d.t.Tree(ctx, new)
	if err != nil {
		return err
	}
	if d.compared += len(a.Entries) + len(b.Entries) + 1; d.compared > maxCompared {
		return fmt.Errorf("commit: more than %d entries: %w", maxCompared, ErrMalformed)
	}
	i, j := 0, 0
	for i < len(a.Entries) || j < len(b.Entries) {
		var x, y Entry
		switch {
		case j == len(b.Entries) || i < len(a.Entries) && a.Entries[i].key() < b.Entries[j].key():
			x = a.Entries[i]
			i++
		case i == len(a.Entries) || a.Entries[i].key() > b.Entries[j].key():
			y = b.Entries[j]
			j++
		default:
			x, y = a.Entries[i], b.Entries[j]
			i, j = i+1, j+1
		}
		if err := d.entry(ctx, prefix, x, y, depth); err != nil {
			return err
		}
	}
	return nil
}

// entry compares what has the same name and is a folder on both sides or on
// none; the side that is missing is the zero entry.
func (d *differ) entry(ctx context.Context, prefix string, x, y Entry, depth int) error {
	if x.ID == y.ID && x.Mode == y.Mode {
		return nil
	}
	name := x.Name + y.Name
	if x.Name != "" && y.Name != "" {
		name = x.Name
	}
	if x.Mode == ModeDir || y.Mode == ModeDir {
		old, new := EmptyTree, EmptyTree
		if x.Mode == ModeDir {
			old = x.ID
		}
		if y.Mode == ModeDir {
			new = y.ID
		}
		if x.Mode == ModeDir && old == EmptyTree || y.Mode == ModeDir && new == EmptyTree {
			if err := d.add(Change{prefix + name, emptyDir(x), emptyDir(y)}); err != nil {
				return err
			}
		}
		return d.tree(ctx, prefix+name+"/", old, new, depth+1)
	}
	return d.add(Change{prefix + name, Value{x.Mode, x.ID}, Value{y.Mode, y.ID}})
}

func (d *differ) add(c Change) error {
	if d.out = append(d.out, c); len(d.out) > MaxChanges {
		return fmt.Errorf("commit: more than %d changes: %w", MaxChanges, ErrMalformed)
	}
	return nil
}

// emptyDir is what is told of a folder: something only if it holds nothing.
func emptyDir(e Entry) Value {
	if e.Mode == ModeDir && e.ID == EmptyTree {
		return Value{e.Mode, e.ID}
	}
	return Value{}
}

// Apply makes the tree that root becomes with the changes, of which New counts,
// and returns its name and the objects that are new, folders after what is in
// them. A folder with nothing in it goes.
func (t *Trees) Apply(ctx context.Context, root ObjectID, changes []Change) (ObjectID, []Object, error) {
	var out []Object
	id, err := t.apply(ctx, root, changes, &out, 0)
	return id, out, err
}

func (t *Trees) apply(ctx context.Context, root ObjectID, changes []Change, out *[]Object, depth int) (ObjectID, error) {
	if depth > MaxTreeDepth {
		return root, fmt.Errorf("commit: folders deeper than %d: %w", MaxTreeDepth, ErrMalformed)
	}
	old, err := t.Tree(ctx, root)
	if err != nil {
		return root, err
	}
	entries := make(map[string]Entry, len(old.Entries)+len(changes))
	for _, e := range old.Entries {
		entries[e.Name] = e
	}
	below := map[string][]Change{}
	for _, c := range changes {
		name, rest, deeper := strings.Cut(c.Path, "/")
		switch {
		case deeper:
			c.Path = rest
			below[name] = append(below[name], c)
		case c.Deleted():
			delete(entries, name)
		default:
			entries[name] = Entry{c.New.Mode, name, c.New.ID}
		}
	}
	for name, list := range below {
		dir := EmptyTree
		if e, ok := entries[name]; ok && e.Mode == ModeDir {
			dir = e.ID
		}
		id, err := t.apply(ctx, dir, list, out, depth+1)
		if err != nil {
			return root, err
		}
		if id == EmptyTree {
			delete(entries, name)
		} else {
			entries[name] = Entry{ModeDir, name, id}
		}
	}
	return t.store(root, entries, out)
}

func (t *Trees) store(root ObjectID, entries map[string]Entry, out *[]Object) (ObjectID, error) {
	tree := &Tree{Entries: make([]Entry, 0, len(entries))}
	for _, e := range entries {
		tree.Entries = append(tree.Entries, e)
	}
	data, err := tree.AppendBinary(nil)
	if err != nil {
		return root, err
	}
	o := Object{Type: TypeTree, Data: data}
	id := o.ID()
	if id == root {
		return root, nil
	}
	*out = append(*out, o)
	t.trees[id] = tree
	t.entries += len(tree.Entries) + 8
	return id, nil
}
