package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/simplexkit/simplexkit/lib/store/swarmdb"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

// swarmRows measure conversations as repositories beside git.
func swarmRows() []row {
	rows := []row{{
		name: "swarm_append", round: 6 * time.Second,
		unit: "commits/s that are on disk when the call returns", floorIs: "git hash-object and git update-ref",
		open: func(ctx context.Context, o *options) (*sides, error) { return openSwarmAppend(ctx, o) },
	}, {
		name: "swarm_append_durable", round: 6 * time.Second,
		unit: "commits/s that are on disk when the call returns", floorIs: "git hash-object and git update-ref, told to bring all to disk as ours does",
		open: func(ctx context.Context, o *options) (*sides, error) {
			return openSwarmAppend(ctx, o, "-c", "core.fsync=all")
		},
	}, {
		name: "swarm_append_unsynced", round: 6 * time.Second,
		unit: "commits/s that are on disk when the call returns", floorIs: "the same without fsync",
		open: openSwarmUnsynced,
	}, {
		name: "swarm_merge", round: 6 * time.Second,
		unit: "ms to merge two heads that have 1000 commits each since they parted, with a commit", floorIs: "git merge-tree --write-tree, without",
		open: openSwarmMerge,
	}, {
		name: "swarm_verify", round: 6 * time.Second,
		unit: "ms to judge a history of 200 commits", floorIs: "as many signatures verified on all cores",
		open: openSwarmVerify,
	}}
	for _, n := range []int{10, 1000, 10_000, 100_000} {
		rows = append(rows, row{
			name: fmt.Sprintf("swarm_clone_%d", n), round: 6 * time.Second, long: n > 10_000,
			unit: "ms to clone, with index", floorIs: "git clone --bare file://",
			open: func(ctx context.Context, o *options) (*sides, error) { return openSwarmClone(ctx, o, n) },
		}, row{
			name: fmt.Sprintf("swarm_fetch_%d", n), round: 6 * time.Second, long: n > 10_000,
			unit: "ms to fetch 10 new commits", floorIs: "git fetch",
			open: func(ctx context.Context, o *options) (*sides, error) { return openSwarmFetch(ctx, o, n) },
		}, row{
			name: fmt.Sprintf("swarm_open_%d", n), round: 2 * time.Second, long: n > 10_000,
			unit: "ms to open a conversation and list the last 50", floorIs: "the same with 100 commits",
			open: func(ctx context.Context, o *options) (*sides, error) { return openSwarmOpen(ctx, o, n) },
		}, row{
			name: fmt.Sprintf("swarm_disk_%d", n), round: 10 * time.Millisecond, long: n > 10_000,
			unit: "bytes of the repository after gc", floorIs: "after git gc",
			open: func(ctx context.Context, o *options) (*sides, error) { return openSwarmDisk(ctx, o, n) },
		})
	}
	return rows
}

// swarmDir makes a directory for one row.
func (o *options) swarmDir() (string, error) { return os.MkdirTemp(o.dir, "swarm") }

func openSwarm2(ctx context.Context, o *options, n int) (*swarmRepo, string, error) {
	dir, err := o.swarmDir()
	if err != nil {
		return nil, "", err
	}
	r, err := newSwarm(ctx, dir, n)
	return r, dir, err
}

// openSwarmAppend measures appending beside git with settings.
func openSwarmAppend(ctx context.Context, o *options, settings ...string) (*sides, error) {
	r, dir, err := openSwarm2(ctx, o, 1000)
	if err != nil {
		return nil, err
	}
	if _, err := swarmGit(ctx, dir, nil, "clone", "-q", "--bare", r.Path(), "git"); err != nil {
		return nil, err
	}
	git := filepath.Join(dir, "git")
	return &sides{
		ours: func(ctx context.Context, d time.Duration) (float64, error) { return r.appendRate(ctx, d) },
		floor: func(ctx context.Context, d time.Duration) (float64, error) {
			return perSecond(stopwatch(d, func() (time.Duration, error) {
				_, o, err := r.message(ctx)
				if err != nil {
					return 0, err
				}
				start := time.Now()
				id, err := swarmGit(ctx, git, o.Data, append(settings, "hash-object", "-w", "-t", "commit", "--stdin")...)
				if err != nil {
					return 0, err
				}
				_, err = swarmGit(ctx, git, nil, append(settings, "update-ref", "refs/heads/main", id)...)
				return time.Since(start), err
			}))
		},
		close: r.close,
	}, nil
}

func perSecond(ms float64, err error) (float64, error) { return 1000 / ms, err }

