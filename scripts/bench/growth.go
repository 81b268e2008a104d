package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/queuedb"
	"github.com/simplexkit/simplexkit/lib/testworld"
)

// growthRows compare relays whose stores hold few and many queues: the cost of
// work on queues chosen at random over the whole store.
func growthRows() []row {
	floorIs := "the same with 1000 queues"
	return []row{{
		name: "growth_send", round: 6 * time.Second, floorIs: floorIs,
		unit: "us of the server's processor time to subscribe to a queue not used lately and pass a message (SUB, SEND, MSG, ACK), many queues",
		open: func(ctx context.Context, o *options) (*sides, error) { return openGrowth(ctx, o, (*grown).messages) },
	}, {
		name: "growth_subscribe", round: 6 * time.Second, floorIs: floorIs,
		unit: "us of the server's processor time to subscribe to a queue, in batches, many queues",
		open: func(ctx context.Context, o *options) (*sides, error) {
			return openGrowth(ctx, o, (*grown).subscriptions)
		},
	}, {
		name: "growth_start", round: time.Second, floorIs: floorIs,
		unit: "ms from the start of the process to the first answered SEND, many queues",
		open: func(ctx context.Context, o *options) (*sides, error) { return openGrowth(ctx, o, (*grown).restarts) },
	}}
}

func (o *options) many() int {
	switch {
	case o.short:
		return 10_000
	case o.long:
		return 1_000_000
	}
	return 100_000
}

// grown is a relay with n queues that all have the same keys.
type grown struct {
	*relayProcess
	n        int
	path     string // of the store
	rcv, snd *smpclient.Client
	arrived  chan arrival
}

type arrival struct {
	id  smp.EntityID
	msg smp.MsgID
}

// The keys of all queues.
var (
	grownRecipient = key.GenerateEd25519()
	grownSender    = key.GenerateX25519()
)

func openGrowth(ctx context.Context, o *options, run func(*grown, context.Context, time.Duration) (float64, error)) (*sides, error) {
	many, err := grow(ctx, o, o.many())
	if err != nil {
		return nil, err
	}
	few, err := grow(ctx, o, 1000)
	if err != nil {
		return nil, err
	}
	rest, err := rss(many.Pid())
	if err != nil {
		return nil, err
	}
	restFew, err := rss(few.Pid())
	if err != nil {
		return nil, err
	}
	return &sides{
		ours:  func(ctx context.Context, d time.Duration) (float64, error) { return run(many, ctx, d) },
		floor: func(ctx context.Context, d time.Duration) (float64, error) { return run(few, ctx, d) },
		more: func() map[string]float64 {
			return map[string]float64{
				"queues":               float64(many.n),
				"idle_bytes_per_queue": round((rest - restFew) / float64(many.n)),
			}
		},
		close: func() error { return errors.Join(many.close(), few.close()) },
	}, nil
}

// grow makes a relay whose store has queues before it starts.
func grow(ctx context.Context, o *options, n int) (*grown, error) {
	w, err := testworld.NewRelay(ctx, o.bin, o.dir, "G"+strconv.Itoa(int(grownSerial.next()))+"-"+strconv.Itoa(n))
	if err != nil {
		return nil, err
	}
	home := w.Relay.Args[len(w.Relay.Args)-1]
	path := filepath.Join(home, "queues.db")
	if err := fill(ctx, path, n); err != nil {
		return nil, err
	}
	w.Relay.Args = cores("0", w.Relay.Args...)
	addr, err := smp.ParseServerAddr(w.Address)
	if err != nil {
		return nil, err
	}
	g := &grown{relayProcess: &relayProcess{w.Relay, addr}, n: n, path: path, arrived: make(chan arrival, 2048)}
	if err := w.Relay.Start(ctx); err != nil {
		return nil, err
	}
	return g, g.dial(ctx)
}

type serial int

func (s *serial) next() serial { *s++; return *s }

var grownSerial serial

