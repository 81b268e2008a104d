package relayhome

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"

	"github.com/simplexkit/simplexkit/lib/exit"
)

// ListenAll listens on addresses with commas between. The errors are
// [exit.OSErr].
func ListenAll(ctx context.Context, addrs string) (net.Listener, error) {
	ls, err := ListenEach(ctx, addrs)
	if err != nil {
		return nil, err
	}
	return Join(ls...), nil
}

// ListenEach is ListenAll with a listener for each address, at least one.
func ListenEach(ctx context.Context, addrs string) ([]net.Listener, error) {
	var ls []net.Listener
	for _, addr := range splitList(addrs) {
		l, err := listen(ctx, addr)
		if err != nil {
			for _, l := range ls {
				_ = l.Close()
			}
			return nil, err
		}
		ls = append(ls, l)
	}
	if len(ls) == 0 {
		return nil, exit.Errorf(exit.Config, "relay: no address to listen on")
	}
	return ls, nil
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, exit.Errorf(exit.OSErr, "relay: listen on %s: another program uses this port", addr).
			WithHint("stop it, or listen elsewhere with --listen HOST:PORT")
	case errors.Is(err, syscall.EACCES):
		return nil, exit.Errorf(exit.OSErr, "relay: listen on %s: ports below 1024 are not for everybody", addr).
			WithHint("let systemd open it: relayctl smp config print-socket")
	case err != nil:
		return nil, exit.Errorf(exit.OSErr, "relay: %w", err)
	}
	return l, nil
}

// Join makes one listener of several. The first one's address is its own.
func Join(ls ...net.Listener) net.Listener {
	if len(ls) == 1 {
		return ls[0]
	}
	return &joined{ls: ls, socks: make(chan accepted), done: make(chan struct{})}
}

type accepted struct {
	c   net.Conn
	err error
}

// joined accepts on several listeners, with a goroutine for each from the
// first Accept until Close, which waits for them.
type joined struct {
	ls    []net.Listener
	socks chan accepted
	done  chan struct{} // closed by Close

	once, end sync.Once
	tasks     sync.WaitGroup
}

func (j *joined) Accept() (net.Conn, error) {
	j.once.Do(func() {
		for _, l := range j.ls {
			j.tasks.Go(func() { j.accept(l) })
		}
	})
	select {
	case a := <-j.socks:
		return a.c, a.err
	case <-j.done:
		return nil, net.ErrClosed
	}
}

func (j *joined) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		select {
		case j.socks <- accepted{c, err}:
		case <-j.done:
			if err == nil {
				_ = c.Close()
			}
			return
		}
	}
}

func (j *joined) Close() error {
	var err error
	j.end.Do(func() {
		close(j.done)
		j.once.Do(func() {}) // no Accept starts any more
		for _, l := range j.ls {
			err = errors.Join(err, l.Close())
		}
		j.tasks.Wait()
	})
	return err
}

func (j *joined) Addr() net.Addr { return j.ls[0].Addr() }
