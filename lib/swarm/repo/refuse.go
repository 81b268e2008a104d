package repo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/objdb"
)

const (
	quarantineDir = "quarantine"
	refusalFile   = "refusal.json"
	// maxRefusals is how many are remembered; of maxKept the pack is kept for
	// whoever wants to look at it.
	maxRefusals = 64
	maxKept     = 4
	// packTries is how often a device may send a bad pack for a head.
	packTries = 3
)

// dir is where a refusal is recorded.
func (v *Refusal) dir(r *Repo) string {
	name := v.Head.String()
	if v.Pack {
		name += "-" + v.Device
	}
	return filepath.Join(r.path, quarantineDir, name)
}

// refused finds the refusal that stands against fetching head from device.
func (r *Repo) refused(head commit.ObjectID, device string) error {
	for _, probe := range []Refusal{{Head: head}, {Head: head, Device: device, Pack: true}} {
		v, err := readRefusal(probe.dir(r))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !v.Pack || v.Tries >= packTries {
			v.Tries++
			return errors.Join(v, v.write(probe.dir(r)))
		}
	}
	return nil
}

func readRefusal(dir string) (*Refusal, error) {
	b, err := os.ReadFile(filepath.Join(dir, refusalFile))
	if err != nil {
		return nil, err
	}
	v := new(Refusal)
	if err := json.Unmarshal(b, v); err != nil {
		return nil, fmt.Errorf("refusal in %s: %w", dir, err)
	}
	return v, nil
}

func (v *Refusal) write(dir string) error {
	b, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "tmp-")
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	return errors.Join(err, f.Close(), os.Rename(f.Name(), filepath.Join(dir, refusalFile)))
}

// record notes a verdict and keeps its pack, if there is one.
func (r *Repo) record(v *Refusal, q *objdb.Quarantine) error {
	r.write.Lock()
	defer r.write.Unlock()
	dir := v.dir(r)
	if old, err := readRefusal(dir); err == nil {
		v.Tries += old.Tries
	}
	var err error
	if q != nil && v.Pack {
		err = q.Discard()
	} else if q != nil {
		err = q.Keep(dir)
	}
	return errors.Join(err, v.write(dir), r.forgetOld())
}

// forgetOld removes what is too much, the oldest first.
func (r *Repo) forgetOld() error {
	all, err := r.refusals()
	if err != nil {
		return err
	}
	for i, v := range all {
		dir := v.dir(r)
		if i >= maxRefusals {
			err = errors.Join(err, os.RemoveAll(dir))
			continue
		}
		if i < maxKept {
			continue
		}
		packs, gerr := filepath.Glob(filepath.Join(dir, "pack-*"))
		err = errors.Join(err, gerr)
		for _, p := range packs {
			err = errors.Join(err, os.Remove(p))
		}
	}
	return err
}

// refusals lists them, the newest first.
func (r *Repo) refusals() ([]Refusal, error) {
	dirs, err := os.ReadDir(filepath.Join(r.path, quarantineDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Refusal
	for _, d := range dirs {
		v, err := readRefusal(filepath.Join(r.path, quarantineDir, d.Name()))
		if err != nil {
			r.log.Warn("unreadable refusal", "error", err)
			continue
		}
		out = append(out, *v)
	}
	slices.SortStableFunc(out, func(a, b Refusal) int { return cmp.Compare(b.At.Unix(), a.At.Unix()) })
	return out, nil
}

// Refusals lists what was refused and is remembered, the newest first.
func (r *Repo) Refusals(context.Context) ([]Refusal, error) {
	out, err := r.refusals()
	if err != nil {
		return nil, fmt.Errorf("repo: refusals: %w", err)
	}
	return out, nil
}

// Forgive forgets what was refused of a head, so that it may be fetched again;
// a zero head forgets all.
func (r *Repo) Forgive(_ context.Context, head commit.ObjectID) error {
	r.write.Lock()
	defer r.write.Unlock()
	all, err := r.refusals()
	for _, v := range all {
		if head.IsZero() || v.Head == head {
			err = errors.Join(err, os.RemoveAll(v.dir(r)))
		}
	}
	if err != nil {
		return fmt.Errorf("repo: forgive: %w", err)
	}
	return nil
}
