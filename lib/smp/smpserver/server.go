package smpserver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// Server is a relay. All methods may be called at once.
type Server struct {
	cfg   Config
	table *table
	tls   atomic.Pointer[transport.ServerConfig]
	id    smp.Fingerprint

	acks acks
	ntfs ntfs
	// foreign are of a store that other relays use too.
	foreign foreignNtfs
	stats   counters
	// connections counts all there have been.
	connections atomic.Uint64

	mu      sync.Mutex
	conns   map[*conn]struct{}
	serving bool
	ended   bool
	slots   chan struct{} // handshakes under way
	sources sources

	work context.Context // of updates; outlives the connections
	stop context.CancelFunc
	// relaying is of what waits for other relays; ends with the grace time.
	relaying     context.Context
	stopRelaying context.CancelFunc
	forwards     chan struct{}  // slots of all connections
	tasks        sync.WaitGroup // connections
}

// New makes a relay. It starts nothing. The error is [ErrConfig].
func New(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if cfg.Store == nil {
		return nil, fmt.Errorf("%w: no store", ErrConfig)
	}
	s := &Server{
		cfg:     cfg,
		table:   newTable(cfg.Store, cfg.CachedQueues),
		conns:   map[*conn]struct{}{},
		slots:   make(chan struct{}, cfg.MaxHandshakes),
		sources: sources{handshakes: cfg.MaxHandshakesOfAddr, conns: cfg.MaxConnsOfAddr, of: map[netip.Addr]source{}},
	}
	s.acks.init(s.table)
	s.ntfs.init()
	s.foreign.wake = make(chan struct{}, 1)
	s.work, s.stop = context.WithCancel(context.Background())
	s.relaying, s.stopRelaying = context.WithCancel(s.work)
	s.forwards = make(chan struct{}, cfg.MaxForwards)
	if shared, ok := cfg.Store.(queuestore.Shared); ok {
		shared.Watch(s.learn)
	}
	if err := s.SetCredential(cfg.Credential); err != nil {
		return nil, err
	}
	return s, nil
}

// SetCredential changes the certificate for later connections. The identity
// must stay the same. The error is [ErrConfig].
func (s *Server) SetCredential(c *transport.Credential) error {
	if err := c.Check(s.cfg.Now()); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if n := len(c.Chain); n < 2 {
		return fmt.Errorf("%w: a chain of %d certificates", ErrConfig, n)
	}
	id := smp.ChainIdentity(c.Chain)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id != "" && s.id != id {
		return fmt.Errorf("%w: certificate of another identity", ErrConfig)
	}
	s.id = id
	s.tls.Store(&transport.ServerConfig{Credential: c, ALPN: []string{smp.ALPN}, Now: s.cfg.Now})
	return nil
}

// Fingerprint is the relay's identity.
func (s *Server) Fingerprint() smp.Fingerprint { return s.id }

// Serve accepts connections until ctx ends, then finishes what is under way
// and returns nil after the last goroutine that it started has ended. It
// closes the listener. It runs once. The errors are [ErrClosed] and the
// listener's.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	s.mu.Lock()
	if s.serving || s.ended {
		s.mu.Unlock()
		_ = l.Close()
		return ErrClosed
	}
	s.serving = true
	s.mu.Unlock()

	var background sync.WaitGroup
	bg, stopBg := context.WithCancel(context.Background())
	background.Go(func() { s.flushAcks(bg) })
	background.Go(func() { s.expireMessages(bg) })
	background.Go(func() { s.closeIdle(bg) })
	background.Go(func() { s.closeSlow(bg) })
	if shared, ok := s.cfg.Store.(queuestore.Shared); ok {
		background.Go(func() { s.notifyForeign(bg) })
		background.Go(func() {
			if err := shared.Run(bg); err != nil {
				s.cfg.Logger.Error("following other relays on the store", "err", err)
			}
		})
	}
	unblock := context.AfterFunc(ctx, func() { _ = l.Close() })

	err := s.accept(ctx, l)
	unblock()
	_ = l.Close()
	s.shutdown()
	stopBg()
	background.Wait()
	s.stop()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Stats are totals since the relay was started, and current numbers.
