package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/store/swarmdb"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/pack"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

// noise signs with bytes that look like a signature: the repository does not
// look at them, and a true one takes milliseconds.
type noise struct{ *rand.ChaCha8 }

func (n noise) Sign([]byte) ([]byte, error) {
	b := make([]byte, 512)
	_, err := n.Read(b)
	return b, err
}

var (
	swarmNoise  = noise{rand.NewChaCha8([32]byte{7})}
	swarmDevice = hex.EncodeToString(bytes.Repeat([]byte{0xd5}, 32))
	swarmAuthor = repo.Author{Signer: swarmNoise, Name: "Alice", Device: swarmDevice}
)

// swarmCommit makes a message.
func swarmCommit(by commit.Signer, device string, tree commit.ObjectID, at int64, text string, parents ...commit.ObjectID) (commit.Object, error) {
	p := commit.Person{Name: "Alice", Email: device, Time: at, Zone: "+0000"}
	c := &commit.Commit{
		Tree: tree, Parents: parents, Author: p, Committer: p,
		Message: []byte(`{"body":"` + text + `","type":"text/plain"}`),
	}
	return c.Sign(by)
}

// swarmRoot makes the objects of a first commit, which is the last of them.
func swarmRoot(ctx context.Context) ([]commit.Object, commit.ObjectID, error) {
	mem := commit.Mem{}
	var objects []commit.Object
	var changes []commit.Change
	for _, path := range []string{"admins/" + swarmDevice[:40] + ".crt", "devices/" + swarmDevice + ".crt"} {
		o := commit.Object{Type: commit.TypeBlob, Data: bytes.Repeat([]byte(path), 20)}
		mem.Add(o)
		objects = append(objects, o)
		changes = append(changes, commit.Change{Path: path, New: commit.Value{Mode: commit.ModeFile, ID: o.ID()}})
	}
	tree, made, err := commit.NewTrees(mem).Apply(ctx, commit.EmptyTree, changes)
	if err != nil {
		return nil, tree, err
	}
	root, err := swarmCommit(swarmNoise, swarmDevice, tree, 1_700_000_000, "root")
	return append(append(objects, made...), root), tree, err
}

// swarmRepo is a repository that is measured, with its index.
type swarmRepo struct {
	*repo.Repo
	index *swarmdb.DB
	tree  commit.ObjectID
	now   int64
	n     int
}

func (r *swarmRepo) close() error {
	err := r.Repo.Close()
	if cerr := r.index.Close(); err == nil {
		err = cerr
	}
	return err
}

// newSwarm makes a repository with a history of n commits, which it writes as a
// pack.
func newSwarm(ctx context.Context, dir string, n int) (*swarmRepo, error) {
	objects, tree, err := swarmRoot(ctx)
	if err != nil {
		return nil, err
	}
	root := objects[len(objects)-1].ID()
	r, err := repo.Create(ctx, dir, root, objects, repo.Options{NoSync: true})
	if err != nil {
		return nil, err
	}
	path := r.Path()
	if err := r.Close(); err != nil {
		return nil, err
	}
	if err := swarmHistory(path, tree, root, n-1); err != nil {
		return nil, err
	}
	return openSwarm(ctx, path, tree, int64(1_700_000_000+n))
}

func openSwarm(ctx context.Context, path string, tree commit.ObjectID, now int64) (*swarmRepo, error) {
	index, err := swarmdb.Open(ctx, path+".db")
	if err != nil {
		return nil, err
	}
	r, err := repo.Open(ctx, path, repo.Options{Index: index})
	if err != nil {
		return nil, err
	}
	_, err = r.Log(ctx, 0, 1)
	return &swarmRepo{Repo: r, index: index, tree: tree, now: now}, err
}

