package smproad

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
)

// Times between tries, after a connection to the relay was lost or while a
// queue is full.
const (
	firstPause = 200 * time.Millisecond
	maxPause   = 5 * time.Second
	// pingInterval finds out soon that a relay is gone.
	pingInterval = 20 * time.Second
)

// pause waits longer each time; false if ctx has ended.
func pause(ctx context.Context, d *time.Duration) bool {
	*d = min(max(firstPause, 2**d), maxPause)
	t := time.NewTimer(*d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// mailbox is a queue of ours.
type mailbox struct {
	relay smp.AuthServer
	opts  smpclient.Options
	queue smpclient.Queue
	key   *box.Key // of the relay's encryption
	own   *key.X25519Private
	addr  Address

	// Owned by run, once it runs.
	client  *smpclient.Client
	arrived chan smp.MSG
}

// openMailbox makes the queue.
func openMailbox(ctx context.Context, relay smp.AuthServer, opts smpclient.Options, mode smp.QueueMode) (*mailbox, error) {
	m := &mailbox{relay: relay, opts: opts, own: key.GenerateX25519()}
	if err := m.connect(ctx); err != nil {
		return nil, err
	}
	auth, dh := key.GenerateEd25519(), key.GenerateX25519()
	ids, err := m.client.Create(ctx, auth, smp.NEW{
		AuthKey: auth.Public(), DHKey: dh.Public(), BasicAuth: relay.BasicAuth, Queue: &smp.QueueReq{Mode: mode},
	})
	if err == nil {
		m.key, err = box.SharedKey(ids.DHKey, dh)
	}
	if err != nil {
		_ = m.client.Close()
		return nil, fmt.Errorf("smproad: making a queue: %w", err)
	}
	m.queue = smpclient.Queue{ID: ids.RecipientID, Key: auth}
	m.addr = Address{Relay: relay.ServerAddr, ID: ids.SenderID, Key: m.own.Public()}
	return m, nil
}

func (m *mailbox) connect(ctx context.Context) (err error) {
	arrived := make(chan smp.MSG, 8) // the relay waits for an ACK after each
	opts := m.opts
	opts.PingInterval = cmp.Or(opts.PingInterval, pingInterval)
	opts.OnMessage = func(_ smp.EntityID, msg smp.Message) {
		if msg, ok := msg.(smp.MSG); ok {
			select {
			case arrived <- msg:
			default: // a relay that does not wait
			}
		}
	}
	c, err := smpclient.Dial(ctx, m.relay.ServerAddr, opts)
	if err != nil {
		return fmt.Errorf("smproad: %w", err)
	}
	m.client, m.arrived = c, arrived
	return nil
}

// run gives the messages to handle until ctx ends, through lost connections,
// and then deletes the queue.
func (m *mailbox) run(ctx context.Context, handle func(body []byte)) {
	var wait time.Duration
	for {
		m.receive(ctx, handle, &wait)
		if ctx.Err() != nil {
			break
		}
		_ = m.client.Close()
		for {
			if !pause(ctx, &wait) {
				return
			}
			if err := m.connect(ctx); err != nil {
				continue
			}
			if err := errors.Join(m.client.Subscribe(ctx, []smpclient.Queue{m.queue})...); err == nil {
				break
			}
			_ = m.client.Close()
		}
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxPause)
	defer cancel()
	_ = m.client.Delete(end, m.queue) // the relay will expire it otherwise
	_ = m.client.Close()
}

func (m *mailbox) receive(ctx context.Context, handle func([]byte), wait *time.Duration) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.client.Done():
			return
		case msg := <-m.arrived:
			if b, err := smp.OpenMsg(m.key, msg); err == nil && !b.Quota {
				handle(b.Body)
			}
			if err := m.client.Ack(ctx, m.queue, msg.ID); err != nil {
				if ctx.Err() == nil {
					_ = m.client.Close()
				}
				return
			}
			*wait = 0
		}
	}
}

// post sends to a queue of somebody else. Not for concurrent use.
type post struct {
	relay  smp.ServerAddr
	id     smp.SenderID
	opts   smpclient.Options
	client *smpclient.Client
}

// send tries until the relay has the message, or will never have it, or ctx
// ends.
func (p *post) send(ctx context.Context, body []byte) error {
	var wait time.Duration
	for {
		err := p.once(ctx, body)
		var refused *smp.Error
		if err == nil || ctx.Err() != nil || errors.As(err, &refused) && !errors.Is(err, smp.ErrQuota) {
			return err
		}
		if refused == nil {
			p.close()
		}
		if !pause(ctx, &wait) {
			return err
		}
	}
}

func (p *post) once(ctx context.Context, body []byte) (err error) {
	if p.client == nil {
		if p.client, err = smpclient.Dial(ctx, p.relay, p.opts); err != nil {
			p.client = nil
			return fmt.Errorf("smproad: %w", err)
		}
	}
	return p.client.Send(ctx, p.id, nil, smp.SEND{Body: body})
}

func (p *post) close() {
	if p.client != nil {
		_ = p.client.Close()
		p.client = nil
	}
}