func fill(ctx context.Context, path string, n int) error {
	db, err := queuedb.Open(ctx, path, store.Options{Synchronous: store.Normal})
	if err != nil {
		return err
	}
	for from := 0; from < n && err == nil; from += 5000 {
		err = db.Update(ctx, func(tx queuestore.Tx) error {
			for i := from; i < min(from+5000, n); i++ {
				q := &queuestore.Queue{
					RecipientID: smp.RecipientID(grownID('r', i)), SenderID: smp.SenderID(grownID('s', i)),
					RecipientKeys: []key.Public{grownRecipient.PublicKey()}, SenderKey: grownSender.PublicKey(), Mode: smp.Messaging,
				}
				if err := tx.AddQueue(q, smp.LinkData{}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return errors.Join(err, db.Close())
}

// grownID is as long and as scattered as a relay's own.
func grownID(kind byte, i int) string {
	src := rand.New(rand.NewPCG(uint64(kind), uint64(i)))
	b := make([]byte, 24)
	for j := range b {
		b[j] = byte(src.Uint32())
	}
	return string(b)
}

func (g *grown) dial(ctx context.Context) (err error) {
	g.rcv, err = smpclient.Dial(ctx, g.addr, smpclient.Options{OnMessage: func(id smp.EntityID, m smp.Message) {
		if msg, ok := m.(smp.MSG); ok {
			g.arrived <- arrival{id, msg.ID}
		}
	}})
	if err == nil {
		g.snd, err = smpclient.Dial(ctx, g.addr, smpclient.Options{})
	}
	return err
}

func (g *grown) close() error {
	_ = g.rcv.Close()
	_ = g.snd.Close()
	return g.Stop(10 * time.Second)
}

func (g *grown) queue(i int) smpclient.Queue {
	return smpclient.Queue{ID: smp.RecipientID(grownID('r', i)), Key: grownRecipient}
}

// messages passes one message after another.
func (g *grown) messages(ctx context.Context, d time.Duration) (float64, error) {
	cpu, _, err := perCPUSecond(g.Pid(), d, 1, func(int) error { return g.message(ctx, rand.IntN(g.n)) })
	return 1e6 / cpu, err
}

func (g *grown) message(ctx context.Context, i int) error {
	q := g.queue(i)
	if err := errors.Join(g.rcv.Subscribe(ctx, []smpclient.Queue{q})...); err != nil {
		return err
	}
	if err := g.snd.Send(ctx, smp.SenderID(grownID('s', i)), grownSender, smp.SEND{Body: make([]byte, 1000)}); err != nil {
		return err
	}
	select {
	case a := <-g.arrived:
		if a.id != smp.EntityID(q.ID) {
			return errors.New("a message of another queue arrived")
		}
		return g.rcv.Ack(ctx, q, a.msg)
	case <-time.After(30 * time.Second):
		return errors.New("a message did not arrive")
	}
}

// subscriptions subscribes to batches of queues.
func (g *grown) subscriptions(ctx context.Context, d time.Duration) (float64, error) {
	const batch = 500
	cpu, _, err := perCPUSecond(g.Pid(), d, 1, func(int) error {
		qs := make([]smpclient.Queue, batch)
		for i := range qs {
			qs[i] = g.queue(rand.IntN(g.n))
		}
		return errors.Join(g.rcv.Subscribe(ctx, qs)...)
	})
	return 1e6 / cpu / batch, err
}

// restarts kills the relay and starts it again.
func (g *grown) restarts(ctx context.Context, _ time.Duration) (float64, error) {
	_ = g.rcv.Close()
	_ = g.snd.Close()
	if err := g.Kill(); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := g.Start(ctx); err != nil {
		return 0, err
	}
	if err := g.dial(ctx); err != nil {
		return 0, err
	}
	id := smp.SenderID(grownID('s', rand.IntN(g.n)))
	if err := g.snd.Send(ctx, id, grownSender, smp.SEND{Body: make([]byte, 1000)}); err != nil {
		return 0, fmt.Errorf("first SEND: %w", err)
	}
	return float64(time.Since(start).Microseconds()) / 1000, nil
}