func (r *swarmRepo) appendRate(ctx context.Context, d time.Duration) (float64, error) {
	return perSecond(stopwatch(d, func() (time.Duration, error) {
		head, o, err := r.message(ctx)
		if err != nil {
			return 0, err
		}
		start := time.Now()
		err = r.Append(ctx, []commit.Object{o}, head, o.ID())
		return time.Since(start), err
	}))
}

func openSwarmUnsynced(ctx context.Context, o *options) (*sides, error) {
	r, _, err := openSwarm2(ctx, o, 1000)
	if err != nil {
		return nil, err
	}
	dir, err := o.swarmDir()
	if err != nil {
		return nil, err
	}
	objects, tree, err := swarmRoot(ctx)
	if err != nil {
		return nil, err
	}
	index, err := swarmdb.Open(ctx, filepath.Join(dir, "index.db"))
	if err != nil {
		return nil, err
	}
	f, err := repo.Create(ctx, dir, objects[len(objects)-1].ID(), objects, repo.Options{NoSync: true, Index: index})
	if err != nil {
		return nil, err
	}
	fast := &swarmRepo{Repo: f, index: index, tree: tree, now: 1_700_000_000}
	return &sides{
		ours:  func(ctx context.Context, d time.Duration) (float64, error) { return r.appendRate(ctx, d) },
		floor: func(ctx context.Context, d time.Duration) (float64, error) { return fast.appendRate(ctx, d) },
		close: func() error { return errors.Join(r.close(), fast.close()) },
	}, nil
}

// swarmPipe connects a client with a repository that serves it.
func swarmPipe(ctx context.Context, r *repo.Repo, client func(rw io.ReadWriter) error) error {
	a, b, err := osPipes()
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		err := r.Serve(ctx, b, repo.ServeOptions{})
		done <- errors.Join(err, b.Close())
	}()
	err = client(a)
	return errors.Join(err, a.Close(), <-done)
}

// pipeEnd is one end of a stream of two pipes.
type pipeEnd struct{ r, w *os.File }

func (p pipeEnd) Read(b []byte) (int, error)         { return p.r.Read(b) }
func (p pipeEnd) Write(b []byte) (int, error)        { return p.w.Write(b) }
func (p pipeEnd) SetReadDeadline(t time.Time) error  { return p.r.SetReadDeadline(t) }
func (p pipeEnd) SetWriteDeadline(t time.Time) error { return p.w.SetWriteDeadline(t) }
func (p pipeEnd) Close() error                       { return errors.Join(p.r.Close(), p.w.Close()) }

func osPipes() (a, b pipeEnd, err error) {
	if a.r, b.w, err = os.Pipe(); err != nil {
		return a, b, err
	}
	b.r, a.w, err = os.Pipe()
	return a, b, err
}

func swarmAccept(context.Context, *repo.Incoming) error { return nil }

func openSwarmClone(ctx context.Context, o *options, n int) (*sides, error) {
	r, dir, err := openSwarm2(ctx, o, n)
	if err != nil {
		return nil, err
	}
	if _, err := r.GC(ctx); err != nil {
		return nil, err
	}
	k := 0
	return &sides{
		ours: func(ctx context.Context, d time.Duration) (float64, error) {
			return stopwatch(d, func() (time.Duration, error) {
				k++
				return r.cloneOnce(ctx, filepath.Join(dir, fmt.Sprint("ours", k)))
			})
		},
		floor: func(ctx context.Context, d time.Duration) (float64, error) {
			return stopwatch(d, func() (time.Duration, error) {
				k++
				to := filepath.Join(dir, fmt.Sprint("git", k))
				defer os.RemoveAll(to)
				start := time.Now()
				_, err := swarmGit(ctx, dir, nil, "clone", "-q", "--bare", "file://"+r.Path(), to)
				return time.Since(start), err
			})
		},
		close: r.close,
	}, nil
}

func (r *swarmRepo) cloneOnce(ctx context.Context, dir string) (time.Duration, error) {
	defer os.RemoveAll(dir)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, err
	}
	index, err := swarmdb.Open(ctx, filepath.Join(dir, "index.db"))
	if err != nil {
		return 0, err
	}
	start := time.Now()
	err = swarmPipe(ctx, r.Repo, func(rw io.ReadWriter) error {
		c, _, err := repo.Clone(ctx, dir, r.ID(), rw, repo.Options{Index: index}, repo.FetchOptions{Verify: swarmAccept})
		if err != nil {
			return err
		}
		_, err = c.Log(ctx, 0, 1) // so that the index is whole
		return errors.Join(err, c.Close())
	})
	took := time.Since(start)
	return took, errors.Join(err, index.Close())
}

