package objdb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/pack"
)

// When there are more of either than this, Tidy has something to do.
const (
	TidyLoose = 512
	TidyPacks = 8
)

// Counts tells how many objects are files of their own, about, and how many
// packs there are.
func (db *DB) Counts() (loose, packs int) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return db.loose, len(db.packs)
}

// Size is what the files take, in bytes.
func (db *DB) Size() (size int64, err error) {
	err = filepath.WalkDir(db.dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return ignoreGone(err)
		}
		info, err := d.Info()
		if err != nil {
			return ignoreGone(err)
		}
		size += info.Size()
		return nil
	})
	return size, err
}

func ignoreGone(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Item is an object to be packed; From is one that it may be written as a
// change of, zero for none.
type Item struct{ ID, From commit.ObjectID }

// Tidy puts the single files and the smaller packs into one pack, if there are
// many. A pack is only taken up when those that are smaller together have half
// its objects, so that each object is written a few times in all its life,
// however many come. Nobody else may write meanwhile.
func (db *DB) Tidy(ctx context.Context) error {
	if loose, packs := db.Counts(); loose <= TidyLoose && packs <= TidyPacks {
		return nil
	}
	var items []Item
	err := db.Loose(ctx, func(id commit.ObjectID) error {
		items = append(items, Item{ID: id})
		return nil
	})
	if err != nil {
		return err
	}
	packs := slices.Clone(db.current())
	slices.SortFunc(packs, func(a, b *pack.File) int { return a.Len() - b.Len() })
	n, sum := 0, len(items)
	for i, p := range packs {
		if p.Len() <= 2*sum || len(packs)-i > TidyPacks {
			n = i + 1
		}
		sum += p.Len()
	}
	for _, p := range packs[:n] {
		entries, err := p.Entries()
		if err != nil {
			return err
		}
		for _, e := range entries {
			items = append(items, Item{ID: e.ID})
		}
	}
	return db.Repack(ctx, items, packs[:n], false)
}

// Repack writes items into one new pack, then removes the packs in old and all
// single files that some pack holds. With fresh all are compressed anew, else
// they are taken as they lie in packs. Nobody else may write meanwhile.
func (db *DB) Repack(ctx context.Context, items []Item, old []*pack.File, fresh bool) error {
	if len(items) == 0 {
		return nil
	}
	sum, err := db.write(ctx, items, fresh)
	if err != nil {
		return err
	}
	if err := db.fault("remove"); err != nil {
		return err
	}
	name := filepath.Join(db.dir, "pack", "pack-"+sum.String()+".pack")
	for _, p := range old {
		if p.Path == name {
			continue
		}
		// The index goes first: a pack without is not looked at.
		base := p.Path[:len(p.Path)-len(".pack")]
		if err := errors.Join(ignoreGone(os.Remove(base+".idx")), ignoreGone(os.Remove(p.Path)), ignoreGone(os.Remove(base+".rev"))); err != nil {
			return fmt.Errorf("objdb: %w", err)
		}
	}
	if err := db.Refresh(); err != nil {
		return err
	}
	return db.removePacked(ctx)
}

// removePacked removes single files of objects that are in a pack.
func (db *DB) removePacked(ctx context.Context) error {
	left := 0
	err := db.Loose(ctx, func(id commit.ObjectID) error {
		for _, p := range db.current() {
			if _, ok, err := p.Find(id); err != nil {
				return err
			} else if ok {
				return ignoreGone(os.Remove(db.path(id)))
			}
		}
		left++
		return nil
	})
	db.mu.Lock()
	db.loose = left
	db.mu.Unlock()
	return err
}

// write makes a pack of the items and puts it in its place.
func (db *DB) write(ctx context.Context, items []Item, fresh bool) (sum commit.ObjectID, err error) {
	if err := db.fault("repack"); err != nil {
		return sum, err
	}
	items = unique(items)
	dir, err := os.MkdirTemp(db.dir, quarantined)
	if err != nil {
		return sum, fmt.Errorf("objdb: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	f, err := os.OpenFile(filepath.Join(dir, "new.pack"), os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return sum, fmt.Errorf("objdb: %w", err)
	}
	entries, sum, err := db.fill(ctx, f, items, fresh)
	if err == nil && !db.o.NoSync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return sum, fmt.Errorf("objdb: %w", err)
	}
	base := filepath.Join(dir, "pack-"+sum.String())
	if err := errors.Join(os.Rename(f.Name(), base+".pack"), db.writeIndex(base+".idx", entries, sum)); err != nil {
		return sum, fmt.Errorf("objdb: %w", err)
	}
	return sum, db.adopt(dir, sum)
}

func (db *DB) fill(ctx context.Context, f *os.File, items []Item, fresh bool) ([]pack.Entry, commit.ObjectID, error) {
	var sum commit.ObjectID
	w, err := pack.NewWriter(f, len(items))
	if err != nil {
		return nil, sum, err
	}
	in := make(map[commit.ObjectID]bool, len(items))
	for _, it := range items {
		in[it.ID] = true
	}
	packs := db.All()
	for _, it := range items {
		var r *pack.Raw
		if fresh {
			r, err = db.compress(ctx, it)
		} else {
			r, err = db.Raw(ctx, packs, it.ID, func(base commit.ObjectID) bool { return in[base] })
		}
		if err != nil {
			return nil, sum, err
		}
		if err := w.Add(it.ID, r); err != nil {
			return nil, sum, err
		}
		if err := ctx.Err(); err != nil {
			return nil, sum, err
		}
	}
	return w.Close(f)
}

// compress makes an entry anew.
func (db *DB) compress(ctx context.Context, it Item) (*pack.Raw, error) {
	t, data, err := db.Object(ctx, it.ID)
	if err != nil {
		return nil, err
	}
	if !it.From.IsZero() {
		if _, from, err := db.Object(ctx, it.From); err != nil {
			return nil, err
		} else if r := pack.NewDelta(it.From, from, data); r != nil {
			return r, nil
		}
	}
	return pack.NewRaw(t, data, pack.Small), nil
}

func unique(items []Item) []Item {
	seen := make(map[commit.ObjectID]bool, len(items))
	return slices.DeleteFunc(items, func(it Item) bool {
		again := seen[it.ID]
		seen[it.ID] = true
		return again
	})
}
