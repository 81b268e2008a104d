package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/session"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var params = smp.Params{Version: 18, SessionID: []byte("session")}

func parse(block []byte) []session.Received[smp.Message] {
	var out []session.Received[smp.Message]
	for _, r := range params.ParseResponses(block) {
		x := session.Received[smp.Message]{CorrID: r.CorrID, EntityID: r.EntityID, Message: r.Message}
		if r.Err != nil {
			x.Err = r.Err
		}
		out = append(out, x)
	}
	return out
}

func ping(id smp.CorrID) (smp.Item, error) {
	return params.EncodeCommand(id, "", smp.PING{}, smp.Credentials{})
}

func request(t testing.TB, entity smp.EntityID, cmd smp.Command) session.Request {
	t.Helper()
	id := session.NewCorrID()
	item, err := params.EncodeCommand(id, entity, cmd, smp.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	return session.Request{CorrID: id, Entity: entity, Item: item}
}

// rig is a session with the peer's end in the hands of the test.
type rig struct {
	*session.Session[smp.Message]
	t    testing.TB
	peer *transport.Conn

	mu       sync.Mutex
	received []session.Received[smp.Message]
}

func start(t testing.TB, client, peer *transport.Conn, cfg session.Config[smp.Message]) *rig {
	r := &rig{t: t, peer: peer}
	cfg.Conn, cfg.Parse = client, parse
	cfg.OnReceive = func(x session.Received[smp.Message]) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.received = append(r.received, x)
	}
	r.Session = session.New(cfg)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if r.Run(context.Background()) == nil {
			t.Error("Run returned nil")
		}
	}()
	t.Cleanup(func() {
		_ = peer.Abort()
		_ = r.Close()
		<-ended
	})
	return r
}

func onLoopback(t testing.TB, cfg session.Config[smp.Message]) *rig {
	a, b := transporttest.Sockets(t)
	return start(t, transport.NewConn(a, transport.State{}, 0), transport.NewConn(b, transport.State{}, 0), cfg)
}

func (r *rig) requests() []smp.Request {
	r.t.Helper()
	b, err := r.peer.ReadBlock()
	if err != nil {
		r.t.Fatal(err)
	}
	return params.ParseRequests(b.Payload())
}

