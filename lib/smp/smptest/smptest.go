// Package smptest starts message relays on the loopback interface for tests,
// and talks to relays command by command, below the level of a client.
package smptest

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/smpproxy"
	"github.com/simplexkit/simplexkit/lib/smp/smpserver"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// Option changes how a relay is started.
type Option func(*Relay)

// WithConfig lets fn change the relay's configuration.
func WithConfig(fn func(*smpserver.Config)) Option {
	return func(r *Relay) { r.edit = append(r.edit, fn) }
}

// WithStore gives the relay a store other than its own in memory. Who gives
// it closes it, after the test's relay.
func WithStore(s queuestore.Store) Option {
	return WithConfig(func(c *smpserver.Config) { c.Store = s })
}

// WithProxy lets the relay forward commands to others, also on this machine.
// It is the same proxy when the relay is started again.
func WithProxy(cfg smpproxy.Config) Option {
	cfg.PrivateHosts = true
	return func(r *Relay) {
		p := smpproxy.New(cfg)
		r.t.Cleanup(func() { _ = p.Close() })
		r.edit = append(r.edit, func(c *smpserver.Config) { c.Proxy = p })
	}
}

// Relay is a running relay. Its address stays the same when it is stopped and
// started again.
type Relay struct {
	Addr smp.ServerAddr // 127.0.0.1 and the port

	t      testing.TB
	cred   *transport.Credential
	store  queuestore.Store
	edit   []func(*smpserver.Config)
	listen string

	mu     sync.Mutex
	server *smpserver.Server
	stop   context.CancelFunc
	done   chan error
}

// Start starts a relay that ends with the test. Without options it keeps
// queues in memory, also while it is stopped.
func Start(t testing.TB, opts ...Option) *Relay {
	t.Helper()
	ca, err := transport.GenerateCA("SMP server CA", time.Now())
	if err != nil {
		t.Fatalf("smptest: %v", err)
	}
	cred, err := ca.GenerateLeaf("127.0.0.1", time.Now())
	if err != nil {
		t.Fatalf("smptest: %v", err)
	}
	r := &Relay{t: t, cred: cred, store: queuestore.NewMem(), listen: "127.0.0.1:0"}
	for _, o := range opts {
		o(r)
	}
	t.Cleanup(r.Stop)
	r.Restart()
	return r
}

// Server is the relay that runs now.
func (r *Relay) Server() *smpserver.Server {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.server
}

// Stop ends the relay; connections are closed. It may be called again.
func (r *Relay) Stop() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopLocked()
}

func (r *Relay) stopLocked() {
	r.t.Helper()
	if r.stop == nil {
		return
	}
	r.stop()
	r.stop = nil
	if err := <-r.done; err != nil {
		r.t.Errorf("smptest: relay ended: %v", err)
	}
}

// Restart stops the relay if it runs, and starts another with the same
// identity, address and store.
func (r *Relay) Restart() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopLocked()
	cfg := smpserver.Config{Store: r.store, Credential: r.cred, GraceTimeout: 2 * time.Second}
	for _, fn := range r.edit {
		fn(&cfg)
	}
	s, err := smpserver.New(cfg)
	if err != nil {
		r.t.Fatalf("smptest: %v", err)
	}
	l, err := net.Listen("tcp", r.listen)
	if err != nil {
		r.t.Fatalf("smptest: %v", err)
	}
	r.listen = l.Addr().String()
	host, port, err := net.SplitHostPort(r.listen)
	if err != nil {
		r.t.Fatalf("smptest: %v", errors.Join(err, l.Close()))
	}
	r.Addr = smp.ServerAddr{Hosts: []string{host}, Port: port, KeyHash: s.Fingerprint()}
	ctx, cancel := context.WithCancel(context.Background())
	r.server, r.stop, r.done = s, cancel, make(chan error, 1)
	go func() { r.done <- s.Serve(ctx, l) }()
}

// Timeout is how long tests wait for something that should come at once.
const Timeout = 30 * time.Second
