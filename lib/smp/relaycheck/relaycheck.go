// Package relaycheck looks at message relays as their users do, for
// monitoring: it connects, sends a message to a queue of its own and back,
// and judges the times by thresholds with the states of the Monitoring
// Plugins. It works with any relay that speaks SMP, and deletes what it made.
package relaycheck

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
)

// State is what a check finds, in the numbers of the Monitoring Plugins.
type State int

// The states.
const (
	OK       State = exit.OK
	Warning  State = exit.Warning
	Critical State = exit.Critical
	Unknown  State = exit.Unknown // only if the check itself is wrong
)

func (s State) String() string {
	switch s {
	case OK:
		return "OK"
	case Warning:
		return "WARNING"
	case Critical:
		return "CRITICAL"
	}
	return "UNKNOWN"
}

// Worse is the worse one of two states. Critical is the worst.
func (s State) Worse(o State) State {
	rank := [...]int{OK: 0, Warning: 1, Critical: 3, Unknown: 2}
	if rank[o] > rank[s] {
		return o
	}
	return s
}

// Limits are where a time becomes a warning, and critical.
type Limits struct{ Warn, Crit time.Duration }

func (l Limits) judge(d time.Duration) State {
	switch {
	case d > l.Crit:
		return Critical
	case d > l.Warn:
		return Warning
	}
	return OK
}

// Options are for [Run] and [All].
type Options struct {
	Connect   Limits // DNS, TCP, TLS, fingerprint, version
	Roundtrip Limits // SEND to MSG; zero does not look
	Cert      Limits // time until the certificate expires; zero does not look
	Proxy     Limits // SEND to MSG through Via
	Via       *smp.AuthServer
}

// Measure is one check of a relay.
type Measure struct {
	Name  string // connect, roundtrip, cert or proxy
	State State
	Value time.Duration // how long it took, or is left
	Limits
}

// Result is what was found out about a relay.
type Result struct {
	Relay    smp.ServerAddr
	State    State
	Err      error // why the first check that failed did
	Measures []Measure
	Flapping bool // set by those who remember earlier results
}

// All checks relays, some at once, and calls done for each as it ends, one at
// a time. The results are in the order of the addresses.
func All(ctx context.Context, addrs []smp.AuthServer, o Options, done func(Result)) []Result {
	const atOnce = 8
	out := make([]Result, len(addrs))
	slots := make(chan struct{}, atOnce)
	var tasks sync.WaitGroup
	var mu sync.Mutex
	for i, a := range addrs {
		slots <- struct{}{}
		tasks.Go(func() {
			defer func() { <-slots }()
			out[i] = Run(ctx, a, o)
			mu.Lock()
			defer mu.Unlock()
			if done != nil {
				done(out[i])
			}
		})
	}
	tasks.Wait()
	return out
}

// Run checks a relay.
func Run(ctx context.Context, addr smp.AuthServer, o Options) Result {
	r := Result{Relay: addr.ServerAddr}
	ctx, cancel := context.WithTimeout(ctx, o.Connect.Crit+o.Roundtrip.Crit+o.Proxy.Crit+time.Second)
	defer cancel()
	if err := (&run{addr: addr, o: o, r: &r}).do(ctx); err != nil {
		r.State, r.Err = Critical, err
	}
	return r
}

// run is a check under way.
type run struct {
	addr smp.AuthServer
	o    Options
	r    *Result
	msgs chan smp.MSG
	c    *smpclient.Client
}

func (k *run) measured(name string, d time.Duration, l Limits, s State) {
	k.r.Measures = append(k.r.Measures, Measure{name, s, d, l})
	k.r.State = k.r.State.Worse(s)
}

func (k *run) do(ctx context.Context) (err error) {
	k.msgs = make(chan smp.MSG, 1)
	start := time.Now()
	k.c, err = smpclient.Dial(ctx, k.addr.ServerAddr, smpclient.Options{OnMessage: k.receive})
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer k.c.Close()
	took := time.Since(start)
	k.measured("connect", took, k.o.Connect, k.o.Connect.judge(took))
	if k.o.Cert != (Limits{}) {
		if err := k.cert(); err != nil {
			return fmt.Errorf("cert: %w", err)
		}
	}
	if k.o.Roundtrip != (Limits{}) {
		if took, err = k.roundtrip(ctx, k.send); err != nil {
			return fmt.Errorf("roundtrip: %w", err)
		}
		k.measured("roundtrip", took, k.o.Roundtrip, k.o.Roundtrip.judge(took))
	}
	if k.o.Via != nil {
		if err := k.proxy(ctx); err != nil {
			return fmt.Errorf("proxy: %w", err)
		}
	}
	return nil
}

