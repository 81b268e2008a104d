package agent_test

import (
	"context"
	"sync"
	"testing"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/agent/agenttest"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

// meeting makes the end of an event's handling and the second delivery of its
// message meet: the relay is dialled when the event is about to be deleted,
// and the event is deleted when the message was found to have an event.
type meeting struct {
	deleting, looked chan struct{}
	first, again     sync.Once
}

type meetingStore struct {
	agent.Store
	*meeting
}

type meetingTx struct {
	agent.Tx
	*meeting
}

func (s meetingStore) Update(ctx context.Context, fn func(agent.Tx) error) error {
	return s.Store.Update(ctx, func(tx agent.Tx) error { return fn(meetingTx{tx, s.meeting}) })
}

func (s meetingStore) View(ctx context.Context, fn func(agent.Tx) error) error {
	return s.Store.View(ctx, func(tx agent.Tx) error { return fn(meetingTx{tx, s.meeting}) })
}

func (t meetingTx) DeleteEvent(row int64) error {
	t.first.Do(func() {
		close(t.deleting)
		<-t.looked
	})
	return t.Tx.DeleteEvent(row)
}

func (t meetingTx) EventPending(conn agent.ConnID, row int64, id smp.MsgID) (bool, error) {
	defer t.again.Do(func() { close(t.looked) })
	return t.Tx.EventPending(conn, row, id)
}

// A message that comes again while its event is being handled is acknowledged
// in the new session, so that the next one comes.
func TestMessageAgainDuringEvent(t *testing.T) {
	p := connected(t, smptest.Start(t))
	handling := make(chan struct{})
	p.alice.Client.Handle = func(ctx context.Context, _ agent.ConnID, ev agent.Event) error {
		if _, ok := ev.(agent.Message); ok {
			close(handling)
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	if _, err := p.bob.Send(t.Context(), p.toAlice, agent.Outgoing{Body: []byte("b0")}); err != nil {
		t.Fatal(err)
	}
	<-handling
	p.alice.Stop()
	p.alice.Client.Handle = nil
	m := &meeting{deleting: make(chan struct{}), looked: make(chan struct{})}
	p.alice.Configure(func(c *agent.Config) {
		c.Store = meetingStore{c.Store, m}
		dial := c.Dial
		c.Dial = func(ctx context.Context, to agent.Target, on func(smp.RecipientID, smp.Message)) (agent.Relay, error) {
			select {
			case <-m.deleting:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			return dial(ctx, to, on)
		}
	})
	p.alice.Restart()
	if _, err := p.bob.Send(t.Context(), p.toAlice, agent.Outgoing{Body: []byte("b1")}); err != nil {
		t.Fatal(err)
	}
	agenttest.Wait[agent.Message](t, p.alice.Client, p.toBob, 2)
}
