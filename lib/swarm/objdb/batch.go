package objdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// Batch writes files so that after a crash a first part of them is there, in
// the order in which they were added, each of them whole.
type Batch struct {
	db    *DB
	files []*staged
	dirs  []string // in which something appears
	loose int
	seen  map[commit.ObjectID]bool
}

// staged is a file beside its place.
type staged struct {
	f           *os.File // nil if it is on disk already
	name, final string
}

// maxOpen is how many files of a batch are open at once.
const maxOpen = 128

func (s *staged) sync(really bool) (err error) {
	if s.f == nil {
		return nil
	}
	if really {
		err = s.f.Sync()
	}
	err = errors.Join(err, s.f.Close())
	s.f = nil
	return err
}

// Batch begins one.
func (db *DB) Batch() *Batch { return &Batch{db: db, seen: make(map[commit.ObjectID]bool)} }

func (db *DB) fault(step string) error {
	if db.o.Fault == nil {
		return nil
	}
	return db.o.Fault(step)
}

// Object adds an object, if it is not in the database yet.
func (b *Batch) Object(o commit.Object) error {
	id := o.ID()
	if b.seen[id] {
		return nil
	}
	b.seen[id] = true
	if ok, err := b.db.has(id); ok || err != nil {
		return err
	}
	b.loose++
	return b.File(b.db.path(id), "tmp_obj_*", deflateLoose(o), 0o400)
}

// File adds a file. Until it is renamed to path it has a name that pattern
// makes, in the same directory. See [os.CreateTemp].
func (b *Batch) File(path, pattern string, content []byte, perm os.FileMode) error {
	if err := b.db.fault("create"); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := b.mkdir(dir); err != nil {
		return fmt.Errorf("objdb: %w", err)
	}
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return fmt.Errorf("objdb: %w", err)
	}
	b.files = append(b.files, &staged{f, f.Name(), path})
	if err := b.db.fault("write"); err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return fmt.Errorf("objdb: %w", err)
	}
	if perm != 0o600 {
		if err := f.Chmod(perm); err != nil {
			return fmt.Errorf("objdb: %w", err)
		}
	}
	b.touch(dir)
	if len(b.files) > maxOpen {
		return b.files[len(b.files)-1].sync(!b.db.o.NoSync)
	}
	return nil
}

func (b *Batch) touch(dir string) {
	for _, d := range b.dirs {
		if d == dir {
			return
		}
	}
	b.dirs = append(b.dirs, dir)
}

// mkdir makes a directory and those above it, which then are brought to disk
// with the rest.
func (b *Batch) mkdir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case errors.Is(err, os.ErrExist):
		return nil
	case errors.Is(err, os.ErrNotExist):
		if err := b.mkdir(filepath.Dir(dir)); err != nil {
			return err
		}
		return b.mkdir(dir)
	case err == nil:
		b.touch(filepath.Dir(dir))
	}
	return err
}

// Commit brings the files to disk and to their places. After an error some may
// be in place; Discard removes the others.
func (b *Batch) Commit(context.Context) error {
	if err := b.db.fault("sync"); err != nil {
		return err
	}
	if err := each(b.files, func(s *staged) error { return s.sync(!b.db.o.NoSync) }); err != nil {
		return fmt.Errorf("objdb: %w", err)
	}
	for len(b.files) > 0 {
		s := b.files[0]
		if err := b.db.fault("rename"); err != nil {
			return err
		}
		if err := b.place(s); err != nil {
			return fmt.Errorf("objdb: %w", err)
		}
		b.files = b.files[1:]
	}
	if err := b.db.fault("syncdir"); err != nil {
		return err
	}
	b.db.mu.Lock()
	b.db.loose += b.loose
	b.db.mu.Unlock()
	if b.db.o.NoSync {
		return nil
	}
	if err := each(b.dirs, syncDir); err != nil {
		return fmt.Errorf("objdb: %w", err)
	}
	return nil
}

// place gives a file its name. Some file systems bring a file to disk when it
// takes the place of another: without syncing a small one is written over
// instead.
func (b *Batch) place(s *staged) error {
	if b.db.o.NoSync {
		old, err := os.Stat(s.final)
		if fresh, ferr := os.Stat(s.name); err == nil && ferr == nil && old.Size() == fresh.Size() && old.Size() < 512 {
			return writeOver(s.final, s.name)
		}
	}
	return os.Rename(s.name, s.final)
}

func writeOver(final, from string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(final, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	return errors.Join(err, f.Close(), os.Remove(from))
}

// Discard removes what was not committed.
func (b *Batch) Discard() {
	for _, s := range b.files {
		_ = s.sync(false)
		_ = os.Remove(s.name)
	}
	b.files = nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// each calls fn for all at once, so that the file system can bring them to disk
// together, and waits.
func each[T any](all []T, fn func(T) error) error {
	if len(all) == 1 {
		return fn(all[0])
	}
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := range all {
		slots <- struct{}{}
		wg.Go(func() {
			errs[i] = fn(all[i])
			<-slots
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
