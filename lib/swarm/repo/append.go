package repo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/objdb"
)

// Append writes objects and moves our head from old to head, which is one of
// them or in the repository. When it returns nil, all of it is on disk. The
// error wraps ErrMoved if the head is not at old.
func (r *Repo) Append(ctx context.Context, objects []commit.Object, old, head commit.ObjectID) error {
	r.write.Lock()
	defer r.write.Unlock()
	if err := r.append(ctx, objects, old, head); err != nil {
		return fmt.Errorf("repo: append: %w", err)
	}
	// What follows makes the repository quick. It is done again if it fails.
	if err := r.tidy(ctx, 4); err != nil {
		r.log.Warn("repository is not tidied", "error", err)
	}
	return nil
}

// append needs write to be held.
func (r *Repo) append(ctx context.Context, objects []commit.Object, old, head commit.ObjectID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	at, err := r.readRef(mainRef)
	if err != nil {
		return err
	}
	if at != old {
		return fmt.Errorf("at %v, not %v: %w", at, old, ErrMoved)
	}
	b := r.db.Batch()
	defer b.Discard()
	var fresh []Meta
	for _, o := range objects {
		if err := b.Object(o); err != nil {
			return err
		}
		if o.Type == commit.TypeCommit {
			m, err := parseMeta(o.ID(), o.Data)
			if err != nil {
				return err
			}
			fresh = append(fresh, m)
		}
	}
	if !slices.ContainsFunc(fresh, func(m Meta) bool { return m.ID == head }) {
		if ok, err := r.db.Has(head); err != nil || !ok {
			return errors.Join(err, fmt.Errorf("commit %v: %w", head, ErrNotFound))
		}
	}
	if err := r.stageRef(b, mainRef, head); err != nil {
		return err
	}
	if err := b.Commit(ctx); err != nil {
		return err
	}
	r.noteAppended(ctx, old, head, fresh)
	return nil
}

// noteAppended lets the index follow, if it was up to date. What goes wrong is
// made up for at the next look into it.
func (r *Repo) noteAppended(ctx context.Context, old, head commit.ObjectID, fresh []Meta) {
	if old.IsZero() {
		return
	}
	r.indexing.Lock()
	defer r.indexing.Unlock()
	if err := r.follow(ctx, r.ID(), old, head, fresh); err != nil {
		r.log.Warn("index is behind", "error", err)
	}
}

func (r *Repo) follow(ctx context.Context, conv, old, head commit.ObjectID, fresh []Meta) error {
	if len(fresh) == 1 && fresh[0].ID == head && len(fresh[0].Parents) == 1 && fresh[0].Parents[0] == old {
		parent, err := r.meta(ctx, old)
		if err != nil {
			return err
		}
		m := fresh[0]
		m.Gen = parent.Gen + 1
		ok, err := r.o.Index.Extend(ctx, conv, m)
		if ok {
			r.remember([]Meta{m})
		}
		return err
	}
	at, _, err := r.o.Index.Head(ctx, conv)
	if err != nil || at != old {
		return err
	}
	known, err := r.addMissing(ctx, conv, fresh)
	if err != nil {
		return err
	}
	return r.line(ctx, conv, head, known)
}

// Commit makes a signed commit on top of our head and appends it.
func (r *Repo) Commit(ctx context.Context, a Author, d Draft) (commit.ObjectID, error) {
	id, err := r.commit(ctx, a, d)
	if err != nil {
		return id, fmt.Errorf("repo: commit: %w", err)
	}
	return id, nil
}

func (r *Repo) commit(ctx context.Context, a Author, d Draft) (id commit.ObjectID, err error) {
	head, err := r.Head(ctx)
	if err != nil {
		return id, err
	}
	if head.IsZero() {
		return id, fmt.Errorf("no first commit: %w", ErrNotFound)
	}
	c, err := commit.ReadCommit(ctx, r.db, head)
	if err != nil {
		return id, err
	}
	tree, objects, err := r.changed(ctx, c.Tree, d)
	if err != nil {
		return id, err
	}
	person := commit.Person{Name: commit.AuthorName(a.Name, a.Device), Email: a.Device, Time: d.Time.Unix(), Zone: "+0000"}
	next := &commit.Commit{Tree: tree, Parents: []commit.ObjectID{head}, Author: person, Committer: person, Message: d.Message}
	o, err := next.Sign(a.Signer)
	if err != nil {
		return id, err
	}
	return o.ID(), r.Append(ctx, append(objects, o), head, o.ID())
}

// changed makes the tree of a draft and the objects that are new with it.
func (r *Repo) changed(ctx context.Context, tree commit.ObjectID, d Draft) (commit.ObjectID, []commit.Object, error) {
	if len(d.Put) == 0 && len(d.Delete) == 0 {
		return tree, nil, nil
	}
	trees := commit.NewTrees(r.db)
	var objects []commit.Object
	var changes []commit.Change
	for _, path := range slices.Sorted(maps.Keys(d.Put)) {
		o := commit.Object{Type: commit.TypeBlob, Data: d.Put[path]}
		objects = append(objects, o)
		changes = append(changes, commit.Change{Path: path, New: commit.Value{Mode: commit.ModeFile, ID: o.ID()}})
	}
	for _, path := range d.Delete {
		e, ok, err := trees.Lookup(ctx, tree, path)
		if err != nil {
			return tree, nil, err
		}
		if !ok || e.Mode == commit.ModeDir {
			return tree, nil, fmt.Errorf("file %s: %w", path, ErrNotFound)
		}
		changes = append(changes, commit.Change{Path: path, Old: commit.Value{Mode: e.Mode, ID: e.ID}})
	}
	tree, made, err := trees.Apply(ctx, tree, changes)
	return tree, append(objects, made...), err
}

// tidy packs what lies about, if there is times as much of it as objdb thinks
// worth the work. It needs write to be held.
func (r *Repo) tidy(ctx context.Context, times int) error {
	if loose, packs := r.db.Counts(); loose <= times*objdb.TidyLoose && packs <= times*objdb.TidyPacks {
		return nil
	}
	return r.db.Tidy(ctx)
}

// Tidy packs what lies about, if that is much. Append and Fetch do so when it
// is very much; to call this in a quiet moment spares them the time.
func (r *Repo) Tidy(ctx context.Context) error {
	r.write.Lock()
	defer r.write.Unlock()
	if err := r.tidy(ctx, 1); err != nil {
		return fmt.Errorf("repo: tidy: %w", err)
	}
	return nil
}