// say sends messages in one block.
func (r *rig) say(ms ...session.Received[smp.Message]) {
	r.t.Helper()
	var items []smp.Item
	for _, m := range ms {
		item, err := params.EncodeMessage(m.CorrID, m.EntityID, m.Message)
		if err != nil {
			r.t.Fatal(err)
		}
		items = append(items, item)
	}
	for _, b := range smp.Pack(items) {
		if err := r.peer.WriteBlock(b.Block); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) all() []session.Received[smp.Message] {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.received
}

func TestAnswersFindTheirCommands(t *testing.T) {
	r := onLoopback(t, session.Config[smp.Message]{})
	const n = 600 // several groups and blocks
	go func() {
		for seen := 0; seen < n; {
			reqs := r.requests()
			for i := len(reqs) - 1; i >= 0; i-- { // in another order
				e := smp.StoreError(string(reqs[i].EntityID))
				r.say(session.Received[smp.Message]{CorrID: reqs[i].CorrID, EntityID: reqs[i].EntityID, Message: smp.ERR{Err: e}})
			}
			seen += len(reqs)
		}
	}()
	var reqs []session.Request
	for i := range n {
		reqs = append(reqs, request(t, smp.EntityID(fmt.Sprint("queue ", i)), smp.SEND{Body: []byte("hello")}))
	}
	for i, res := range r.DoAll(context.Background(), reqs) {
		if res.Err != nil {
			t.Fatal(res.Err)
		}
		if got := res.Message.(smp.ERR).Err.Text; got != string(reqs[i].Entity) {
			t.Fatalf("answer %d is %q", i, got)
		}
	}
}

func TestConcurrentCommandsShareBlocks(t *testing.T) {
	r := onLoopback(t, session.Config[smp.Message]{})
	var wg sync.WaitGroup
	const n = 100
	for range n {
		req := request(t, "queue", smp.SEND{Body: []byte("hello")})
		wg.Go(func() {
			if m, err := r.Do(context.Background(), req); err != nil || m != (smp.OK{}) {
				t.Errorf("%v, %v", m, err)
			}
		})
	}
	blocks := 0
	for seen := 0; seen < n; blocks++ {
		for _, req := range r.requests() {
			r.say(session.Received[smp.Message]{CorrID: req.CorrID, EntityID: req.EntityID, Message: smp.OK{}})
			seen++
		}
	}
	wg.Wait()
	t.Logf("%d commands in %d blocks", n, blocks)
}

func TestEventsAndAnswersKeepTheirOrder(t *testing.T) {
	r := onLoopback(t, session.Config[smp.Message]{})
	msg := func(id smp.CorrID, n string) session.Received[smp.Message] {
		return session.Received[smp.Message]{CorrID: id, EntityID: "queue", Message: smp.MSG{ID: smp.MsgID(n), Body: []byte(n)}}
	}
	go func() {
		id := r.requests()[0].CorrID
		r.say(msg("", "1"), msg("", "2"))
		r.say(msg("", "3"), msg(id, "4"), msg("", "5"))
		r.say(session.Received[smp.Message]{CorrID: r.requests()[0].CorrID, EntityID: "queue", Message: smp.OK{}})
	}()
	m, err := r.Do(context.Background(), request(t, "queue", smp.SEND{}))
	if err != nil || m.(smp.MSG).ID != "4" {
		t.Fatalf("%v, %v", m, err)
	}
	quiet := request(t, "queue", smp.SEND{})
	quiet.Quiet = true
	if _, err := r.Do(context.Background(), quiet); err != nil {
		t.Fatal(err)
	}
	var order string
	for _, x := range r.all() {
		order += string(x.Message.(smp.MSG).ID)
	}
	if order != "12345" {
		t.Errorf("received %s", order)
	}
}

func TestWrongAnswers(t *testing.T) {
	r := onLoopback(t, session.Config[smp.Message]{})
	answers := []func(id smp.CorrID){
		func(id smp.CorrID) { // an answer to nothing, then one for another entity
			r.say(session.Received[smp.Message]{CorrID: "nobody", EntityID: "queue", Message: smp.OK{}},
				session.Received[smp.Message]{CorrID: id, EntityID: "other", Message: smp.OK{}})
		},
		func(id smp.CorrID) { // END must have an entity, PONG must not
			r.say(session.Received[smp.Message]{CorrID: id, EntityID: "queue", Message: smp.PONG{}})
		},
		func(id smp.CorrID) { // a malformed block, then the right answer
			if err := r.peer.WriteBlock([]byte{3, 0, 200, 1}); err != nil {
				t.Error(err)
			}
			r.say(session.Received[smp.Message]{CorrID: id, EntityID: "queue", Message: smp.OK{}})
		},
	}
	for i, want := range []error{session.ErrEntity, session.ErrAnswer, nil} {
		go func() { answers[i](r.requests()[0].CorrID) }()
		if _, err := r.Do(context.Background(), request(t, "queue", smp.SEND{})); !errors.Is(err, want) {
			t.Errorf("%d: %v, want %v", i, err, want)
		}
	}
}

func TestCommandsThatCannotBeSent(t *testing.T) {
	r := onLoopback(t, session.Config[smp.Message]{})
	req := request(t, "queue", smp.SEND{Body: make([]byte, smp.MaxBatch)})
	if _, err := r.Do(context.Background(), req); !errors.Is(err, smp.ErrTransportLargeMsg) {
		t.Errorf("large command: %v", err)
	}
	req = request(t, "queue", smp.SEND{})
	go func() {
		id := r.requests()[0].CorrID
		r.say(session.Received[smp.Message]{CorrID: id, EntityID: "queue", Message: smp.OK{}})
	}()
	res := r.DoAll(context.Background(), []session.Request{req, req})
	if res[0].Err != nil || !errors.Is(res[1].Err, session.ErrDuplicate) {
		t.Errorf("same ID twice: %v, %v", res[0].Err, res[1].Err)
	}
}

func TestPeerCloses(t *testing.T) {
	r := onLoopback(t, session.Config[smp.Message]{})
	go func() {
		r.requests()
		_ = r.peer.Close()
	}()
	_, err := r.Do(context.Background(), request(t, "queue", smp.SEND{}))
	if !errors.Is(err, session.ErrClosed) {
		t.Errorf("got %v", err)
	}
	<-r.Done()
	if err := r.Err(); !errors.Is(err, session.ErrClosed) || !errors.Is(err, io.EOF) {
		t.Errorf("Err is %v", err)
	}
	if _, err := r.Do(context.Background(), request(t, "queue", smp.SEND{})); !errors.Is(err, session.ErrClosed) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestCloseEndsWaiting(t *testing.T) {
	r := onLoopback(t, session.Config[smp.Message]{})
	failed := make(chan error, 1)
	go func() {
		_, err := r.Do(context.Background(), request(t, "queue", smp.SEND{}))
		failed <- err
	}()
	r.requests()
	_ = r.Close()
	_ = r.Close()
	if err := <-failed; !errors.Is(err, session.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestCancelledCommand(t *testing.T) {
	r := onLoopback(t, session.Config[smp.Message]{})
	ctx, cancel := context.WithCancel(context.Background())
	var late smp.CorrID
	go func() {
		late = r.requests()[0].CorrID
		cancel()
	}()
	if _, err := r.Do(ctx, request(t, "queue", smp.SEND{})); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// Its answer still comes, before the next one's.
	go func() {
		id := r.requests()[0].CorrID
		r.say(session.Received[smp.Message]{CorrID: late, EntityID: "queue", Message: smp.MSG{ID: "late"}},
			session.Received[smp.Message]{CorrID: id, EntityID: "queue", Message: smp.OK{}})
	}()
	if _, err := r.Do(context.Background(), request(t, "queue", smp.SEND{})); err != nil {
		t.Fatal(err)
	}
	if got := r.all(); len(got) != 2 || got[0].Message.(smp.MSG).ID != "late" {
		t.Errorf("received %v", got)
	}
}

// A peer that never reads ends the session with its write timeout.
func TestPeerThatNeverReads(t *testing.T) {
	r := onLoopback(t, session.Config[smp.Message]{WriteTimeout: 100 * time.Millisecond})
	var wg sync.WaitGroup
	for range 64 { // 20 MB, more than sockets hold
		var reqs []session.Request
		for range 20 {
			reqs = append(reqs, request(t, "queue", smp.SEND{Body: make([]byte, 16000)}))
		}
		wg.Go(func() {
			for _, res := range r.DoAll(context.Background(), reqs) {
				if !errors.Is(res.Err, session.ErrClosed) {
					t.Errorf("got %v", res.Err)
				}
			}
		})
	}
	<-r.Done()
	if err := r.Err(); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Err is %v", err)
	}
	wg.Wait()
}

// While a write is stuck, commands end with their contexts, however many.
func TestContextEndsStuckCommands(t *testing.T) {
	cfg := session.Config[smp.Message]{Timeout: time.Hour, WriteTimeout: time.Hour}
	inBubble(t, cfg, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		begin := time.Now()
		var wg sync.WaitGroup
		for range 200 { // more than the queue holds
			req := request(t, "queue", smp.SEND{Body: make([]byte, 16000)})
			wg.Go(func() {
				if _, err := r.Do(ctx, req); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(begin); took != time.Second {
			t.Errorf("after %v", took)
		}
		if r.Err() != nil {
			t.Errorf("the session has ended: %v", r.Err())
		}
	})
}

func TestTwoRunsAreMisuse(t *testing.T) {
	r := onLoopback(t, session.Config[smp.Message]{})
	if _, err := r.Do(canceled(), request(t, "queue", smp.SEND{})); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for r.Err() == nil {
		_ = r.Close()
	}
	if r.Run(context.Background()) == nil {
		t.Error("no error")
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// inBubble runs f with a session over an in-memory connection and fake time.
func inBubble(t *testing.T, cfg session.Config[smp.Message], f func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		f(t, start(t, transport.NewConn(a, transport.State{}, 0), transport.NewConn(b, transport.State{}, 0), cfg))
	})
}

func TestSilentPeerGivesTimeout(t *testing.T) {
	inBubble(t, session.Config[smp.Message]{Timeout: time.Second}, func(t *testing.T, r *rig) {
		go func() { r.requests() }()
		begin := time.Now()
		if _, err := r.Do(context.Background(), request(t, "queue", smp.SEND{})); !errors.Is(err, session.ErrTimeout) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begin); took != time.Second {
			t.Errorf("after %v", took)
		}
		if r.Err() != nil {
			t.Error("the session has ended")
		}
	})
}

// While the peer goes on answering others, a command waits longer, but not
// for ever.
func TestBusyPeerHasMoreTime(t *testing.T) {
	inBubble(t, session.Config[smp.Message]{Timeout: time.Second}, func(t *testing.T, r *rig) {
		var peer sync.WaitGroup
		defer peer.Wait()
		peer.Go(func() {
			r.requests()
			for range 20 {
				time.Sleep(300 * time.Millisecond)
				r.say(session.Received[smp.Message]{EntityID: "other", Message: smp.END{}})
			}
		})
		begin := time.Now()
		if _, err := r.Do(context.Background(), request(t, "queue", smp.SEND{})); !errors.Is(err, session.ErrTimeout) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begin); took < 4*time.Second || took > 6*time.Second {
			t.Errorf("after %v", took)
		}
	})
}

func TestPingsKeepSessionAlive(t *testing.T) {
	cfg := session.Config[smp.Message]{Ping: ping, PingInterval: time.Minute, Timeout: time.Second, PingCount: 3}
	inBubble(t, cfg, func(t *testing.T, r *rig) {
		begin := time.Now()
		for range 3 {
			req := r.requests()[0]
			if _, ok := req.Command.(smp.PING); !ok {
				t.Fatalf("got %v", req.Command)
			}
			r.say(session.Received[smp.Message]{CorrID: req.CorrID, Message: smp.PONG{}})
		}
		if took := time.Since(begin); took < 3*time.Minute || took > 3*time.Minute+5*time.Second {
			t.Errorf("three pings in %v", took)
		}
		for range 3 { // no answers now
			r.requests()
		}
		<-r.Done()
		if err := r.Err(); !errors.Is(err, session.ErrTimeout) {
			t.Errorf("ended with %v", err)
		}
	})
}

// A command without an answer makes the session ask at once.
func TestTimeoutProbesThePeer(t *testing.T) {
	cfg := session.Config[smp.Message]{Ping: ping, PingInterval: time.Hour, Timeout: time.Second, PingCount: 2}
	inBubble(t, cfg, func(t *testing.T, r *rig) {
		go func() {
			for range 3 {
				r.requests()
			}
		}()
		begin := time.Now()
		_, err := r.Do(context.Background(), request(t, "queue", smp.SEND{}))
		if !errors.Is(err, session.ErrTimeout) {
			t.Errorf("got %v", err)
		}
		<-r.Done()
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("ended after %v", took)
		}
	})
}