func (k *run) receive(_ smp.EntityID, m smp.Message) {
	if msg, ok := m.(smp.MSG); ok {
		select {
		case k.msgs <- msg:
		default:
		}
	}
}

// cert looks at the relay's online certificate.
func (k *run) cert() error {
	signed := k.c.Handshake().Cert
	if signed == nil || len(signed.Chain) == 0 {
		return nil // a relay of long ago
	}
	leaf, err := x509.ParseCertificate(signed.Chain[0])
	if err != nil {
		return err
	}
	left, s := time.Until(leaf.NotAfter), OK
	switch {
	case left < k.o.Cert.Crit:
		s = Critical
	case left < k.o.Cert.Warn:
		s = Warning
	}
	k.measured("cert", left, k.o.Cert, s)
	return nil
}

// sender secures a queue and sends to it.
type sender func(ctx context.Context, q smpclient.Queue, id smp.SenderID, body []byte) (start time.Time, err error)

func (k *run) send(ctx context.Context, q smpclient.Queue, id smp.SenderID, body []byte) (time.Time, error) {
	own := key.GenerateX25519()
	if err := k.c.Secure(ctx, q, own.PublicKey()); err != nil {
		return time.Time{}, err
	}
	return time.Now(), k.c.Send(ctx, id, own, smp.SEND{Body: body})
}

// roundtrip times a message from SEND to its receipt, on a queue that lives
// no longer.
func (k *run) roundtrip(ctx context.Context, send sender) (took time.Duration, err error) {
	rcv, dh := key.GenerateX25519(), key.GenerateX25519()
	ids, err := k.c.Create(ctx, rcv, smp.NEW{AuthKey: rcv.PublicKey(), DHKey: dh.Public(), BasicAuth: k.addr.BasicAuth,
		Queue: &smp.QueueReq{Mode: smp.Messaging}})
	if err != nil {
		return 0, err
	}
	q := smpclient.Queue{ID: ids.RecipientID, Key: rcv}
	defer func() {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = errors.Join(err, k.c.Delete(late, q))
	}()
	shared, err := box.SharedKey(ids.DHKey, dh)
	if err != nil {
		return 0, err
	}
	body := make([]byte, 1024)
	_, _ = rand.Read(body) // crypto/rand.Read never returns an error
	start, err := send(ctx, q, ids.SenderID, body)
	if err != nil {
		return 0, err
	}
	select {
	case m := <-k.msgs:
		got, err := smp.OpenMsg(shared, m)
		if err == nil && !bytes.Equal(got.Body, body) {
			err = errors.New("the message came back changed")
		}
		if err != nil {
			return 0, err
		}
		took = time.Since(start)
		return took, k.c.Ack(ctx, q, m.ID)
	case <-ctx.Done():
		return 0, fmt.Errorf("the message did not come back: %w", ctx.Err())
	case <-k.c.Done():
		return 0, k.c.Err()
	}
}

// proxy sends through another relay.
func (k *run) proxy(ctx context.Context) error {
	via, err := smpclient.Dial(ctx, k.o.Via.ServerAddr, smpclient.Options{})
	if err != nil {
		return err
	}
	defer via.Close()
	p, err := via.Proxy(ctx, k.addr.ServerAddr, k.o.Via.BasicAuth)
	if err != nil {
		return err
	}
	took, err := k.roundtrip(ctx, func(ctx context.Context, q smpclient.Queue, id smp.SenderID, body []byte) (time.Time, error) {
		own := key.GenerateX25519()
		if err := k.c.Secure(ctx, q, own.PublicKey()); err != nil {
			return time.Time{}, err
		}
		return time.Now(), p.Send(ctx, id, own, smp.SEND{Body: body})
	})
	if err == nil {
		k.measured("proxy", took, k.o.Proxy, k.o.Proxy.judge(took))
	}
	return err
}
