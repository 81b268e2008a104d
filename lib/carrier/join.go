package carrier

import (
	"net"
	"sync"
)

// Listener is one road that callers come by.
type Listener struct {
	net.Listener
	Road Name // of streams that do not say themselves which road they came by
}

// Joined is several listeners as one. Its Accept gives streams of type *[Conn].
type Joined struct {
	all    []Listener
	conns  chan *Conn
	errs   chan error
	closed chan struct{}
	wg     sync.WaitGroup
	start  sync.Once
	close  sync.Once
}

// Join makes one listener of several. The first is the one that Addr is of.
// Nothing runs before the first Accept.
func Join(all ...Listener) *Joined {
	return &Joined{
		all: all, conns: make(chan *Conn), errs: make(chan error, len(all)), closed: make(chan struct{}),
	}
}

// Accept waits for a stream by any of the roads. A road that fails is given up;
// the error is that of the last one, or net.ErrClosed.
func (j *Joined) Accept() (net.Conn, error) {
	j.start.Do(func() {
		for _, l := range j.all {
			j.wg.Go(func() { j.accept(l) })
		}
		go func() {
			j.wg.Wait()
			close(j.conns)
		}()
	})
	if c, ok := <-j.conns; ok {
		return c, nil
	}
	select {
	case <-j.closed:
		return nil, net.ErrClosed
	case err := <-j.errs:
		return nil, err
	default:
		return nil, net.ErrClosed
	}
}

func (j *Joined) accept(l Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			j.errs <- err
			return
		}
		road, ok := c.(*Conn)
		if !ok {
			road = &Conn{c, l.Road}
		}
		select {
		case j.conns <- road:
		case <-j.closed:
			_ = road.Close()
		}
	}
}

// Addr is the first listener's.
func (j *Joined) Addr() net.Addr { return j.all[0].Addr() }

// Close closes all listeners and waits for them.
func (j *Joined) Close() error {
	j.close.Do(func() {
		close(j.closed)
		for _, l := range j.all {
			_ = l.Close()
		}
	})
	j.start.Do(func() { close(j.conns) })
	j.wg.Wait()
	return nil
}
