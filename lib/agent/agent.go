package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent/relays"
	"github.com/simplexkit/simplexkit/lib/agent/work"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/link"
)

// Agent holds the connections of one profile.
type Agent struct {
	cfg     Config
	log     *slog.Logger
	presets []smp.ServerAddr // whose short links are shortened

	ctx     context.Context // set by Run, as the next, before anything that uses it
	handler Handler
	running chan struct{}
	workers work.Group
	relays  *relays.Pool
	locks   work.Locks

	// outboxed has the ConnID of every connection whose handler failed to
	// store an event in our transaction: until its outbox is empty again,
	// events go there.
	outboxed sync.Map

	// fetched has the smp.MsgID of the last message that was asked for, by its
	// queue's smp.RecipientID.
	fetched sync.Map

	// waiting has the smp.MSG that came on a new queue while the old one is
	// not empty yet, by the queue's row. It is not acknowledged.
	waiting sync.Map

	mu    sync.Mutex // guards what follows
	inbox map[ConnID][]delivery
	phase *phase // the one that runs, or the last; nil before Run
}

var _ API = (*Agent)(nil)

// New makes an agent. It starts nothing; the error is a bad relay address or
// [Network].
func New(cfg Config) (*Agent, error) {
	cfg = cfg.withDefaults()
	servers, err := cfg.parseServers()
	if err != nil {
		return nil, err
	}
	if err := cfg.Network.Check(); err != nil {
		return nil, err
	}
	a := &Agent{
		cfg: cfg, log: cfg.Log, presets: link.Presets(), running: make(chan struct{}), inbox: make(map[ConnID][]delivery),
	}
	a.relays = relays.New(relays.Config{
		Dial: cfg.Dial, Network: cfg.Network, Servers: servers, Events: sessionEvents{a}, Log: cfg.Log,
		Timing: relays.Timing{
			RetryMin: cfg.Timing.RetryMin, RetryMax: cfg.Timing.RetryMax, Connect: cfg.Timing.Connect, Next: nextDelay,
		},
	})
	return a, nil
}

// Run connects to the relays, goes on with everything that the store says is
// to be done and hands events to h, until ctx ends; then it closes all
// sessions, waits for all calls of h and returns nil. It is called once. The
// error is of reading the store at the start.
//
// Methods of the API that need the network wait for Run to begin.
func (a *Agent) Run(ctx context.Context, h Handler) error {
	a.handler, a.ctx = h, ctx
	return a.run(ctx)
}

// resume starts everything that an earlier run left.
func (a *Agent) resume(ctx context.Context) error {
	var queues []*RcvQueue
	var events, commands []ConnID
	var deliveries map[int64]ConnID
	var users map[ConnID]UserID
	err := a.cfg.Store.View(ctx, func(tx Tx) (err error) {
		if queues, err = tx.AllRcvQueues(); err != nil {
			return err
		}
		if users, err = tx.Users(); err != nil {
			return err
		}
		if events, err = tx.EventConns(); err != nil {
			return err
		}
		if commands, err = tx.CommandConns(); err != nil {
			return err
		}
		deliveries, err = tx.DeliveryQueues()
		return err
	})
	if err != nil {
		return err
	}
	for _, c := range events {
		a.kickEvents(c)
	}
	for _, q := range queues {
		if q.Status != QueueDeleting && !a.cfg.Passive {
			a.subscribe(&Conn{ID: q.Conn, User: users[q.Conn]}, q, nil)
		}
	}
	for _, c := range commands {
		a.kickCommands(c)
	}
	for q, c := range deliveries {
		a.kickDelivery(c, q)
	}
	return nil
}

// expire forgets old messages once a day.
func (a *Agent) expire(ctx context.Context) (work.Pause, bool) {
	before := a.cfg.Now().Add(-a.cfg.Timing.KeepFor)
	if err := a.cfg.Store.Update(ctx, func(tx Tx) error { return tx.Expire(before) }); err != nil {
		a.log.Warn("cannot expire messages", "err", err)
	}
	return work.Pause{After: 24 * time.Hour}, true
}

// waitRunning waits for Run to begin.
func (a *Agent) waitRunning(ctx context.Context) error {
	select {
	case <-a.running:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrClosed, ctx.Err())
	}
}

// turn is one change of a connection, made under its lock: what it finds, and
// what is to be written and done.
type turn struct {
	a   *Agent
	ctx context.Context
	*Conn
	rcv     []*RcvQueue
	snd     []*SndQueue
	writes  []func(Tx) error
	ratchet *ratchet.State // the last one that the turn made, nil before
	spent   []ratchetState // all that the turn had, to be overwritten at its end
	after   []func()       // after the commit, without the lock
}

