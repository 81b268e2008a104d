package swarm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

// Errors that callers may test for.
var (
	ErrNotFound  = errors.New("swarm: not found")
	ErrNoAccount = errors.New("swarm: the profile has no account of the swarm")
	ErrExists    = errors.New("swarm: exists already")
	ErrState     = errors.New("swarm: not in this state")
	ErrRights    = errors.New("swarm: not allowed")
)

// Config is what a node is made of. Dir and Values must be set.
type Config struct {
	// Dir holds the repositories, Dir/conversations/<id>, and the files that
	// were fetched, Dir/files.
	Dir    string
	Values Values
	// Index opens that of all repositories, at the first use; what it returns
	// is closed with the node. Nil keeps one in memory for each.
	Index func(ctx context.Context) (Index, error)
	// Handler hears of each commit that is new in a conversation, ours too. An
	// error lets it come again, the next time something comes.
	Handler func(ctx context.Context, m api.SwarmMessage) error
	// Typing hears who writes at the moment; nil if nobody wants to know.
	Typing func(ctx context.Context, conv commit.ObjectID, who ident.URI, active bool)
	// Link gets the archive of the account that gave a PIN, and the passphrase
	// it is sealed with; nil if there is no network.
	Link func(ctx context.Context, pin string) (archive []byte, passphrase string, err error)
	// Name is what others see if the account has no name of its own.
	Name string
	Now  func() time.Time
	Log  *slog.Logger
}

// Index is a [repo.Index] in a file.
type Index interface {
	repo.Index
	Close() error
}

// Node is one device of one account. Its methods are safe for concurrent use.
type Node struct {
	cfg  Config
	log  *slog.Logger
	news bell

	editing sync.Mutex // held while a record is read and written

	mu      sync.Mutex // guards what follows
	account *account   // nil before there is one
	convs   map[commit.ObjectID]*conv
	net     Network // nil while there is none
	index   Index   // nil before the first use
}

// New makes a node. It reads nothing and starts nothing.
func New(cfg Config) *Node {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Handler == nil {
		cfg.Handler = func(context.Context, api.SwarmMessage) error { return nil }
	}
	return &Node{cfg: cfg, log: cfg.Log, convs: map[commit.ObjectID]*conv{}}
}

// Close closes the repositories. Nothing may be under way.
func (n *Node) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var errs []error
	for id, c := range n.convs {
		errs = append(errs, c.repo.Close())
		delete(n.convs, id)
	}
	if n.index != nil {
		errs = append(errs, n.index.Close())
		n.index = nil
	}
	return errors.Join(errs...)
}

// self is the account, read at the first use; the error is [ErrNoAccount] if
// there is none.
func (n *Node) self(ctx context.Context) (*account, error) {
	n.mu.Lock()
	have := n.account
	n.mu.Unlock()
	if have != nil {
		return have, nil
	}
	a, err := n.loadAccount(ctx)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.account == nil {
		n.account = a
	}
	return n.account, nil
}

// HasAccount tells whether the profile has an account of the swarm.
func (n *Node) HasAccount(ctx context.Context) (bool, error) {
	_, err := n.self(ctx)
	if errors.Is(err, ErrNoAccount) {
		return false, nil
	}
	return err == nil, err
}

// Changed is closed when something has changed: an account was made, a
// conversation has news.
func (n *Node) Changed() <-chan struct{} { return n.news.wait() }

// Device is this device, for the network; the error may be [ErrNoAccount].
func (n *Node) Device(ctx context.Context) (*ident.Device, error) {
	a, err := n.self(ctx)
	if err != nil {
		return nil, err
	}
	return a.device, nil
}

func (n *Node) repoDir() string { return filepath.Join(n.cfg.Dir, "conversations") }

// conv is an open conversation.
type conv struct {
	id   commit.ObjectID
	repo *repo.Repo
	// write is held by who moves the head, and by who tells of it, so that
	// commits are told of in order.
	write sync.Mutex
	// heard is what another device was last heard to have, guarded by Node.mu.
	heard commit.ObjectID
}

// open opens a conversation that we have a repository of. The error wraps
// [ErrNotFound] if we have none.
func (n *Node) open(ctx context.Context, id commit.ObjectID) (*conv, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.convs[id]; c != nil {
		return c, nil
	}
	path := filepath.Join(n.repoDir(), id.String())
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: conversation %s", ErrNotFound, id)
	}
	o, err := n.repoOptionsLocked(ctx)
	if err != nil {
		return nil, err
	}
	r, err := repo.Open(ctx, path, o)
	if err != nil {
		return nil, err
	}
	c := &conv{id: id, repo: r}
	n.convs[id] = c
	return c, nil
}

func (n *Node) repoOptions(ctx context.Context) (repo.Options, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.repoOptionsLocked(ctx)
}

func (n *Node) repoOptionsLocked(ctx context.Context) (repo.Options, error) {
	o := repo.Options{Log: n.log}
	if n.cfg.Index == nil {
		return o, nil
	}
	if n.index == nil {
		index, err := n.cfg.Index(ctx)
		if err != nil {
			return o, err
		}
		n.index = index
	}
	o.Index = n.index
	return o, nil
}

// drop closes a conversation and erases its repository.
func (n *Node) drop(id commit.ObjectID) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var err error
	if c := n.convs[id]; c != nil {
		err = c.repo.Close()
		delete(n.convs, id)
	}
	return errors.Join(err, os.RemoveAll(filepath.Join(n.repoDir(), id.String())))
}

func (n *Node) network() Network {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.net
}

// bell tells those who wait that something has changed.
type bell struct {
	mu sync.Mutex
	ch chan struct{}
}

// wait is closed with the next ring.
func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
