package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/testworld"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// bodySize is that of a SEND which fills its block, as agents' do.
const bodySize = 16_000

func relayRows() []row {
	var out []row
	for _, workers := range []int{1, 64} {
		out = append(out, row{
			name: "relay_send_msg_ack_" + strconv.Itoa(workers), round: 6 * time.Second,
			unit:    "round trips per second of the server's processor time, SEND to OK to ACK; durable",
			floorIs: "a bare TLS echo of the same blocks (2 in, 3 out)",
			open:    func(ctx context.Context, o *options) (*sides, error) { return openRelayRow(ctx, o, workers) },
		})
	}
	return out
}

// relayProcess is a fresh relay on core 0.
type relayProcess struct {
	*testworld.Process
	addr smp.ServerAddr
}

func startRelay(ctx context.Context, o *options, name string) (*relayProcess, error) {
	w, err := testworld.NewRelay(ctx, o.bin, o.dir, name)
	if err != nil {
		return nil, err
	}
	w.Relay.Args = cores("0", w.Relay.Args...)
	addr, err := smp.ParseServerAddr(w.Address)
	if err != nil {
		return nil, err
	}
	return &relayProcess{w.Relay, addr}, w.Relay.Start(ctx)
}

// lane is a queue with its two parties, each with a connection of its own.
type lane struct {
	rcv, snd *smpclient.Client
	queue    smpclient.Queue
	sender   smp.SenderID
	key      key.Private
	arrived  chan smp.MsgID
	body     []byte
}

func openLane(ctx context.Context, addr smp.ServerAddr) (_ *lane, err error) {
	l := &lane{arrived: make(chan smp.MsgID, 1), body: make([]byte, bodySize)}
	l.rcv, err = smpclient.Dial(ctx, addr, smpclient.Options{OnMessage: func(_ smp.EntityID, m smp.Message) {
		if msg, ok := m.(smp.MSG); ok {
			l.arrived <- msg.ID
		}
	}})
	if err != nil {
		return nil, err
	}
	ids, queue, err := create(ctx, l.rcv)
	if err != nil {
		return nil, err
	}
	l.queue, l.sender = queue, ids.SenderID
	if l.snd, err = smpclient.Dial(ctx, addr, smpclient.Options{}); err != nil {
		return nil, err
	}
	k := key.GenerateX25519()
	l.key = k
	return l, l.snd.SecureSender(ctx, l.sender, k)
}

// create makes a messaging queue.
func create(ctx context.Context, c *smpclient.Client) (smp.IDS, smpclient.Queue, error) {
	auth, dh := key.GenerateEd25519(), key.GenerateX25519()
	ids, err := c.Create(ctx, auth, smp.NEW{AuthKey: auth.PublicKey(), DHKey: dh.Public(), Queue: &smp.QueueReq{Mode: smp.Messaging}})
	return ids, smpclient.Queue{ID: ids.RecipientID, Key: auth}, err
}

// roundTrip sends a message, takes it and acknowledges it.
func (l *lane) roundTrip(ctx context.Context) error {
	if err := l.snd.Send(ctx, l.sender, l.key, smp.SEND{Body: l.body}); err != nil {
		return err
	}
	select {
	case id := <-l.arrived:
		return l.rcv.Ack(ctx, l.queue, id)
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(30 * time.Second):
		return fmt.Errorf("a message did not arrive")
	}
}

func (l *lane) close() {
	l.snd.Close()
	l.rcv.Close()
}

func openRelayRow(ctx context.Context, o *options, workers int) (*sides, error) {
	relay, err := startRelay(ctx, o, "S"+strconv.Itoa(workers))
	if err != nil {
		return nil, err
	}
	floor, err := startEcho()
	if err != nil {
		return nil, err
	}
	lanes, conns := make([]*lane, workers), make([]*transport.Conn, workers)
	for i := range workers {
		if lanes[i], err = openLane(ctx, relay.addr); err != nil {
			return nil, err
		}
		if conns[i], err = floor.dial(ctx); err != nil {
			return nil, err
		}
	}
	var perClock, floorPerClock []float64
	block := func() []byte { return make([]byte, bodySize) }
	blocks := make([][]byte, workers)
	for i := range blocks {
		blocks[i] = block()
	}
	return &sides{
		ours: func(ctx context.Context, d time.Duration) (float64, error) {
			cpu, clock, err := perCPUSecond(relay.Pid(), d, workers, func(w int) error { return lanes[w].roundTrip(ctx) })
			perClock = append(perClock, clock)
			return cpu, err
		},
		floor: func(ctx context.Context, d time.Duration) (float64, error) {
			cpu, clock, err := perCPUSecond(floor.cmd.Process.Pid, d, workers, func(w int) error { return exchange(conns[w], blocks[w]) })
			floorPerClock = append(floorPerClock, clock)
			return cpu, err
		},
		more: func() map[string]float64 {
			return map[string]float64{
				"per_second": round(quantile(perClock, 0.5)), "floor_per_second": round(quantile(floorPerClock, 0.5)),
			}
		},
		close: func() error {
			for i := range workers {
				lanes[i].close()
				conns[i].Close()
			}
			_ = floor.close()
			return relay.Stop(10 * time.Second)
		},
	}, nil
}
