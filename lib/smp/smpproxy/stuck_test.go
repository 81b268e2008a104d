package smpproxy_test

import (
	"context"
	"sync"

	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/smpserver"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

// stuck is a store whose updates can be made to wait.
type stuck struct {
	queuestore.Store
	mu   sync.Mutex
	wait chan struct{}
}

func (s *stuck) option() smptest.Option {
	return smptest.WithConfig(func(c *smpserver.Config) {
		s.Store = c.Store
		c.Store = s
	})
}

func (s *stuck) block() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait = make(chan struct{})
	return sync.OnceFunc(func() { close(s.wait) })
}

func (s *stuck) Update(ctx context.Context, fn func(queuestore.Tx) error) error {
	s.mu.Lock()
	wait := s.wait
	s.mu.Unlock()
	if wait != nil {
		<-wait
	}
	return s.Store.Update(ctx, fn)
}