// swarmHistory puts n commits on top of root.
func swarmHistory(path string, tree, root commit.ObjectID, n int) error {
	if n == 0 {
		return nil
	}
	f, err := os.Create(filepath.Join(path, "objects", "pack", "new.pack"))
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := pack.NewWriter(f, n)
	if err != nil {
		return err
	}
	for i := range n {
		o, err := swarmCommit(swarmNoise, swarmDevice, tree, int64(1_700_000_001+i), fmt.Sprint("message ", i, " of a conversation"), root)
		if err != nil {
			return err
		}
		root = o.ID()
		if err := w.Add(root, pack.NewRaw(o.Type, o.Data, pack.Fast)); err != nil {
			return err
		}
	}
	entries, sum, err := w.Close(f)
	if err != nil {
		return err
	}
	base := filepath.Join(path, "objects", "pack", "pack-"+sum.String())
	x, err := os.Create(base + ".idx")
	if err != nil {
		return err
	}
	defer x.Close()
	if err := pack.WriteIndex(x, entries, sum); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), base+".pack"); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(path, "refs", "heads", "main"), []byte(root.String()+"\n"), 0o600)
}

// message makes the next commit, which is not written.
func (r *swarmRepo) message(ctx context.Context) (head commit.ObjectID, o commit.Object, err error) {
	if head, err = r.Head(ctx); err != nil {
		return head, o, err
	}
	r.now++
	r.n++
	o, err = swarmCommit(swarmNoise, swarmDevice, r.tree, r.now, fmt.Sprint("later message ", r.n), head)
	return head, o, err
}

// grow appends n messages.
func (r *swarmRepo) grow(ctx context.Context, n int) error {
	for range n {
		head, o, err := r.message(ctx)
		if err != nil {
			return err
		}
		if err := r.Append(ctx, []commit.Object{o}, head, o.ID()); err != nil {
			return err
		}
	}
	return nil
}

// swarmGit runs git and returns what it prints.
func swarmGit(ctx context.Context, dir string, in []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "HOME="+os.TempDir(),
		"GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x", "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x")
	cmd.Stdin = bytes.NewReader(in)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, errs.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// stopwatch measures a part of what is repeated: ms each.
func stopwatch(d time.Duration, once func() (time.Duration, error)) (float64, error) {
	var sum time.Duration
	n := 0
	for start := time.Now(); n == 0 || time.Since(start) < d; n++ {
		took, err := once()
		if err != nil {
			return 0, err
		}
		sum += took
	}
	return sum.Seconds() * 1000 / float64(n), nil
}

// onAllCores calls fn n times, as many at once as there are cores.
func onAllCores(n int, fn func() error) error {
	workers := runtime.GOMAXPROCS(0)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for range (n + i) / workers {
				if err := fn(); err != nil {
					errs[i] = err
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// signedHistory makes n commits of a device, signed in truth.
func signedHistory(ctx context.Context, d *ident.Device, at int64, n int) (mem commit.Mem, root, head commit.ObjectID, err error) {
	mem = commit.Mem{}
	var changes []commit.Change
	for path, data := range map[string][]byte{
		commit.AdminPath(d.URI()): d.AccountPEM(), commit.DevicePath(d.ID()): d.Cert.PEM(),
	} {
		id := mem.Add(commit.Object{Type: commit.TypeBlob, Data: data})
		changes = append(changes, commit.Change{Path: path, New: commit.Value{Mode: commit.ModeFile, ID: id}})
	}
	tree, made, err := commit.NewTrees(mem).Apply(ctx, commit.EmptyTree, changes)
	if err != nil {
		return mem, root, head, err
	}
	mem.Add(made...)
	p := commit.Person{Name: "Alice", Email: d.ID().String(), Time: at, Zone: "+0000"}
	o, err := (&commit.Commit{Tree: tree, Author: p, Committer: p, Message: []byte(`{"mode":2,"type":"initial"}`)}).Sign(d)
	if err != nil {
		return mem, root, head, err
	}
	root = mem.Add(o)
	head = root
	for i := range n - 1 {
		if o, err = swarmCommit(d, d.ID().String(), tree, at+int64(i)+1, fmt.Sprint(i), head); err != nil {
			return mem, root, head, err
		}
		head = mem.Add(o)
	}
	return mem, root, head, nil
}
