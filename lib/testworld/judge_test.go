package testworld

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/chat"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/agentdb"
)

// judged is a person's chat core between whom and the agent a judge stands.
// A message that cannot be decrypted, or that came with a gap, means that one
// side used a message key twice or lost a state of its ratchet (I4).
type judged struct {
	*chat.Core
	p *person
}

func (j judged) HandleEvent(ctx context.Context, id agent.ConnID, ev agent.Event) error {
	j.judge(ev)
	return j.Core.HandleEvent(ctx, id, ev)
}

func (j judged) StoreEvent(ctx context.Context, id agent.ConnID, ev agent.Event) (agent.Stored, error) {
	j.judge(ev)
	return j.Core.StoreEvent(ctx, id, ev)
}

func (j judged) judge(ev agent.Event) {
	switch ev := ev.(type) {
	case agent.Message:
		if ev.Integrity.Verdict != agent.IntegrityOK {
			j.p.w.t.Errorf("%s: I4: message %d: %+v", j.p.name, ev.ID, ev.Integrity)
		}
	case agent.ConnError:
		j.p.w.t.Errorf("%s: I4: %v", j.p.name, ev.Err)
	case agent.RatchetSync:
		j.p.w.t.Errorf("%s: I4: ratchet %s: %v", j.p.name, ev.State, ev.Err)
	}
}

// ackJudge is a session that looks, before each ACK, for the message in what
// is on disk (I3).
type ackJudge struct {
	agent.Relay
	p  *person
	db *agentdb.DB
}

func (j ackJudge) Ack(ctx context.Context, q agent.QueueAuth, id smp.MsgID) error {
	written := false
	err := j.db.View(context.Background(), func(tx agent.Tx) error {
		all, err := tx.AllRcvQueues()
		for _, have := range all {
			written = written || have.RcvID == q.ID && have.LastBroker == id
		}
		return err
	})
	if err != nil && !errors.Is(err, store.ErrClosed) || err == nil && !written {
		j.p.w.t.Errorf("%s: I3: ACK of a message that is not on disk (%v)", j.p.name, err)
	}
	return j.Relay.Ack(ctx, q, id)
}

// badDisk makes a database's commits fail, some of them, while it is on.
type badDisk struct {
	mu   sync.Mutex // guards what follows
	rand *rand.Rand
	err  error // nil: off
	fell int   // how often
}

func (d *badDisk) set(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// fault is store.Options.TestOnlyFault.
func (d *badDisk) fault(at store.FaultPoint) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil || at == store.FaultCommitted || d.rand.IntN(3) > 0 {
		return nil
	}
	d.fell++
	return d.err
}

// diskTrouble is a while with a disk that is full or gives errors.
func (w *simWorld) diskTrouble(p *person, pause func(time.Duration)) {
	err := []error{syscall.ENOSPC, syscall.EIO}[w.rand.IntN(2)]
	w.history.Fault(p.name + "'s disk: " + err.Error())
	p.disk.set(err)
	pause(time.Minute)
	p.disk.set(nil)
}

// intrude tries what only a queue's owner may do, with a key of its own; the
// relay must refuse all of it (I5).
func (w *simWorld) intrude() {
	w.history.Fault("intruder")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var queues []*agent.RcvQueue
	for _, p := range w.people {
		p.mu.Lock()
		db := p.db
		p.mu.Unlock()
		err := agentdb.New(db).View(ctx, func(tx agent.Tx) error {
			have, err := tx.AllRcvQueues()
			queues = append(queues, have...)
			return err
		})
		if err != nil && !errors.Is(err, store.ErrClosed) {
			w.t.Error(err)
		}
	}
	addr, err := smp.ParseServerAddr(w.address)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := smpclient.Dial(ctx, addr, w.client)
	if err != nil {
		return // the network is worse than the intruder
	}
	defer func() { _ = c.Close() }()
	own := key.GenerateEd25519()
	for _, q := range queues {
		theirs := smpclient.Queue{ID: q.RcvID, Key: own}
		for what, err := range map[string]error{
			"SUB": c.Subscribe(ctx, []smpclient.Queue{theirs})[0], "ACK": c.Ack(ctx, theirs, q.LastBroker),
			"KEY": c.Secure(ctx, theirs, own.Public()), "OFF": c.Suspend(ctx, theirs), "DEL": c.Delete(ctx, theirs),
			"SEND": c.Send(ctx, q.SndID, own, smp.SEND{Body: []byte("intruder")}),
		} {
			if err == nil {
				w.t.Errorf("I5: %s with a wrong key was obeyed", what)
			}
		}
	}
}