func openSwarmFetch(ctx context.Context, o *options, n int) (*sides, error) {
	r, dir, err := openSwarm2(ctx, o, n)
	if err != nil {
		return nil, err
	}
	if _, err := r.GC(ctx); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "copy", r.ID().String())
	if err := os.CopyFS(path, os.DirFS(r.Path())); err != nil {
		return nil, err
	}
	c, err := openSwarm(ctx, path, r.tree, r.now)
	if err != nil {
		return nil, err
	}
	if _, err := swarmGit(ctx, dir, nil, "clone", "-q", "--bare", "file://"+r.Path(), "git"); err != nil {
		return nil, err
	}
	return &sides{
		ours: func(ctx context.Context, d time.Duration) (float64, error) {
			return stopwatch(d, func() (time.Duration, error) { return r.fetchOnce(ctx, c) })
		},
		floor: func(ctx context.Context, d time.Duration) (float64, error) {
			return stopwatch(d, func() (time.Duration, error) {
				if err := r.grow(ctx, 10); err != nil {
					return 0, err
				}
				start := time.Now()
				_, err := swarmGit(ctx, filepath.Join(dir, "git"), nil, "-c", "gc.auto=0", "fetch", "-q", "origin", "main:main")
				return time.Since(start), err
			})
		},
		close: func() error { return errors.Join(r.close(), c.close()) },
	}, nil
}

// fetchOnce lets c fetch and go on to what r has written meanwhile.
func (r *swarmRepo) fetchOnce(ctx context.Context, c *swarmRepo) (time.Duration, error) {
	// What came while git was measured does not count.
	if err := r.catchUp(ctx, c); err != nil {
		return 0, err
	}
	if err := r.grow(ctx, 10); err != nil {
		return 0, err
	}
	start := time.Now()
	err := r.catchUp(ctx, c)
	return time.Since(start), err
}

func (r *swarmRepo) catchUp(ctx context.Context, c *swarmRepo) error {
	return swarmPipe(ctx, r.Repo, func(rw io.ReadWriter) error {
		got, err := c.Fetch(ctx, rw, repo.FetchOptions{Device: "r", Verify: swarmAccept})
		if err != nil {
			return err
		}
		_, err = c.Merge(ctx, got.Head, repo.MergeOptions{Author: swarmAuthor, Time: time.Unix(r.now, 0)})
		return err
	})
}

func openSwarmOpen(ctx context.Context, o *options, n int) (*sides, error) {
	many, _, err := openSwarm2(ctx, o, n)
	if err != nil {
		return nil, err
	}
	few, _, err := openSwarm2(ctx, o, 100)
	if err != nil {
		return nil, err
	}
	one := func(r *swarmRepo) func(context.Context, time.Duration) (float64, error) {
		return func(ctx context.Context, d time.Duration) (float64, error) {
			return stopwatch(d, func() (time.Duration, error) {
				start := time.Now()
				again, err := repo.Open(ctx, r.Path(), repo.Options{Index: r.index})
				if err != nil {
					return 0, err
				}
				_, err = again.Log(ctx, 0, 50)
				return time.Since(start), errors.Join(err, again.Close())
			})
		}
	}
	return &sides{ours: one(many), floor: one(few), close: func() error { return errors.Join(many.close(), few.close()) }}, nil
}

func openSwarmDisk(ctx context.Context, o *options, n int) (*sides, error) {
	r, dir, err := openSwarm2(ctx, o, n)
	if err != nil {
		return nil, err
	}
	if _, err := swarmGit(ctx, dir, nil, "clone", "-q", "--bare", "--no-hardlinks", r.Path(), "git"); err != nil {
		return nil, err
	}
	if _, err := swarmGit(ctx, filepath.Join(dir, "git"), nil, "gc", "-q", "--no-cruft"); err != nil {
		return nil, err
	}
	stats, err := r.GC(ctx)
	if err != nil {
		return nil, err
	}
	theirs := 0.0
	err = filepath.WalkDir(filepath.Join(dir, "git", "objects"), func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			theirs += float64(info.Size())
		}
		return err
	})
	return &sides{
		ours:  func(context.Context, time.Duration) (float64, error) { return float64(stats.After), nil },
		floor: func(context.Context, time.Duration) (float64, error) { return theirs, nil },
		close: r.close,
	}, err
}
