package repo_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

// child is what the test's program does when a test starts it again.
func child(mode string) int {
	var err error
	switch mode {
	case "serve":
		err = childServe()
	case "crash":
		err = childCrash()
	default:
		err = fmt.Errorf("mode %s", mode)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	return 0
}

// childServe serves a repository on stdin and stdout, for git.
func childServe() error {
	r, err := repo.Open(context.Background(), os.Getenv("REPO_TEST_PATH"), repo.Options{})
	if err != nil {
		return err
	}
	defer r.Close()
	return r.Serve(context.Background(), struct {
		io.Reader
		io.Writer
	}{os.Stdin, os.Stdout}, repo.ServeOptions{})
}

// childCrash works on a repository and kills itself before the k-th step that
// writes. It prints the head after each piece of work.
func childCrash() error {
	k, err := strconv.Atoi(os.Getenv("REPO_TEST_K"))
	if err != nil {
		return err
	}
	fault := func(string) error {
		if k--; k == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	}
	ctx := context.Background()
	r, err := repo.Open(ctx, os.Getenv("REPO_TEST_PATH"), repo.Options{Fault: fault})
	if err != nil {
		return err
	}
	defer r.Close()
	other, err := repo.Open(ctx, os.Getenv("REPO_TEST_OTHER"), repo.Options{})
	if err != nil {
		return err
	}
	defer other.Close()
	for _, work := range []func(context.Context, *repo.Repo, *repo.Repo) error{childCommit, childFetch, childMerge, childGC} {
		if err := work(ctx, r, other); err != nil {
			return err
		}
		id, err := r.Head(ctx)
		if err != nil {
			return err
		}
		fmt.Println(id)
	}
	return nil
}

func childCommit(ctx context.Context, r, _ *repo.Repo) error {
	_, err := r.Commit(ctx, author("alice"), repo.Draft{
		Time: time.Unix(1_700_001_000, 0), Message: []byte(`{"body":"x","type":"text/plain"}`),
		Put: map[string][]byte{"devices/new.crt": []byte("certificate")},
	})
	return err
}

func childFetch(ctx context.Context, r, other *repo.Repo) error {
	rd, ow, err := pipes()
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- other.Serve(ctx, ow, repo.ServeOptions{}) }()
	_, err = r.Fetch(ctx, rd, repo.FetchOptions{Device: "other", Verify: func(context.Context, *repo.Incoming) error { return nil }})
	if err != nil {
		return err
	}
	return <-done
}

func childMerge(ctx context.Context, r, other *repo.Repo) error {
	theirs, err := other.Head(ctx)
	if err != nil {
		return err
	}
	_, err = r.Merge(ctx, theirs, repo.MergeOptions{Author: author("alice"), Time: time.Unix(1_700_001_001, 0)})
	return err
}

func childGC(ctx context.Context, r, _ *repo.Repo) error {
	_, err := r.GC(ctx)
	return err
}

type duplex struct {
	io.Reader
	io.Writer
}

// pipes are two ends of a stream.
func pipes() (a, b io.ReadWriter, err error) {
	ar, bw, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	br, aw, err := os.Pipe()
	return duplex{ar, aw}, duplex{br, bw}, err
}

var _ commit.Objects = (*repo.Repo)(nil)
