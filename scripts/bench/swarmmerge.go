package main

import (
	"context"
	"crypto/sha512"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
	"github.com/simplexkit/simplexkit/lib/swarm/verify"
)

func openSwarmMerge(ctx context.Context, o *options) (*sides, error) {
	r, _, err := openSwarm2(ctx, o, 1000)
	if err != nil {
		return nil, err
	}
	base, err := r.Head(ctx)
	if err != nil {
		return nil, err
	}
	var tips [2]commit.ObjectID
	for i := range tips {
		if err := r.grow(ctx, 1000); err != nil {
			return nil, err
		}
		if tips[i], err = r.Head(ctx); err != nil {
			return nil, err
		}
		if i == 0 {
			if err := r.Append(ctx, nil, tips[0], base); err != nil {
				return nil, err
			}
		}
	}
	if err := r.Tidy(ctx); err != nil {
		return nil, err
	}
	return &sides{
		ours: func(ctx context.Context, d time.Duration) (float64, error) {
			return stopwatch(d, func() (time.Duration, error) {
				start := time.Now()
				m, err := r.Merge(ctx, tips[0], repo.MergeOptions{Author: swarmAuthor, Time: time.Unix(r.now, 0)})
				took := time.Since(start)
				if err != nil {
					return 0, err
				}
				return took, r.Append(ctx, nil, m.Head, tips[1])
			})
		},
		floor: func(ctx context.Context, d time.Duration) (float64, error) {
			return stopwatch(d, func() (time.Duration, error) {
				start := time.Now()
				_, err := swarmGit(ctx, r.Path(), nil, "merge-tree", "--write-tree", tips[1].String(), tips[0].String())
				return time.Since(start), err
			})
		},
		close: r.close,
	}, nil
}

// openSwarmVerify signs a history, which takes a few seconds.
func openSwarmVerify(ctx context.Context, _ *options) (*sides, error) {
	const n = 200
	now := time.Unix(1_700_000_000, 0)
	account, err := ident.NewAccount(now)
	if err != nil {
		return nil, err
	}
	device, err := account.NewDevice(now)
	if err != nil {
		return nil, err
	}
	mem, root, head, err := signedHistory(ctx, device, now.Unix()+1, n)
	if err != nil {
		return nil, err
	}
	c, err := commit.ReadCommit(ctx, mem, head)
	if err != nil {
		return nil, err
	}
	message, sig := c.Signed()
	hash := sha512.Sum512(message)
	return &sides{
		ours: func(ctx context.Context, d time.Duration) (float64, error) {
			return stopwatch(d, func() (time.Duration, error) {
				start := time.Now()
				_, err := verify.History(ctx, mem, head, verify.Options{Root: root})
				return time.Since(start), err
			})
		},
		floor: func(_ context.Context, d time.Duration) (float64, error) {
			return stopwatch(d, func() (time.Duration, error) {
				start := time.Now()
				err := onAllCores(n, func() error { return device.Cert.Verify(hash[:], sig) })
				return time.Since(start), err
			})
		},
		close: func() error { return nil },
	}, nil
}
