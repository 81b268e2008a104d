// Package objdb keeps git objects in a directory as git does: the latest as
// files of their own, older ones in packs.
//
//	objects/ab/cdef…            zlib("<type> <size>\0" content)
//	objects/pack/pack-<sum>.pack and .idx
//	objects/quarantine-…/       a pack that comes from elsewhere, until it is accepted
//
// Everything is written beside its place, brought to disk, and renamed: a crash
// leaves an object whole or not there. A [Batch] does that for several files at
// once and in order, so that what names an object appears after it. Most file
// systems (ext4, xfs, zfs, apfs) bring renames to disk in the order in which they
// were made; on others a power cut in the middle of a batch may bring the last
// one without the ones before.
package objdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/pack"
)

// Options say how files are written.
type Options struct {
	// NoSync leaves out fsync.
	NoSync bool
	// Fault, if set, is called before each step that writes; its error is
	// the step's.
	Fault func(step string) error
}

// DB is a directory of objects. Its methods may be called from several
// goroutines; another process may write too.
type DB struct {
	dir string
	o   Options

	mu    sync.RWMutex
	packs []*pack.File // largest first; guarded by mu
	read  time.Time    // when the pack directory had changed last; guarded by mu
	loose int          // objects in files, about; guarded by mu

	cache cache
}

// Open opens objects/ at dir, which must be there.
func Open(dir string, o Options) (*DB, error) {
	db := &DB{dir: dir, o: o}
	if err := db.Refresh(); err != nil {
		return nil, err
	}
	// Names are evenly spread, so one folder tells how many there are.
	names, err := os.ReadDir(filepath.Join(dir, "17"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("objdb: %w", err)
	}
	db.loose = 256 * len(names)
	return db, nil
}

// Close closes the packs.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	var errs []error
	for _, p := range db.packs {
		errs = append(errs, p.Close())
	}
	db.packs = nil
	return errors.Join(errs...)
}

// Refresh looks for packs that came or went.
func (db *DB) Refresh() error {
	dir := filepath.Join(db.dir, "pack")
	info, err := os.Stat(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("objdb: %w", err)
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	paths, err := filepath.Glob(filepath.Join(dir, "pack-*.idx"))
	if err != nil {
		return fmt.Errorf("objdb: %w", err)
	}
	old := make(map[string]*pack.File, len(db.packs))
	for _, p := range db.packs {
		old[p.Path] = p
	}
	packs := make([]*pack.File, 0, len(paths))
	for _, path := range paths {
		path = strings.TrimSuffix(path, ".idx") + ".pack"
		p := old[path]
		if p == nil {
			if p, err = pack.OpenFile(path); errors.Is(err, os.ErrNotExist) {
				continue // it went meanwhile
			} else if err != nil {
				return fmt.Errorf("objdb: %w", err)
			}
		}
		packs = append(packs, p)
	}
	// Packs that went may still be read by others: the last to let go of
	// them closes them.
	slices.SortFunc(packs, func(a, b *pack.File) int { return b.Len() - a.Len() })
	db.packs, db.read = packs, info.ModTime()
	return nil
}

// stale tells whether the pack directory has changed since it was read.
func (db *DB) stale() bool {
	info, err := os.Stat(filepath.Join(db.dir, "pack"))
	db.mu.RLock()
	defer db.mu.RUnlock()
	return err == nil && !info.ModTime().Equal(db.read)
}

func (db *DB) current() []*pack.File {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return db.packs
}

// Object implements [commit.Objects].
func (db *DB) Object(ctx context.Context, id commit.ObjectID) (commit.Type, []byte, error) {
	if t, b, ok := db.cache.get(id); ok {
		return t, b, nil
	}
	t, b, err := db.object(ctx, id)
	if errors.Is(err, commit.ErrNotFound) && db.stale() {
		if err := db.Refresh(); err != nil {
			return 0, nil, err
		}
		t, b, err = db.object(ctx, id)
	}
	if err != nil {
		return 0, nil, err
	}
	db.cache.put(id, t, b)
	return t, b, nil
}

func (db *DB) object(ctx context.Context, id commit.ObjectID) (commit.Type, []byte, error) {
	if err := ctx.Err(); err != nil {
		return 0, nil, err
	}
	for _, p := range db.current() {
		t, b, err := p.Get(id)
		if err == nil || !errors.Is(err, commit.ErrNotFound) {
			return t, b, err
		}
	}
	return db.readLoose(id)
}

// Has tells whether the object is there, without reading it.
func (db *DB) Has(id commit.ObjectID) (bool, error) {
	ok, err := db.has(id)
	if !ok && err == nil && db.stale() {
		if err := db.Refresh(); err != nil {
			return false, err
		}
		return db.has(id)
	}
	return ok, err
}

func (db *DB) has(id commit.ObjectID) (bool, error) {
	for _, p := range db.current() {
		if _, ok, err := p.Find(id); ok || err != nil {
			return ok, err
		}
	}
	_, err := os.Lstat(db.path(id))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Raw is the object as it may stand in a new pack: as it is stored, if it lies
// in one of packs, which are those of All, and is whole there or a change of one
// that accept takes. For one new pack packs stay the same, or objects may end as
// changes of each other.
func (db *DB) Raw(ctx context.Context, packs []*pack.File, id commit.ObjectID, accept func(base commit.ObjectID) bool) (*pack.Raw, error) {
	for _, p := range packs {
		r, err := p.Raw(id)
		if err == nil && (!r.IsDelta() || accept(r.Base)) {
			return r, nil
		}
		if err == nil {
			break
		}
		if !errors.Is(err, commit.ErrNotFound) {
			return nil, err
		}
	}
	t, b, err := db.Object(ctx, id)
	if err != nil {
		return nil, err
	}
	return pack.NewRaw(t, b, pack.Fast), nil
}

// All lists the packs.
func (db *DB) All() []*pack.File { return slices.Clone(db.current()) }

// path is where the file of an object lies.
func (db *DB) path(id commit.ObjectID) string {
	s := id.String()
	return filepath.Join(db.dir, s[:2], s[2:])
}
