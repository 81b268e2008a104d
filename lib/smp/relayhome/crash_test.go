package relayhome_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/store/pgtest"
)

// childEnv makes the test binary a relay on the home that it names.
const childEnv = "RELAYHOME_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

func child(dir string) {
	go func() { // the parent's end is its own
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	h, err := relayhome.Load(dir)
	if err == nil {
		err = h.Serve(context.Background(), relayhome.ServeOptions{Ready: func(*relayhome.Relay) { fmt.Println("ready") }})
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// victim is a relay in a process of its own.
type victim struct {
	t   *testing.T
	dir string
	cmd *exec.Cmd
}

func (v *victim) start() {
	v.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		v.t.Fatal(err)
	}
	v.cmd = exec.Command(exe)
	v.cmd.Env = append(os.Environ(), childEnv+"="+v.dir)
	v.cmd.Stderr = os.Stderr
	_, err = v.cmd.StdinPipe() // closed with this process, or by Wait
	if err != nil {
		v.t.Fatal(err)
	}
	out, err := v.cmd.StdoutPipe()
	if err == nil {
		err = v.cmd.Start()
	}
	if err != nil {
		v.t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		v.t.Fatalf("the relay says %q: %v", line, err)
	}
}

func (v *victim) kill() {
	_ = v.cmd.Process.Kill()
	_ = v.cmd.Wait() // it was killed
}

// party is a client that connects again whenever the relay is back.
type party struct {
	addr smp.ServerAddr
	on   func(*smpclient.Client, smp.MSG)
	up   func(context.Context, *smpclient.Client) error // after connecting
	c    *smpclient.Client
}

func (p *party) connect(ctx context.Context) (*smpclient.Client, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if p.c != nil && p.c.Err() == nil {
			return p.c, nil
		}
		if p.c != nil {
			_ = p.c.Close()
			p.c = nil
		}
		var c *smpclient.Client
		ready := make(chan struct{})
		c, err := smpclient.Dial(ctx, p.addr, smpclient.Options{Timeout: 10 * time.Second,
			OnMessage: func(_ smp.EntityID, m smp.Message) {
				<-ready
				if msg, ok := m.(smp.MSG); ok && p.on != nil {
					p.on(c, msg)
				}
			}})
		if err == nil {
			close(ready)
			p.c = c
			if p.up == nil {
				return c, nil
			}
			if err = p.up(ctx, c); err == nil {
				return c, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// flow is one queue with its sender and recipient, and what they saw.
type flow struct {
	addr   smp.ServerAddr
	q      smpclient.Queue
	snd    smp.SenderID
	secret *box.Key

	mu       sync.Mutex
	accepted []string // SEND answered with OK, in order
	tried    int      // sent at all
	got      []string // delivered, without what came again
	again    int      // redelivered after its ACK was answered
	acked    map[smp.MsgID]bool
	last     smp.MsgID
}

func (f *flow) create(ctx context.Context) error {
	c, err := smpclient.Dial(ctx, f.addr, smpclient.Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	k, dh := key.GenerateX25519(), key.GenerateX25519()
	ids, err := c.Create(ctx, k, smp.NEW{AuthKey: k.Public(), DHKey: dh.Public(), Create: true, Queue: &smp.QueueReq{Mode: smp.Messaging}})
	if err != nil {
		return err
	}
	f.q, f.snd = smpclient.Queue{ID: ids.RecipientID, Key: k}, ids.SenderID
	f.acked = map[smp.MsgID]bool{}
	f.secret, err = box.SharedKey(ids.DHKey, dh)
	return err
}

// send sends until the context ends. A message without an answer is not sent
// again, so that the relay may have it or not.
func (f *flow) send(ctx context.Context) {
	p := &party{addr: f.addr}
	for n := 0; ; n++ {
		c, err := p.connect(ctx)
		if err != nil {
			break
		}
		body := fmt.Sprint(n)
		f.mu.Lock()
		f.tried++
		f.mu.Unlock()
		err = c.Send(context.WithoutCancel(ctx), f.snd, nil, smp.SEND{Body: []byte(body)})
		f.mu.Lock()
		if err == nil {
			f.accepted = append(f.accepted, body)
		}
		f.mu.Unlock()
		if errors.Is(err, smp.ErrQuota) {
			<-time.After(time.Millisecond)
		}
	}
	if p.c != nil {
		_ = p.c.Close()
	}
}

// receive acknowledges what comes until done says that all is here.
func (f *flow) receive(ctx context.Context, done func() bool) error {
	msgs := make(chan smp.MSG, 16)
	p := &party{addr: f.addr,
		on: func(_ *smpclient.Client, m smp.MSG) { msgs <- m },
		up: func(ctx context.Context, c *smpclient.Client) error {
			return c.Subscribe(ctx, []smpclient.Queue{f.q})[0]
		}}
	defer func() {
		if p.c != nil {
			_ = p.c.Close()
		}
	}()
	for !done() {
		c, err := p.connect(ctx)
		if err != nil {
			return err
		}
		select {
		case m := <-msgs:
			body, err := smp.OpenMsg(f.secret, m)
			if err != nil {
				return err
			}
			f.take(m.ID, body)
			if c.Ack(ctx, f.q, m.ID) == nil {
				f.mu.Lock()
				f.acked[m.ID] = true
				f.mu.Unlock()
			}
		case <-c.Done():
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (f *flow) take(id smp.MsgID, b smp.RcvBody) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.acked[id] {
		f.again++
		return
	}
	if id == f.last || b.Quota {
		return // the connection broke before its ACK
	}
	f.last = id
	f.got = append(f.got, string(b.Body))
}

// check tells whether all that was accepted has come, in order, once.
func (f *flow) check(t *testing.T, n int) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := map[string]bool{}
	last := -1
	for _, body := range f.got {
		var i int
		if _, err := fmt.Sscan(body, &i); err != nil {
			t.Fatal(err)
		}
		if seen[body] {
			t.Errorf("flow %d: %s came twice", n, body)
		} else if i <= last {
			t.Errorf("flow %d: %s came after %d", n, body, last)
		}
		seen[body], last = true, i
	}
	for _, body := range f.accepted {
		if !seen[body] {
			t.Errorf("flow %d: %s was accepted and is lost", n, body)
		}
	}
	t.Logf("flow %d: %d tried, %d accepted, %d received, %d again after their ACK", n, f.tried, len(f.accepted), len(f.got), f.again)
}

// TestCrash kills the relay at random times while messages flow, and counts:
// no accepted message is lost, none comes out of order, none comes twice but
// for those whose ACK the store had not seen.
func TestCrash(t *testing.T) { testCrash(t, 12, "") }

// TestCrashPostgres does so with the queues in PostgreSQL.
func TestCrashPostgres(t *testing.T) {
	testCrash(t, 6, pgtest.Start(t, pgtest.Options{}).NewDatabase(t))
}

// usePostgres changes the home's settings.
func usePostgres(t *testing.T, dir, dsn string) {
	t.Helper()
	path := filepath.Join(dir, "relay.toml")
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append(text, "\nstore = \"postgres\"\n"...), 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "store-dsn"), []byte(dsn+"\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func testCrash(t *testing.T, kills int, dsn string) {
	if testing.Short() {
		kills = 3
	}
	dir := t.TempDir()
	addr := freshHome(t, dir)
	if dsn != "" {
		usePostgres(t, dir, dsn)
	}
	v := &victim{t: t, dir: dir}
	v.start()
	t.Cleanup(func() { v.kill() })

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	sending, stop := context.WithCancel(ctx)
	flows := make([]*flow, 4)
	var senders, receivers sync.WaitGroup
	ended := make(chan struct{})
	for i := range flows {
		f := &flow{addr: addr}
		if err := f.create(ctx); err != nil {
			t.Fatal(err)
		}
		flows[i] = f
		senders.Go(func() { f.send(sending) })
		receivers.Go(func() {
			err := f.receive(ctx, func() bool {
				select {
				case <-ended:
				default:
					return false
				}
				f.mu.Lock()
				defer f.mu.Unlock()
				return len(f.accepted) == 0 || len(f.got) > 0 && covers(f.got, f.accepted)
			})
			if err != nil {
				t.Errorf("flow %d: %v", i, err)
			}
		})
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range kills {
		<-time.After(time.Duration(50+rnd.IntN(250)) * time.Millisecond)
		v.kill()
		v.start()
	}
	<-time.After(200 * time.Millisecond)
	stop()
	senders.Wait()
	close(ended)
	receivers.Wait()
	for i, f := range flows {
		f.check(t, i)
	}
}

// covers tells whether the last accepted message has come.
func covers(got, accepted []string) bool {
	last := accepted[len(accepted)-1]
	for i := len(got) - 1; i >= 0; i-- {
		if got[i] == last {
			return true
		}
	}
	return false
}

// freshHome makes a home on a free port of the loopback.
func freshHome(tb testing.TB, dir string) smp.ServerAddr {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	_, port, _ := strings.Cut(l.Addr().String(), ":")
	if err := l.Close(); err != nil {
		tb.Fatal(err)
	}
	h, err := relayhome.Init(dir, relayhome.Options{Hosts: []string{"127.0.0.1"}, Port: port})
	if err != nil {
		tb.Fatal(err)
	}
	return h.Address().ServerAddr
}
