package repo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/gitwire"
	"github.com/simplexkit/simplexkit/lib/swarm/objdb"
	"github.com/simplexkit/simplexkit/lib/swarm/pack"
)

func (l Limits) withDefaults() Limits {
	set := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	count := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	set(&l.Bytes, 256<<20)
	set(&l.Object, 64<<20)
	set(&l.Inflated, 1<<30)
	set((*int64)(&l.Time), int64(10*time.Minute))
	set((*int64)(&l.Idle), int64(30*time.Second))
	count(&l.Objects, 1<<20)
	count(&l.Depth, 256)
	count(&l.Refs, 1024)
	return l
}

func (l Limits) pack() pack.Limits {
	return pack.Limits{Bytes: l.Bytes, Objects: l.Objects, Object: l.Object, Inflated: l.Inflated, Depth: l.Depth}
}

// errTime is the cause when a fetch takes too long.
var errTime = errors.New("took too long")

// Fetch brings the remote's head into the repository, but not into our branch:
// that is Merge's. The error wraps ErrRefused, and is a *Refusal, if what the
// remote has must not come in; all others leave the question open.
func (r *Repo) Fetch(ctx context.Context, rw ReadWriter, f FetchOptions) (*Fetched, error) {
	if f.Device != "" && !goodDevice(f.Device) {
		return nil, fmt.Errorf("repo: fetch: device %q: %w", f.Device, ErrNotFound)
	}
	if f.Verify == nil {
		return nil, errors.New("repo: fetch: nobody verifies")
	}
	f.Limits = f.Limits.withDefaults()
	ctx, cancel := context.WithTimeoutCause(ctx, f.Limits.Time, errTime)
	defer cancel()
	link := gitwire.NewLink(ctx, rw, f.Limits.Idle)
	defer link.Close()
	x := &fetch{r: r, f: f, c: gitwire.NewClient(link)}
	out, err := x.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("repo: fetch: %w", err)
	}
	return out, nil
}

// fetch is one exchange.
type fetch struct {
	r *Repo
	f FetchOptions
	c *gitwire.Client

	want, local commit.ObjectID
	metas       map[commit.ObjectID]Meta // of the pack
	q           *objdb.Quarantine
}

func (x *fetch) run(ctx context.Context) (*Fetched, error) {
	refs, err := x.c.Refs(x.f.Limits.Refs)
	if err != nil {
		return nil, err
	}
	if x.want, err = choose(refs, x.f.Want); err != nil {
		return nil, errors.Join(err, x.c.Done())
	}
	if err := x.r.refused(x.want, x.f.Device); err != nil {
		return nil, errors.Join(err, x.c.Done())
	}
	conv, total, err := x.r.ensure(ctx)
	if err != nil {
		return nil, err
	}
	if x.local, err = x.r.Head(ctx); err != nil {
		return nil, err
	}
	if _, err := x.r.known(ctx, x.want); err == nil {
		return x.had(ctx)
	} else if !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	haves, err := x.haves(ctx, conv, total)
	if err != nil {
		return nil, err
	}
	if err := x.receive(ctx, haves); err != nil {
		return nil, err
	}
	return x.accept(ctx)
}

// choose finds the commit to fetch among the refs.
func choose(refs []gitwire.Ref, want commit.ObjectID) (commit.ObjectID, error) {
	var head commit.ObjectID
	for _, ref := range refs {
		switch {
		case !want.IsZero() && ref.ID == want:
			return want, nil
		case ref.Name == mainRef:
			head = ref.ID
		case ref.Name == "HEAD" && head.IsZero():
			head = ref.ID
		}
	}
	if !want.IsZero() || head.IsZero() {
		return head, fmt.Errorf("the remote does not show it: %w", ErrNotFound)
	}
	return head, nil
}

// had ends a fetch of what we have.
func (x *fetch) had(ctx context.Context) (*Fetched, error) {
	if err := x.c.Done(); err != nil {
		x.r.log.Debug("remote went early", "error", err)
	}
	x.r.write.Lock()
	defer x.r.write.Unlock()
	if err := x.r.setRemote(ctx, x.f.Device, x.want); err != nil {
		return nil, err
	}
	fresh, err := x.r.Missing(ctx, x.want, x.local)
	return &Fetched{Head: x.want, New: fresh}, err
}