type Stats struct {
	Accepted, Handshakes, Refused             int64 // sockets, of those connections, over the limits
	Sent, Delivered, Acked, Created           int64 // SEND answered with OK, MSG written, ACK, NEW
	Notified                                  int64 // NMSG written
	Proxied, Forwarded                        int64 // PRXY and PFWD that succeeded, here as a proxy
	Expired, QuotaExceeded, Malformed         int64
	Connections, Subscriptions, QueuesInCache int
	NotifierSubscriptions, Services           int // queues one by one; services with all of theirs
}

type counters struct {
	accepted, handshakes, refused     atomic.Int64
	sent, delivered, acked, created   atomic.Int64
	notified                          atomic.Int64
	proxied, forwarded                atomic.Int64
	expired, quotaExceeded, malformed atomic.Int64
}

// Stats gives the numbers.
func (s *Server) Stats() Stats {
	c := &s.stats
	st := Stats{
		Accepted: c.accepted.Load(), Handshakes: c.handshakes.Load(), Refused: c.refused.Load(),
		Sent: c.sent.Load(), Delivered: c.delivered.Load(), Acked: c.acked.Load(), Created: c.created.Load(),
		Notified: c.notified.Load(), Proxied: c.proxied.Load(), Forwarded: c.forwarded.Load(),
		Expired: c.expired.Load(), QuotaExceeded: c.quotaExceeded.Load(), Malformed: c.malformed.Load(),
	}
	s.mu.Lock()
	st.Connections = len(s.conns)
	s.mu.Unlock()
	s.table.mu.Lock()
	st.Subscriptions, st.QueuesInCache = len(s.table.subs), s.table.count
	st.NotifierSubscriptions, st.Services = len(s.table.nsubs), len(s.table.nservices)
	s.table.mu.Unlock()
	return st
}

// Block makes nearly all commands on a queue fail with BLOCKED, and tells the
// recipient if it is connected. The queue is named by its recipient's or
// sender's ID. The errors are queuestore.ErrNotFound and the store's.
func (s *Server) Block(ctx context.Context, id smp.EntityID, why smp.BlockingInfo) error {
	return s.setStatus(ctx, id, queuestore.Blocked, &why)
}

// Unblock takes Block back.
func (s *Server) Unblock(ctx context.Context, id smp.EntityID) error {
	return s.setStatus(ctx, id, queuestore.Active, nil)
}

func (s *Server) setStatus(ctx context.Context, id smp.EntityID, st queuestore.Status, why *smp.BlockingInfo) error {
	found, err := s.table.find(ctx, []queuestore.Ref{
		{Kind: queuestore.ByRecipient, ID: id}, {Kind: queuestore.BySender, ID: id}})
	if err != nil {
		return err
	}
	defer s.table.unpin(found...)
	q := orElse(found[0], found[1])
	if q == nil {
		return queuestore.ErrNotFound
	}
	if rec := s.table.record(q); why != nil && rec.Status == st && rec.Blocking.Reason == why.Reason && rec.Blocking.Notice == why.Notice {
		return nil // was told already
	}
	ch := &change{q: q, edit: func(_ queuestore.Tx, rec *queuestore.Queue) *smp.Error {
		rec.Status, rec.Blocking = st, why
		return nil
	}}
	if err := s.cfg.Store.Update(ctx, ch.apply(s.table)); err != nil {
		ch.failed(s)
		return err
	}
	if st == queuestore.Blocked {
		s.table.mu.Lock()
		if sub := s.table.subs[q.rec.RecipientID]; sub != nil {
			sub.conn.out.add(outItem{entity: sub.id, msg: smp.ERR{Err: smp.BlockedError(*why)}})
		}
		s.table.mu.Unlock()
	}
	return nil
}
