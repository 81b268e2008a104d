package peer

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/drt"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// The protocols.
const (
	protoGit     = "/simplexkit/swarm/git/1"
	protoDRT     = "/simplexkit/swarm/drt/1"
	protoMessage = "/simplexkit/swarm/message/1"
	protoFile    = "/simplexkit/swarm/file/1"
	protoSync    = "/simplexkit/swarm/sync/1"
	protoHello   = "/simplexkit/swarm/hello/1"
)

const (
	// exchangeTime bounds an exchange of a few frames.
	exchangeTime = 30 * time.Second
	// fetchTime bounds a git fetch as a whole.
	fetchTime = 10 * time.Minute
	// channelIdle is how long a channel of the routing table may be silent:
	// something is sent at each refresh.
	channelIdle = 2*drt.Refresh + 5*time.Minute
)

// Engine speaks with the other devices. It does nothing before Run.
type Engine struct {
	cfg Config
	log *slog.Logger

	mu    sync.Mutex
	convs map[commit.ObjectID]*conv  // guarded by mu
	ctx   context.Context            // of Run; nil before; guarded by mu
	flows map[ident.DeviceID]*flow   // guarded by mu
	outs  map[ident.DeviceID]*outbox // guarded by mu
	// work are the goroutines of Run.
	work sync.WaitGroup
}

// New makes an engine.
func New(cfg Config) *Engine {
	e := &Engine{cfg: cfg, log: cfg.Logger, convs: map[commit.ObjectID]*conv{}, flows: map[ident.DeviceID]*flow{},
		outs: map[ident.DeviceID]*outbox{}}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	return e
}

// Run serves the protocols and keeps the conversations that Join names
// connected, until ctx ends; it waits for all that it started.
func (e *Engine) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer e.work.Wait()
	defer cancel()
	e.mu.Lock()
	e.ctx = ctx
	for _, c := range e.convs {
		e.startLocked(c)
	}
	e.mu.Unlock()
	for proto, fn := range map[string]func(context.Context, ident.DeviceID, Stream) error{
		protoGit: e.serveGit, protoDRT: e.serveDRT, protoMessage: e.serveMessage, protoFile: e.serveFile, protoSync: e.serveSync, protoHello: e.serveHello,
	} {
		e.cfg.Net.Handle(proto, e.while(ctx, fn))
	}
	<-ctx.Done()
	e.mu.Lock()
	e.ctx = nil
	e.mu.Unlock()
	return nil
}

// while has streams served until ctx ends.
func (e *Engine) while(ctx context.Context, fn func(context.Context, ident.DeviceID, Stream) error) func(context.Context, ident.DeviceID, Stream) error {
	return func(own context.Context, from ident.DeviceID, s Stream) error {
		if !e.begin() {
			return context.Canceled
		}
		defer e.work.Done()
		own, cancel := context.WithCancel(own)
		defer cancel()
		defer context.AfterFunc(ctx, func() { cancel(); s.Reset() })()
		return fn(own, from, s)
	}
}

// begin counts one more goroutine of Run; false if it ended.
func (e *Engine) begin() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx == nil || e.ctx.Err() != nil {
		return false
	}
	e.work.Add(1)
	return true
}

// spawn runs fn until it returns; its context is Run's.
func (e *Engine) spawn(fn func(ctx context.Context)) bool {
	e.mu.Lock()
	ctx := e.ctx
	if ctx == nil || ctx.Err() != nil {
		e.mu.Unlock()
		return false
	}
	e.work.Add(1)
	e.mu.Unlock()
	go func() {
		defer e.work.Done()
		fn(ctx)
	}()
	return true
}

// open opens a stream that must be over after d. Call done at the end.
func (e *Engine) open(ctx context.Context, to ident.DeviceID, proto string, d time.Duration) (s Stream, done func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	s, err = e.cfg.Net.Open(ctx, to, proto)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	if end, ok := ctx.Deadline(); ok {
		s.SetEnd(end)
	}
	stop := context.AfterFunc(ctx, s.Reset)
	return s, func() {
		stop()
		cancel()
		_ = s.Close()
	}, nil
}

// Join keeps a conversation connected and its commits coming.
func (e *Engine) Join(id commit.ObjectID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.convs[id] != nil {
		return
	}
	c := newConv(e, id)
	e.convs[id] = c
	e.startLocked(c)
}

func (e *Engine) startLocked(c *conv) {
	if e.ctx == nil || e.ctx.Err() != nil || c.started {
		return
	}
	c.started = true
	ctx, cancel := context.WithCancel(e.ctx)
	c.stop = cancel
	e.work.Add(1)
	go func() {
		defer e.work.Done()
		defer cancel()
		c.run(ctx)
	}()
}

// Part ends what Join began. It does not wait.
func (e *Engine) Part(id commit.ObjectID) {
	e.mu.Lock()
	c := e.convs[id]
	delete(e.convs, id)
	e.mu.Unlock()
	if c != nil && c.stop != nil {
		c.stop()
	}
}

func (e *Engine) conv(id commit.ObjectID) *conv {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.convs[id]
}

func (e *Engine) all() []*conv {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]*conv, 0, len(e.convs))
	for _, c := range e.convs {
		out = append(out, c)
	}
	return out
}

// Announce tells others of a commit of ours.
func (e *Engine) Announce(id, c commit.ObjectID) {
	if cv := e.conv(id); cv != nil {
		cv.tell(func(ctx context.Context) { cv.announce(ctx, c, nil) })
	}
}

// Changed says that the members or bans of a conversation changed.
func (e *Engine) Changed(id commit.ObjectID) {
	if cv := e.conv(id); cv != nil {
		cv.tell(cv.members)
	}
}

// Reachable says that a device was found, on the local network say, or
// connected; without devices, that the network changed. What failed is tried
// again now.
func (e *Engine) Reachable(devs ...ident.DeviceID) {
	for _, cv := range e.all() {
		cv.tell(func(ctx context.Context) { cv.reachable(ctx, devs) })
	}
}
