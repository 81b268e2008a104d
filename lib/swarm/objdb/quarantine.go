package objdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/pack"
)

// Quarantine is a pack that came and is not part of the database.
type Quarantine struct {
	// Received is what Receive found in it.
	*pack.Received

	db  *DB
	dir string
	p   *pack.File
}

const quarantined = "quarantine-"

// Receive reads a pack into a quarantine. See [pack.Receive].
func (db *DB) Receive(ctx context.Context, r io.Reader, l pack.Limits, each func(commit.ObjectID, commit.Type, []byte) error) (q *Quarantine, err error) {
	if err := db.fault("quarantine"); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(db.dir, quarantined)
	if err != nil {
		return nil, fmt.Errorf("objdb: %w", err)
	}
	q = &Quarantine{db: db, dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, q.Discard())
		}
	}()
	f, err := os.OpenFile(filepath.Join(dir, "in.pack"), os.O_CREATE|os.O_RDWR|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("objdb: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if q.Received, err = pack.Receive(ctx, r, f, l, each); err != nil {
		return q, err
	}
	if err := q.index(f); err != nil {
		return q, fmt.Errorf("objdb: %w", err)
	}
	return q, nil
}

// index writes the index, gives the pack its name and brings both to disk.
func (q *Quarantine) index(f *os.File) error {
	if err := q.db.fault("index"); err != nil {
		return err
	}
	base := filepath.Join(q.dir, "pack-"+q.Sum.String())
	entries := append([]pack.Entry(nil), q.Entries...)
	if err := q.db.writeIndex(base+".idx", entries, q.Sum); err != nil {
		return err
	}
	if !q.db.o.NoSync {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if err := os.Rename(f.Name(), base+".pack"); err != nil {
		return err
	}
	p, err := pack.OpenFile(base + ".pack")
	if err == nil {
		q.p = p
	}
	return err
}

func (db *DB) writeIndex(path string, entries []pack.Entry, sum commit.ObjectID) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = pack.WriteIndex(f, entries, sum)
	if err == nil && !db.o.NoSync {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Object implements [commit.Objects] for the pack alone.
func (q *Quarantine) Object(_ context.Context, id commit.ObjectID) (commit.Type, []byte, error) {
	return q.p.Get(id)
}

// Has tells whether the object is in the pack.
func (q *Quarantine) Has(id commit.ObjectID) (bool, error) {
	_, ok, err := q.p.Find(id)
	return ok, err
}

// Migrate makes the pack a part of the database: first the pack, then its
// index, since only what has an index is looked at.
func (q *Quarantine) Migrate() error {
	if err := q.db.adopt(filepath.Dir(q.p.Path), q.Sum); err != nil {
		return err
	}
	return errors.Join(q.Discard(), q.db.Refresh())
}

// adopt moves a pack and its index from dir into the pack directory.
func (db *DB) adopt(dir string, sum commit.ObjectID) error {
	to := filepath.Join(db.dir, "pack")
	if err := os.Mkdir(to, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("objdb: %w", err)
	}
	for _, ext := range []string{".pack", ".idx"} {
		if err := db.fault("adopt" + ext); err != nil {
			return err
		}
		name := "pack-" + sum.String() + ext
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(to, name)); err != nil {
			return fmt.Errorf("objdb: %w", err)
		}
	}
	if db.o.NoSync {
		return nil
	}
	if err := errors.Join(syncDir(to), syncDir(db.dir)); err != nil {
		return fmt.Errorf("objdb: %w", err)
	}
	return nil
}

// Keep moves the quarantine to a place where it stays refused.
func (q *Quarantine) Keep(dir string) error {
	err := q.p.Close()
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("objdb: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fmt.Errorf("objdb: %w", err)
	}
	return errors.Join(err, os.Rename(q.dir, dir))
}

// Discard removes the quarantine.
func (q *Quarantine) Discard() error {
	var err error
	if q.p != nil {
		err = q.p.Close()
		q.p = nil
	}
	return errors.Join(err, os.RemoveAll(q.dir))
}

// Sweep removes what a crash left behind. Nobody may be writing.
func (db *DB) Sweep() error {
	dirs, err := os.ReadDir(db.dir)
	if err != nil {
		return fmt.Errorf("objdb: %w", err)
	}
	for _, d := range dirs {
		path := filepath.Join(db.dir, d.Name())
		switch {
		case strings.HasPrefix(d.Name(), quarantined):
			err = errors.Join(err, os.RemoveAll(path))
		case len(d.Name()) == 2:
			err = errors.Join(err, removeAll(filepath.Join(path, "tmp_obj_*")))
		case d.Name() == "pack":
			err = errors.Join(err, db.sweepPacks(path))
		}
	}
	return err
}

// sweepPacks removes packs whose index never came.
func (db *DB) sweepPacks(dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "pack-*.pack"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		if _, serr := os.Stat(strings.TrimSuffix(path, ".pack") + ".idx"); errors.Is(serr, os.ErrNotExist) {
			err = errors.Join(err, os.Remove(path))
		}
	}
	return err
}

func removeAll(pattern string) error {
	paths, err := filepath.Glob(pattern)
	for _, path := range paths {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
