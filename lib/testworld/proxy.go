package testworld

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Proxy stands on 127.0.0.1 between clients and a server and does harm to
// their connections: it delays bytes, cuts, lets connections go half-open, and
// refuses them. It is for real sockets what [Network] is for simulated ones.
type Proxy struct {
	l      net.Listener
	target string
	ctx    context.Context
	cancel context.CancelFunc
	all    sync.WaitGroup

	mu    sync.Mutex // guards what follows
	delay time.Duration
	down  bool
	pairs map[*proxied]struct{}
}

// proxied is one connection through a proxy.
type proxied struct {
	client, server net.Conn
	lost           chan struct{} // closed when bytes vanish from now on
	once           sync.Once
}

// NewProxy listens and forwards to the TCP address target until Close.
func NewProxy(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("testworld: proxy: %w", err)
	}
	p := &Proxy{l: l, target: target, pairs: map[*proxied]struct{}{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.all.Go(p.accept)
	return p, nil
}

// Addr is where clients connect to.
func (p *Proxy) Addr() string { return p.l.Addr().String() }

// SetDelay delays what comes from now on, each way.
func (p *Proxy) SetDelay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// SetDown refuses new connections, or no longer.
func (p *Proxy) SetDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// Cut closes every connection on both sides; bytes under way are lost.
func (p *Proxy) Cut() {
	for _, k := range p.connections() {
		k.close()
	}
}

// HalfOpen lets the bytes of every connection vanish from now on. Neither side
// is told.
func (p *Proxy) HalfOpen() {
	for _, k := range p.connections() {
		k.once.Do(func() { close(k.lost) })
	}
}

func (p *Proxy) connections() []*proxied {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*proxied
	for k := range p.pairs {
		out = append(out, k)
	}
	return out
}

// Close closes everything and waits for it.
func (p *Proxy) Close() error {
	p.cancel()
	err := p.l.Close()
	p.Cut()
	p.all.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		down := p.down
		p.mu.Unlock()
		if down || p.ctx.Err() != nil {
			c.Close()
			continue
		}
		p.all.Go(func() { p.forward(c) })
	}
}

func (p *Proxy) forward(c net.Conn) {
	s, err := new(net.Dialer).DialContext(p.ctx, "tcp", p.target)
	if err != nil {
		c.Close()
		return
	}
	k := &proxied{client: c, server: s, lost: make(chan struct{})}
	p.mu.Lock()
	p.pairs[k] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.pairs, k)
		p.mu.Unlock()
	}()
	if p.ctx.Err() != nil {
		k.close()
	}
	var both sync.WaitGroup
	both.Go(func() { p.carry(k, s, c) })
	both.Go(func() { p.carry(k, c, s) })
	both.Wait()
}

func (k *proxied) close() {
	k.client.Close()
	k.server.Close()
}

// carry copies one direction until either side has closed. When half-open it
// goes on reading, and says nothing of the end either.
func (p *Proxy) carry(k *proxied, to, from net.Conn) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		p.mu.Lock()
		delay := p.delay
		p.mu.Unlock()
		if delay > 0 {
			select {
			case <-time.After(delay):
			case <-p.ctx.Done():
			}
		}
		lost := false
		select {
		case <-k.lost:
			lost = true
		default:
		}
		if n > 0 && !lost {
			if _, werr := to.Write(b[:n]); werr != nil {
				err = errors.Join(err, werr)
			}
		}
		if err == nil {
			continue
		}
		if lost && errors.Is(err, io.EOF) {
			from.Close() // the other side learns nothing
			return
		}
		k.close()
		return
	}
}
