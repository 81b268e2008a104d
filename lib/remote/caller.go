package remote

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/carrier"
)

// callListener makes connections instead of waiting for them: to a host that
// listens, one at a time, until it is closed.
type callListener struct {
	to           []string
	log          *slog.Logger
	announcement func() ([]byte, error)

	mu     sync.Mutex
	tries  int           // guarded by mu
	busy   chan struct{} // guarded by mu; closed when the last connection is; nil without
	ctx    context.Context
	cancel context.CancelFunc
}

func newCallListener(to []string, log *slog.Logger) *callListener {
	c := &callListener{to: to, log: log}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// roadCalled is the road of a controller that calls the host; see [WriteCall].
const roadCalled carrier.Name = "called"

// Times between two calls.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// Accept calls until somebody answers.
func (c *callListener) Accept() (net.Conn, error) {
	for {
		c.mu.Lock()
		pause, busy := time.Duration(0), c.busy
		if c.tries > 0 {
			pause = min(lastPause, firstPause<<min(c.tries-1, 10))
		}
		to := c.to[c.tries%len(c.to)]
		c.tries++
		c.mu.Unlock()
		if busy != nil {
			select {
			case <-busy:
			case <-c.ctx.Done():
				return nil, net.ErrClosed
			}
		}
		select {
		case <-time.After(pause):
		case <-c.ctx.Done():
			return nil, net.ErrClosed
		}
		conn, err := c.dial(to)
		if err == nil {
			return conn, nil
		}
		if c.ctx.Err() != nil {
			return nil, net.ErrClosed
		}
		c.log.Debug("remote: calling a host", "err", err)
	}
}

func (c *callListener) dial(to string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(c.ctx, callTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
	if err != nil {
		return nil, err
	}
	packet, err := c.announcement()
	if err == nil {
		err = conn.SetWriteDeadline(time.Now().Add(callTimeout))
	}
	if err == nil {
		err = WriteCall(conn, packet)
	}
	if err == nil {
		err = conn.SetWriteDeadline(time.Time{})
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	busy := make(chan struct{})
	c.mu.Lock()
	c.busy = busy
	c.mu.Unlock()
	return &calledConn{Conn: conn, closed: busy}, nil
}

// Close ends Accept; what was accepted stays.
func (c *callListener) Close() error {
	c.cancel()
	return nil
}

// Addr is the first address that is called.
func (c *callListener) Addr() net.Addr { return callAddr(strings.Join(c.to, ",")) }

type callAddr string

// Network is "tcp".
func (callAddr) Network() string { return "tcp" }

// String is host:port.
func (a callAddr) String() string { return string(a) }

// calledConn tells when it is closed.
type calledConn struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

// Close closes.
func (c *calledConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
