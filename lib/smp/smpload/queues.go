package smpload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
)

const (
	deleteBatch = 1000 // queues that are deleted at once
	deleteTries = 4
)

func (l *Load) dial(ctx context.Context, onMessage func(smp.EntityID, smp.Message)) (*smpclient.Client, error) {
	return smpclient.Dial(ctx, l.addr.ServerAddr, smpclient.Options{Dialer: l.o.Dialer, OnMessage: onMessage})
}

// connect opens the load's connections.
func (l *Load) connect(ctx context.Context, onMessage func(conn int) func(smp.EntityID, smp.Message)) error {
	l.clients = make([]*smpclient.Client, l.o.Conns)
	return each(l.o.Conns, func(i int) (err error) {
		var on func(smp.EntityID, smp.Message)
		if onMessage != nil {
			on = onMessage(i)
		}
		l.clients[i], err = l.dial(ctx, on)
		return err
	})
}

// each calls fn for 0 to n-1, several at once, and stops at the first error.
func each(n int, fn func(i int) error) error {
	next := make(chan int)
	errs := make(chan error, opening)
	var all sync.WaitGroup
	for range min(opening, n) {
		all.Go(func() {
			for i := range next {
				if err := fn(i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	err := func() error {
		for i := range n {
			select {
			case next <- i:
			case err := <-errs:
				return err
			}
		}
		return nil
	}()
	close(next)
	all.Wait()
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	return err
}

// create makes a messaging queue and remembers to delete it. It must not be
// cancelled half way: the relay may have made the queue.
func (l *Load) create(ctx context.Context, c *smpclient.Client, subscribe bool) (smp.IDS, smpclient.Queue, *key.X25519Private, error) {
	auth, dh := key.GenerateEd25519(), key.GenerateX25519()
	ids, err := c.Create(context.WithoutCancel(ctx), auth, smp.NEW{
		AuthKey: auth.PublicKey(), DHKey: dh.Public(), BasicAuth: l.addr.BasicAuth, Create: !subscribe,
		Queue: &smp.QueueReq{Mode: smp.Messaging},
	})
	q := smpclient.Queue{ID: ids.RecipientID, Key: auth}
	if err != nil {
		return ids, q, dh, fmt.Errorf("create a queue: %w", err)
	}
	l.mu.Lock()
	l.made = append(l.made, q)
	n := len(l.made)
	l.mu.Unlock()
	if n >= maxCreated {
		err = fmt.Errorf("%w: more than %d queues", ErrOptions, maxCreated)
	}
	return ids, q, dh, err
}

// Close deletes the load's queues and leaves. ctx gives values only: the end
// of a run must not leave queues behind.
func (l *Load) Close(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	l.mu.Lock()
	made := l.made
	l.made = nil
	l.mu.Unlock()
	err := l.deleteAll(ctx, made)
	if cerr := each(len(l.clients), func(i int) error {
		if c := l.clients[i]; c != nil {
			return c.Close()
		}
		return nil
	}); err == nil {
		err = cerr
	}
	l.clients = nil
	for _, c := range l.proxies {
		if c != nil {
			_ = c.Close()
		}
	}
	l.proxies = nil
	return err
}

// deleteAll deletes queues over a connection of the load, or new ones if all
// are lost.
func (l *Load) deleteAll(ctx context.Context, qs []smpclient.Queue) (err error) {
	for try := range deleteTries {
		if len(qs) == 0 {
			return nil
		}
		time.Sleep(time.Duration(try) * time.Second) // the relay may be starting
		qs, err = l.deleteSome(ctx, qs)
	}
	if len(qs) > 0 {
		return fmt.Errorf("smpload: %d queues may be left on the relay: %w", len(qs), err)
	}
	return nil
}

// deleteSome gives the queues that are left.
func (l *Load) deleteSome(ctx context.Context, qs []smpclient.Queue) ([]smpclient.Queue, error) {
	c, fresh, err := l.living(ctx)
	if err != nil {
		return qs, err
	}
	for err == nil && len(qs) > 0 {
		n := min(deleteBatch, len(qs))
		if err = deleteBatchOf(ctx, c, qs[:n]); err == nil {
			qs = qs[n:]
		}
	}
	if fresh {
		_ = c.Close()
	}
	return qs, err
}

func deleteBatchOf(ctx context.Context, c *smpclient.Client, qs []smpclient.Queue) error {
	ctx, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	for _, err := range c.DeleteAll(ctx, qs) {
		// A queue deleted by the try before is gone.
		if err != nil && !errors.Is(err, smp.ErrAuth) {
			return err
		}
	}
	return nil
}

// living is a connection that works; a fresh one is the caller's to close.
func (l *Load) living(ctx context.Context) (c *smpclient.Client, fresh bool, err error) {
	for _, c := range l.clients {
		if c != nil && c.Err() == nil {
			return c, false, nil
		}
	}
	c, err = l.dial(ctx, nil)
	return c, true, err
}
