package smpclient_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smphandshake"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/transport/transporttest"
	"github.com/simplexkit/simplexkit/lib/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// relay is a scripted relay on a real socket: answer is called for every
// command and gives what to send, in one block if it fits.
type relay struct {
	t        testing.TB
	cred     *transport.Credential
	addr     smp.ServerAddr
	versions wire.VersionRange
	service  func(context.Context, smp.ServiceRole, transport.Chain) (smp.ServiceID, error)
	answer   func(c *conn, r smp.Request) []out

	mu    sync.Mutex
	conns []*conn
}

// out is something to send; with event the correlation ID is empty.
type out struct {
	entity smp.EntityID
	msg    smp.Message
	event  bool
}

// conn is one client of the relay.
type conn struct {
	*transport.Conn
	relay *relay
	hello *smphandshake.Server
}

func newRelay(t testing.TB, answer func(c *conn, r smp.Request) []out) *relay {
	r := &relay{t: t, answer: answer}
	var fp []byte
	r.cred, fp = transporttest.Credential(t)
	l := transporttest.Listen(t)
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	r.addr = smp.ServerAddr{Hosts: []string{host}, Port: port, KeyHash: smp.Fingerprint(fp)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			sock, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { r.serve(sock) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		r.mu.Lock()
		for _, c := range r.conns {
			_ = c.Abort()
		}
		r.mu.Unlock()
		wg.Wait()
	})
	return r
}

func (r *relay) serve(sock net.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	t, err := transport.Server(ctx, sock, &transport.ServerConfig{Credential: r.cred, ALPN: []string{smp.ALPN}})
	if err != nil {
		return
	}
	c := &conn{Conn: t, relay: r}
	r.mu.Lock()
	r.conns = append(r.conns, c)
	r.mu.Unlock()
	defer func() { _ = c.Abort() }()
	c.hello, err = smphandshake.Accept(ctx, t, smphandshake.ServerConfig{Credential: r.cred, Versions: r.versions, Service: r.service})
	if err != nil {
		return
	}
	for {
		b, err := t.ReadBlock()
		if err != nil {
			return
		}
		var items []smp.Item
		for _, req := range c.hello.Params.ParseRequests(b.Payload()) {
			items = append(items, c.items(req, r.answer(c, req))...)
		}
		for _, b := range smp.Pack(items) {
			if t.WriteBlock(b.Block) != nil {
				return
			}
		}
	}
}

func (c *conn) items(req smp.Request, outs []out) []smp.Item {
	var items []smp.Item
	for _, o := range outs {
		id, entity := req.CorrID, req.EntityID
		if o.event {
			id = ""
		}
		if o.entity != "" {
			entity = o.entity
		}
		item, err := c.hello.Params.EncodeMessage(id, entity, o.msg)
		if err != nil {
			c.relay.t.Error(err)
			continue
		}
		items = append(items, item)
	}
	return items
}

// say is one answer.
func say(m smp.Message) []out { return []out{{msg: m}} }

func (r *relay) dial(t testing.TB, o smpclient.Options) *smpclient.Client {
	t.Helper()
	c, err := smpclient.Dial(context.Background(), r.addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
