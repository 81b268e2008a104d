package smpload

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
)

// headSize is the part of a body that says what message it is: the worker's
// slot in its lane, and the number of the slot's message.
//
//	slot: 4 bytes, number: 8 bytes, big-endian
const headSize = 12

// sending is the workload Send.
type sending struct {
	l     *Load
	lanes []*lane
}

// lane is a queue with its two parties.
type lane struct {
	rcv    *smpclient.Client
	queue  smpclient.Queue
	secret *box.Key

	send    func(context.Context, smp.SEND) error
	arrived chan smp.MSG // from the reader; one at a time comes before its ACK

	slots []slot
}

// slot is a message under way.
type slot struct {
	body    []byte
	number  atomic.Uint64 // of the message in it
	arrived time.Time
	done    chan error // of the receiver; holds one
}

// openSend connects, makes a queue for each connection, and lets the one
// before it be its sender.
func openSend(ctx context.Context, l *Load) (_ *sending, err error) {
	w := &sending{l: l, lanes: make([]*lane, l.o.Conns)}
	for i := range w.lanes {
		w.lanes[i] = &lane{arrived: make(chan smp.MSG, 4)}
	}
	err = l.connect(ctx, func(conn int) func(smp.EntityID, smp.Message) {
		return func(_ smp.EntityID, m smp.Message) {
			if msg, ok := m.(smp.MSG); ok {
				select {
				case w.lanes[conn].arrived <- msg:
				default: // nobody asked for that many; the operation fails in time
				}
			}
		}
	})
	if err != nil {
		return nil, err
	}
	most := smp.MaxBody(l.clients[0].Version())
	if l.o.Body == 0 {
		l.o.Body = most
	}
	if l.o.Body > most {
		return nil, fmt.Errorf("%w: a body has at most %d bytes", ErrOptions, most)
	}
	if l.o.Via != nil {
		l.proxies = make([]*smpclient.Client, l.o.Conns)
	}
	return w, each(l.o.Conns, func(i int) error { return w.openLane(ctx, i) })
}

func (w *sending) openLane(ctx context.Context, i int) error {
	l, n := w.l, w.lanes[i]
	n.rcv = l.clients[i]
	ids, q, dh, err := l.create(ctx, n.rcv, true)
	if err != nil {
		return err
	}
	n.queue = q
	if n.secret, err = box.SharedKey(ids.DHKey, dh); err != nil {
		return err
	}
	n.slots = make([]slot, l.o.Depth)
	for s := range n.slots {
		n.slots[s].body, n.slots[s].done = make([]byte, l.o.Body), make(chan error, 1)
		binary.BigEndian.PutUint32(n.slots[s].body, uint32(s))
	}
	k := key.GenerateX25519()
	if l.o.Via != nil {
		return w.openProxied(ctx, i, ids.SenderID, k)
	}
	snd := l.clients[(i+l.o.Conns-1)%l.o.Conns]
	n.send = func(ctx context.Context, m smp.SEND) error { return snd.Send(ctx, ids.SenderID, k, m) }
	return snd.SecureSender(ctx, ids.SenderID, k)
}

func (w *sending) openProxied(ctx context.Context, i int, id smp.SenderID, k key.Private) error {
	c, err := smpclient.Dial(ctx, *w.l.o.Via, smpclient.Options{Dialer: w.l.o.Dialer})
	if err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	w.l.proxies[i] = c
	p, err := c.Proxy(ctx, w.l.addr.ServerAddr, nil)
	if err != nil {
		return fmt.Errorf("ask the proxy: %w", err)
	}
	w.lanes[i].send = func(ctx context.Context, m smp.SEND) error { return p.Send(ctx, id, k, m) }
	return p.SecureSender(ctx, id, k)
}

// begin starts the receivers.
func (w *sending) begin() func() {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, n := range w.lanes {
		all.Go(func() { n.receive(ctx) })
	}
	return func() {
		cancel()
		all.Wait()
	}
}

// receive acknowledges what arrives, and tells the slot.
func (n *lane) receive(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-n.arrived:
			at := time.Now()
			s, err := n.slotOf(m)
			if err != nil {
				for i := range n.slots {
					n.slots[i].finish(err)
				}
				return
			}
			s.arrived = at
			s.finish(n.rcv.Ack(ctx, n.queue, m.ID))
		}
	}
}

func (s *slot) finish(err error) {
	select {
	case s.done <- err:
	default: // the operation has failed already
	}
}

// slotOf decrypts a message and checks that it is the one under way.
func (n *lane) slotOf(m smp.MSG) (*slot, error) {
	got, err := smp.OpenMsg(n.secret, m)
	if err != nil {
		return nil, err
	}
	if len(got.Body) < headSize {
		return nil, errors.New("a message came back cut")
	}
	i := binary.BigEndian.Uint32(got.Body)
	if int(i) >= len(n.slots) {
		return nil, errors.New("a message came back changed")
	}
	s := &n.slots[i]
	if len(got.Body) != len(s.body) || binary.BigEndian.Uint64(got.Body[4:]) != s.number.Load() {
		return nil, errors.New("a message came back changed, or out of order")
	}
	return s, nil
}

func (w *sending) op(ctx context.Context, worker int, start time.Time, r *recorder) error {
	n := w.lanes[worker/w.l.o.Depth]
	s := &n.slots[worker%w.l.o.Depth]
	binary.BigEndian.PutUint64(s.body[4:], s.number.Add(1))
	if err := n.send(ctx, smp.SEND{Body: s.body}); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	select {
	case err := <-s.done:
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
	case <-n.rcv.Done():
		return fmt.Errorf("receive: %w", n.rcv.Err())
	case <-ctx.Done():
		return fmt.Errorf("a message did not arrive: %w", ctx.Err())
	}
	r.add(1, s.arrived.Sub(start))
	return nil
}
