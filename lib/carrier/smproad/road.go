package smproad

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
)

// Limits of what a queue's address can be used for.
const (
	maxStreams   = 4    // at a time
	maxLocations = 8    // in a message
	maxFirsts    = 4096 // in all, while the queue lives
)

// Config is for both sides.
type Config struct {
	// Relay is where queues are made.
	Relay smp.AuthServer
	SMP   smpclient.Options // OnMessage is not used
	// Streams false takes no streams: the queue is for locations only.
	Streams bool
	// Location gets the lines of callers that say where they can be called. It
	// must not block. Nil takes none.
	Location func(line []byte)
}

// addr is that of a relay.
type addr struct{ relay string }

// Network is "smp".
func (addr) Network() string { return "smp" }

// String is the relay's.
func (a addr) String() string { return a.relay }

// Listener is a callee's queue. It is a net.Listener.
type Listener struct {
	cfg    Config
	box    *mailbox
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	conns  chan net.Conn
	start  sync.Once

	mu      sync.Mutex
	seen    int                // first messages; guarded by mu, as is streams
	streams map[streamID]*conn // with those that have ended, as nil
}

// Listen makes a queue at cfg.Relay, to be deleted with the listener.
func Listen(ctx context.Context, cfg Config) (*Listener, error) {
	box, err := openMailbox(ctx, cfg.Relay, cfg.SMP, smp.Contact)
	if err != nil {
		return nil, err
	}
	l := &Listener{cfg: cfg, box: box, conns: make(chan net.Conn), streams: map[streamID]*conn{}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l, nil
}

// Address is what callers need to know.
func (l *Listener) Address() Address { return l.box.addr }

// Accept waits for a stream.
func (l *Listener) Accept() (net.Conn, error) {
	l.start.Do(func() { l.wg.Go(func() { l.box.run(l.ctx, l.message) }) })
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Addr is the relay's.
func (l *Listener) Addr() net.Addr { return addr{l.box.addr.Relay.String()} }

// Close takes no more streams, ends all and deletes the queue.
func (l *Listener) Close() error {
	l.cancel()
	l.start.Do(func() { l.wg.Go(func() { l.box.run(l.ctx, l.message) }) }) // to delete it
	l.wg.Wait()
	return nil
}

// message is called with each message of the queue.
func (l *Listener) message(body []byte) {
	m, err := parseMessage(body)
	if err != nil {
		return
	}
	if m.first {
		l.first(m)
		return
	}
	l.mu.Lock()
	c := l.streams[m.id]
	l.mu.Unlock()
	if c != nil {
		c.receive(m)
	}
}

func (l *Listener) first(m message) {
	k, err := box.SharedKey(m.pub, l.box.own)
	if err != nil {
		return
	}
	text, err := m.open(k, fromCaller)
	if err != nil {
		return
	}
	switch text[0] {
	case 'L':
		if l.cfg.Location != nil {
			for i, line := range bytes.SplitAfter(text[1:], []byte("\n")) {
				if i < maxLocations && len(line) > 0 {
					l.cfg.Location(line)
				}
			}
		}
	case 'Q':
		if to, err := ParseAddress(string(text[1:])); err == nil && l.cfg.Streams {
			l.stream(m.id, k, to)
		}
	}
}

func (l *Listener) stream(id streamID, k *box.Key, to Address) {
	c := newConn(id, k, fromCallee, fromCaller, &post{relay: to.Relay, id: to.ID, opts: l.cfg.SMP}, addr{to.Relay.String()})
	c.next = 1 // after the first
	l.mu.Lock()
	defer l.mu.Unlock()
	live := 0
	for _, c := range l.streams {
		if c != nil {
			live++
		}
	}
	if _, again := l.streams[id]; again || live >= maxStreams || l.seen >= maxFirsts || l.ctx.Err() != nil {
		return
	}
	l.seen++
	l.streams[id] = c
	ctx, cancel := context.WithCancel(l.ctx)
	c.cancel = cancel
	l.wg.Go(func() {
		c.run(ctx)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.streams[id] = nil
	})
	l.wg.Go(func() {
		select {
		case l.conns <- c:
		case <-l.ctx.Done():
		}
	})
}

// Dial opens a stream to the owner of a queue, by way of a queue at cfg.Relay,
// or at the owner's relay if that is the zero value. It is open when the
// message that asks for it has been sent: nobody may be there.
func Dial(ctx context.Context, to Address, cfg Config) (net.Conn, error) {
	if len(cfg.Relay.Hosts) == 0 {
		cfg.Relay = smp.AuthServer{ServerAddr: to.Relay}
	}
	in, err := openMailbox(ctx, cfg.Relay, cfg.SMP, smp.Messaging)
	if err != nil {
		return nil, err
	}
	k, id, p, err := call(ctx, to, cfg.SMP, append([]byte{'Q'}, in.addr.String()...))
	if err != nil {
		_ = in.client.Delete(ctx, in.queue) // the relay will expire it otherwise
		_ = in.client.Close()
		return nil, err
	}
	c := newConn(id, k, fromCaller, fromCallee, p, addr{to.Relay.String()})
	c.number = 1
	live, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		in.run(live, func(body []byte) {
			if m, err := parseMessage(body); err == nil && !m.first && m.id == id {
				c.receive(m)
			}
		})
	})
	sending, stop := context.WithCancel(live)
	c.cancel = stop
	wg.Go(func() {
		c.run(sending)
		stop()
	})
	return &dialled{c, func() { cancel(); wg.Wait() }}, nil
}

// dialled is a stream with its own queue.
type dialled struct {
	*conn
	end func()
}

// Close closes the stream and deletes the queue.
func (d *dialled) Close() error {
	err := d.conn.Close()
	d.end()
	return err
}

// Tell says in one message where this device can be called: lines of the
// carrier's own.
func Tell(ctx context.Context, to Address, opts smpclient.Options, lines []byte) error {
	_, _, p, err := call(ctx, to, opts, append([]byte{'L'}, lines...))
	if err != nil {
		return err
	}
	p.close()
	return nil
}

// call sends a first message.
func call(ctx context.Context, to Address, opts smpclient.Options, text []byte) (*box.Key, streamID, *post, error) {
	own := key.GenerateX25519()
	k, err := box.SharedKey(to.Key, own)
	if err != nil {
		return nil, streamID{}, nil, fmt.Errorf("%w: %v", ErrAddress, err)
	}
	body, err := sealFirst(k, own.Public(), text)
	if err != nil {
		return nil, streamID{}, nil, err
	}
	opts.OnMessage = nil
	p := &post{relay: to.Relay, id: to.ID, opts: opts}
	if err := p.send(ctx, body); err != nil {
		p.close()
		if ctx.Err() != nil {
			err = errors.Join(ctx.Err(), err)
		}
		return nil, streamID{}, nil, fmt.Errorf("smproad: calling: %w", err)
	}
	return k, idOf(own.Public()), p, nil
}