// haves are commits that the remote may have too: the heads, and of our history
// those at distances that double, down to the first. So at most as much comes
// again as both have since they parted.
func (x *fetch) haves(ctx context.Context, conv commit.ObjectID, total int) ([]commit.ObjectID, error) {
	if total == 0 {
		return nil, nil
	}
	out := []commit.ObjectID{x.local} // one may be named twice, which does no harm
	remotes, err := x.r.Remotes(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range remotes {
		if out = append(out, id); len(out) > 32 {
			break
		}
	}
	for back := 1; ; back *= 2 {
		at := max(total-1-back, 0)
		line, err := x.r.o.Index.Line(ctx, conv, at, 1)
		if err != nil {
			return nil, err
		}
		for _, m := range line {
			out = append(out, m.ID)
		}
		if at == 0 {
			return out, nil
		}
	}
}

// receive takes the pack into quarantine.
func (x *fetch) receive(ctx context.Context, haves []commit.ObjectID) error {
	stream, err := x.c.Want(x.want, haves)
	if err != nil {
		return err
	}
	x.metas = make(map[commit.ObjectID]Meta)
	x.q, err = x.r.db.Receive(ctx, stream, x.f.Limits.pack(), func(id commit.ObjectID, t commit.Type, data []byte) error {
		switch t {
		case commit.TypeCommit:
			m, err := parseMeta(id, data)
			x.metas[id] = m
			return err
		case commit.TypeTree:
			_, err := commit.ParseTree(data)
			return err
		case commit.TypeBlob:
			return nil
		}
		return fmt.Errorf("%v %v: %w", t, id, commit.ErrMalformed)
	})
	if err == nil {
		return nil
	}
	for _, bad := range []error{
		pack.ErrFormat, pack.ErrChecksum, pack.ErrTrailing, pack.ErrBase, pack.ErrDuplicate, pack.ErrTooLarge, commit.ErrMalformed,
	} {
		if errors.Is(err, bad) {
			return x.refuse(&Refusal{Pack: true, Reason: err.Error()})
		}
	}
	return err
}

// refuse records a verdict and returns it.
func (x *fetch) refuse(v *Refusal) error {
	v.Head, v.Device, v.At, v.Tries = x.want, x.f.Device, time.Now().UTC().Truncate(time.Second), 1
	if err := x.r.record(v, x.q); err != nil {
		x.r.log.Warn("refusal is not recorded", "error", err)
	}
	x.q = nil
	return v
}

// accept checks what is in quarantine and makes it part of the repository.
func (x *fetch) accept(ctx context.Context) (_ *Fetched, err error) {
	defer func() {
		if x.q != nil {
			err = errors.Join(err, x.q.Discard())
		}
	}()
	in, err := x.connect(ctx)
	var missing *incomplete
	if errors.As(err, &missing) {
		return nil, x.refuse(&Refusal{Pack: true, Commit: missing.commit, Reason: missing.text})
	}
	if err != nil {
		return nil, err
	}
	if err := x.f.Verify(ctx, in); err != nil {
		var v *Refusal
		if errors.As(err, &v) {
			mine := *v
			return nil, x.refuse(&mine)
		}
		return nil, err
	}
	x.r.write.Lock()
	defer x.r.write.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	size := x.q.Bytes
	if err := x.q.Migrate(); err != nil {
		return nil, err
	}
	x.q = nil
	if err := x.index(ctx, in.Commits); err != nil {
		return nil, err
	}
	if err := x.r.setRemote(ctx, x.f.Device, x.want); err != nil {
		return nil, err
	}
	if err := x.r.tidy(ctx, 4); err != nil {
		x.r.log.Warn("repository is not tidied", "error", err)
	}
	return &Fetched{Head: x.want, New: in.Commits, Bytes: size}, nil
}

func (x *fetch) index(ctx context.Context, commits []Meta) error {
	x.r.indexing.Lock()
	defer x.r.indexing.Unlock()
	if err := x.r.o.Index.Add(ctx, x.r.ID(), commits); err != nil {
		return err
	}
	x.r.remember(commits)
	return nil
}

// Clone fetches conversation root from a remote into dir/<root>, where nothing
// may be. After an error nothing is there.
func Clone(ctx context.Context, dir string, root commit.ObjectID, rw ReadWriter, o Options, f FetchOptions) (*Repo, *Fetched, error) {
	final := dir + string(os.PathSeparator) + root.String()
	if _, err := os.Lstat(final); err == nil {
		return nil, nil, fmt.Errorf("repo: clone %v: %w", root, os.ErrExist)
	}
	tmp, err := scaffold(dir, o)
	if err != nil {
		return nil, nil, fmt.Errorf("repo: clone: %w", err)
	}
	got, err := cloneInto(ctx, tmp, root, rw, o, f)
	if err == nil {
		err = settle(tmp, final, o)
	}
	if err != nil {
		err = errors.Join(fmt.Errorf("repo: clone: %w", err), os.RemoveAll(tmp))
		if o.Index != nil {
			err = errors.Join(err, o.Index.Clear(context.WithoutCancel(ctx), root))
		}
		return nil, nil, err
	}
	r, err := Open(ctx, final, o)
	return r, got, err
}

func cloneInto(ctx context.Context, tmp string, root commit.ObjectID, rw ReadWriter, o Options, f FetchOptions) (*Fetched, error) {
	r, err := open(tmp, o)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	r.idOnce = root
	verify := f.Verify
	f.Verify = func(ctx context.Context, in *Incoming) error {
		if len(in.Commits) == 0 || in.Commits[0].ID != root {
			return &Refusal{Reason: "another conversation"}
		}
		return verify(ctx, in)
	}
	got, err := r.Fetch(ctx, rw, f)
	if err != nil {
		return nil, err
	}
	r.write.Lock()
	defer r.write.Unlock()
	if err := r.append(ctx, nil, commit.ObjectID{}, got.Head); err != nil {
		return nil, err
	}
	r.indexing.Lock()
	defer r.indexing.Unlock()
	return got, r.line(ctx, root, got.Head, got.New)
}