// change loads the connection, calls fn, and commits what fn asked for in one
// transaction. If fn or the commit fails, nothing has changed.
func (a *Agent) change(ctx context.Context, id ConnID, fn func(*turn) error) error {
	unlock, err := a.locks.Lock(ctx, string(id))
	if err != nil {
		return err
	}
	t := &turn{a: a, ctx: ctx}
	defer t.forget()
	err = func() error {
		defer unlock()
		if err := t.load(id); err != nil {
			return err
		}
		before := *t.Conn
		if err := fn(t); err != nil {
			return err
		}
		return t.commit(before)
	}()
	if err != nil {
		return err
	}
	for _, f := range t.after {
		f()
	}
	return nil
}

func (t *turn) load(id ConnID) error {
	return t.a.cfg.Store.View(t.ctx, func(tx Tx) (err error) {
		if t.Conn, err = tx.Conn(id); err != nil {
			return err
		}
		if t.rcv, err = tx.RcvQueues(id); err != nil {
			return err
		}
		t.snd, err = tx.SndQueues(id)
		return err
	})
}

func (t *turn) commit(before Conn) error {
	if len(t.writes) == 0 && sameConn(before, *t.Conn) {
		return nil
	}
	return t.a.cfg.Store.Update(t.ctx, func(tx Tx) error {
		if err := t.saveConn(tx, &before); err != nil {
			return err
		}
		for i := 0; i < len(t.writes); i++ { // a write may ask for more
			if err := t.writes[i](tx); err != nil {
				return err
			}
		}
		return t.saveConn(tx, &before)
	})
}

// saveConn writes the connection's row if it differs from what is there.
func (t *turn) saveConn(tx Tx, is *Conn) error {
	if sameConn(*is, *t.Conn) {
		return nil
	}
	*is = *t.Conn
	return tx.UpdateConn(t.Conn)
}

func sameConn(a, b Conn) bool {
	if string(a.SndHash) != string(b.SndHash) || string(a.RcvHash) != string(b.RcvHash) {
		return false
	}
	a.SndHash, a.RcvHash, b.SndHash, b.RcvHash = nil, nil, nil, nil
	return a.equal(b)
}

func (c Conn) equal(o Conn) bool {
	return c.ID == o.ID && c.Role == o.Role && c.Phase == o.Phase && c.Version == o.Version && c.PQ == o.PQ &&
		c.Encrypted == o.Encrypted && c.LastMsgID == o.LastMsgID && c.SndID == o.SndID && c.RcvID == o.RcvID && c.Sync == o.Sync
}

func (t *turn) write(w func(Tx) error) { t.writes = append(t.writes, w) }

func (t *turn) then(f func()) { t.after = append(t.after, f) }

// put writes a receiving queue that was changed or made.
func (t *turn) put(q *RcvQueue) { t.write(func(tx Tx) error { return tx.PutRcvQueue(q) }) }

// putSnd writes a sending queue that was changed or made.
func (t *turn) putSnd(q *SndQueue) { t.write(func(tx Tx) error { return tx.PutSndQueue(q) }) }

// command adds a network step.
func (t *turn) command(kind CommandKind, queue int64, data []byte) {
	c := &StoredCommand{Conn: t.ID, Kind: kind, Queue: queue, Data: data, CreatedAt: t.a.cfg.Now()}
	t.write(func(tx Tx) error { return tx.AddCommand(c) })
	t.then(func() { t.a.kickCommands(c.Conn) })
}

// done ends a network step.
func (t *turn) done(c *StoredCommand) { t.write(func(tx Tx) error { return tx.DeleteCommand(c.Row) }) }

func (t *turn) rcvQueue(row int64) *RcvQueue {
	for _, q := range t.rcv {
		if q.Row == row {
			return q
		}
	}
	return nil
}

func (t *turn) sndQueue(row int64) *SndQueue {
	for _, q := range t.snd {
		if q.Row == row {
			return q
		}
	}
	return nil
}

// primarySnd is the queue that messages go to, nil before there is one.
func (t *turn) primarySnd() *SndQueue {
	for _, q := range t.snd {
		if q.Primary {
			return q
		}
	}
	if len(t.snd) > 0 {
		return t.snd[0]
	}
	return nil
}

func (t *turn) primaryRcv() *RcvQueue {
	for _, q := range t.rcv {
		if q.Primary {
			return q
		}
	}
	if len(t.rcv) > 0 {
		return t.rcv[0]
	}
	return nil
}

func (a *Agent) kickEvents(id ConnID)   { a.workers.Kick("event "+string(id), a.dispatcher(id)) }
func (a *Agent) kickCommands(id ConnID) { a.workers.Kick("command "+string(id), a.commander(id)) }
func (a *Agent) kickDelivery(id ConnID, queue int64) {
	a.workers.Kick("send "+strconv.FormatInt(queue, 10), a.deliverer(id, queue))
}

func notFound(err error) bool { return errors.Is(err, ErrNotFound) }
