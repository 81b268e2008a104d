package commit

import (
	"context"
	"sort"
)

// Merge is what becomes of two trees that grew apart: for every path what one
// side changed, and where both did:
//
//   - the same on both sides is no conflict;
//   - profile.vcf is that of the side whose head has the higher id, also when
//     there is no common ancestor;
//   - what one side took away stays away, so that a ban or a leave wins over a
//     renewed certificate;
//   - anything else is that of the side whose head has the higher id.
//
// There is no conflict that is left over, and the result does not depend on who
// merges. Bases are the trees of the best common ancestors, none or several;
// with several, a path is unchanged on a side if one of them has the same, and
// where that holds for both sides, the side with the higher head counts.
type Merge struct {
	Bases        []ObjectID // trees
	Ours, Theirs Side
}

// Side is one of two heads.
type Side struct{ Head, Tree ObjectID }

// Conflict is a path that both sides changed in their own way.
type Conflict struct {
	Path         string
	Ours, Theirs Value
	Result       Value
}

// Resolve decides one path; free tells that other programs may have decided for
// the other side with equal right: several ancestors disagree.
func (m Merge) Resolve(path string, bases []Value, ours, theirs Value) (v Value, conflict, free bool) {
	if ours == theirs {
		return ours, false, false
	}
	inOurs, inTheirs := len(bases) == 0 && ours == Value{}, len(bases) == 0 && theirs == Value{}
	for _, b := range bases {
		inOurs, inTheirs = inOurs || b == ours, inTheirs || b == theirs
	}
	switch {
	case inOurs && !inTheirs:
		return theirs, false, false
	case inTheirs && !inOurs:
		return ours, false, false
	}
	higher := ours
	if higherID(m.Theirs.Head, m.Ours.Head) {
		higher = theirs
	}
	free = inOurs && inTheirs
	if path != ProfilePath && (ours == Value{} || theirs == Value{}) {
		return Value{}, !free, free
	}
	return higher, !free, free
}

func higherID(a, b ObjectID) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] > b[i]
		}
	}
	return false
}

// Run makes the merged tree: its name, the new objects, and the conflicts that
// were decided.
func (m Merge) Run(ctx context.Context, t *Trees) (tree ObjectID, made []Object, conflicts []Conflict, err error) {
	paths, err := m.Paths(ctx, t)
	if err != nil {
		return tree, nil, nil, err
	}
	var changes []Change
	for _, p := range paths {
		v, conflict, _ := m.Resolve(p.Path, p.Bases, p.Ours, p.Theirs)
		if conflict {
			conflicts = append(conflicts, Conflict{p.Path, p.Ours, p.Theirs, v})
		}
		if v != p.Ours {
			changes = append(changes, Change{Path: p.Path, Old: p.Ours, New: v})
		}
	}
	tree, made, err = t.Apply(ctx, m.Ours.Tree, changes)
	return tree, made, conflicts, err
}

// Path is a path at which the sides differ.
type Path struct {
	Path         string
	Bases        []Value // one for each base
	Ours, Theirs Value
}

// Paths is every path at which the sides differ, and what the bases have there,
// in order.
func (m Merge) Paths(ctx context.Context, t *Trees) ([]Path, error) {
	diff, err := t.Diff(ctx, m.Ours.Tree, m.Theirs.Tree)
	if err != nil {
		return nil, err
	}
	out := make([]Path, len(diff))
	for i, c := range diff {
		p := Path{Path: c.Path, Ours: c.Old, Theirs: c.New}
		for _, b := range m.Bases {
			e, ok, err := t.Lookup(ctx, b, c.Path)
			if err != nil {
				return nil, err
			}
			v := Value{e.Mode, e.ID}
			if !ok || e.Mode == ModeDir {
				v = Value{}
			}
			p.Bases = append(p.Bases, v)
		}
		out[i] = p
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out, nil
}
