package smpserver_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smphandshake"
	"github.com/simplexkit/simplexkit/lib/smp/smpserver"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// attacker is the address that hostile peers connect from.
const attacker = "127.0.0.2"

func from(addr string) func(context.Context, string, string) (net.Conn, error) {
	return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}).DialContext
}

// limited makes the relay count the connections of this machine too.
func limited(edit func(*smpserver.Config)) smptest.Option {
	return smptest.WithConfig(func(c *smpserver.Config) {
		c.Unlimited = func(netip.Addr) bool { return false }
		if edit != nil {
			edit(c)
		}
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(smptest.Timeout); !ok(); <-time.After(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal(what)
		}
	}
}

func raw(t *testing.T, r *smptest.Relay) net.Conn {
	t.Helper()
	c, err := from(attacker)(t.Context(), "tcp", net.JoinHostPort(r.Addr.Hosts[0], r.Addr.Port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// TestHalfOpenConnections has one address open thousands of sockets that say
// nothing, or one byte at a time.
func TestHalfOpenConnections(t *testing.T) {
	const many = 3000
	relay := smptest.Start(t, limited(nil))
	before := heap()
	hello := []byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00}
	for i := range many {
		c := raw(t, relay)
		if i%2 == 0 {
			_, _ = c.Write(hello[:1+i%len(hello)]) // it may be closed already
		}
	}
	c := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	want(t, c.Do("", smp.PING{}, nil), "PONG")
	eventually(t, "not refused", func() bool { return relay.Server().Stats().Refused >= many-1024/8 })
	if grown := int64(heap()) - int64(before); grown > 32<<20 {
		t.Errorf("%d MiB for half-open connections", grown>>20)
	}
}

// TestSlowHandshakes are ended in time, so that others take their places.
func TestSlowHandshakes(t *testing.T) {
	relay := smptest.Start(t, smptest.WithConfig(func(c *smpserver.Config) {
		c.MaxHandshakes, c.HandshakeTimeout = 8, 100*time.Millisecond
	}))
	for range 64 {
		_, _ = raw(t, relay).Write([]byte{0x16})
	}
	want(t, smptest.Dial(t, relay.Addr, smptest.ConnOptions{}).Do("", smp.PING{}, nil), "PONG")
}

func TestConnectionsOfOneAddress(t *testing.T) {
	relay := smptest.Start(t, limited(func(c *smpserver.Config) { c.MaxConnsOfAddr = 3 }))
	conns := make([]*smptest.Conn, 3)
	for i := range conns {
		conns[i] = smptest.Dial(t, relay.Addr, smptest.ConnOptions{Socket: from(attacker)})
		want(t, conns[i].Do("", smp.PING{}, nil), "PONG")
	}
	fourth := raw(t, relay)
	if _, err := fourth.Read(make([]byte, 1)); err == nil {
		t.Error("a fourth connection is not closed")
	}
	want(t, smptest.Dial(t, relay.Addr, smptest.ConnOptions{}).Do("", smp.PING{}, nil), "PONG")
	conns[0].Close()
	eventually(t, "the connection stays", func() bool { return relay.Server().Stats().Connections == 3 })
	want(t, smptest.Dial(t, relay.Addr, smptest.ConnOptions{Socket: from(attacker)}).Do("", smp.PING{}, nil), "PONG")
}

// TestBadBlocks are answered with an error each, and the connection goes on.
func TestBadBlocks(t *testing.T) {
	relay := smptest.Start(t)
	c := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	noise := make([]byte, smp.MaxBatch)
	_, _ = rand.Read(noise)
	item := func(b []byte) []byte { return append([]byte{byte(len(b) >> 8), byte(len(b))}, b...) }
	for i, block := range [][]byte{
		{}, {0}, {1}, {255}, {2, 0, 0}, {1, 0xff, 0xff}, noise,
		append([]byte{1}, item(nil)...),
		append([]byte{255}, bytes.Repeat(item(nil), 255)...),
		append([]byte{255}, bytes.Repeat(item([]byte("\x00\x01x\x00PING")), 200)...),
		append([]byte{1}, item(noise[:16000])...),
	} {
		c.SendBlock(block)
		if r := c.Do("", smp.PING{}, nil); smptest.Describe(r) != "PONG" {
			t.Fatalf("block %d: then %s", i, smptest.Describe(r))
		}
	}
	if relay.Server().Stats().Malformed == 0 {
		t.Error("nothing was malformed")
	}
}

// TestFloodWithoutReading has a client send commands and never read answers.
func TestFloodWithoutReading(t *testing.T) {
	relay := smptest.Start(t, smptest.WithConfig(func(c *smpserver.Config) { c.WriteTimeout = time.Second }))
	good := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	bad := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	var items []smp.Item
	for range 200 {
		_, item := bad.Encode("", smp.PING{}, nil)
		items = append(items, item)
	}
	blocks := smp.Pack(items)
	before := heap()
	bad.StopReading()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20_000 {
			for _, b := range blocks {
				if bad.TrySend(b.Block) != nil {
					return
				}
			}
		}
	}()
	for range 100 {
		want(t, good.Do("", smp.PING{}, nil), "PONG")
	}
	if grown := int64(heap()) - int64(before); grown > 32<<20 {
		t.Errorf("%d MiB for a flood", grown>>20)
	}
	<-done // the relay ends the connection
	eventually(t, "the connection stays", func() bool { return relay.Server().Stats().Connections == 1 })
}

func TestLimitsOfOneConnection(t *testing.T) {
	relay := smptest.Start(t, smptest.WithConfig(func(c *smpserver.Config) { c.MaxSubscriptions, c.MaxCreated = 3, 5 }))
	c := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	k := key.GenerateX25519()
	create := smp.NEW{AuthKey: k.Public(), DHKey: key.GenerateX25519().Public()}
	for range 3 {
		want(t, c.Do("", create, k), "IDS")
	}
	want(t, c.Do("", create, k), "ERR QUOTA")
	create.Create = true
	r := c.Do("", create, k)
	want(t, r, "IDS")
	id := smp.EntityID(r.Message.(smp.IDS).RecipientID)
	want(t, c.Do(id, smp.SUB{}, k), "ERR QUOTA")
	want(t, c.Do("", create, k), "IDS")
	want(t, c.Do("", create, k), "ERR QUOTA")
	want(t, smptest.Dial(t, relay.Addr, smptest.ConnOptions{}).Do(id, smp.SUB{}, k), "SOK")
}

// TestManySubscriptions has one connection with very many, which another
// takes over while a third one deletes some.
func TestManySubscriptions(t *testing.T) {
	const many = 2000
	relay := smptest.Start(t, smptest.WithConfig(func(c *smpserver.Config) { c.CachedQueues = 500 }))
	a := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	k := key.GenerateX25519()
	pub := key.GenerateX25519().Public()
	ids := make([]smp.EntityID, 0, many)
	batch(t, a, many, func(int) (smp.EntityID, smp.Command) { return "", smp.NEW{AuthKey: k.Public(), DHKey: pub} }, k,
		func(r smp.Response) {
			m, ok := r.Message.(smp.IDS)
			if !ok {
				t.Fatal(smptest.Describe(r))
			}
			ids = append(ids, smp.EntityID(m.RecipientID))
		})
	b := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	batch(t, b, many, func(i int) (smp.EntityID, smp.Command) { return ids[i], smp.SUB{} }, k,
		func(r smp.Response) { want(t, r, "SOK") })
	for _, id := range ids {
		wantEvent(t, a, id, "END")
	}
	c := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	batch(t, c, 200, func(i int) (smp.EntityID, smp.Command) { return ids[i], smp.DEL{} }, k,
		func(r smp.Response) { want(t, r, "OK") })
	for _, id := range ids[:200] {
		wantEvent(t, b, id, "DELD")
	}
	if st := relay.Server().Stats(); st.Subscriptions != many-200 || st.QueuesInCache > 500 {
		t.Errorf("%+v", st)
	}
}

// batch sends commands in full blocks and takes their answers.
func batch(t *testing.T, c *smptest.Conn, n int, cmd func(int) (smp.EntityID, smp.Command), k key.Private, answer func(smp.Response)) {
	t.Helper()
	for at := 0; at < n; {
		var ids []smp.CorrID
		var items []smp.Item
		for ; at < n && len(items) < 500; at++ {
			entity, command := cmd(at)
			id, item := c.Encode(entity, command, k)
			ids, items = append(ids, id), append(items, item)
		}
		for _, b := range smp.Pack(items) {
			c.SendBlock(b.Block)
		}
		for _, id := range ids {
			answer(c.Answer(id))
		}
	}
}

// TestHostileServiceAndProxy tries commands that need what the client has not.
func TestHostileServiceAndProxy(t *testing.T) {
	relay := smptest.Start(t)
	c := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	proxy := smptest.Dial(t, relay.Addr, smptest.ConnOptions{ProxyServer: true})
	for i, body := range [][]byte{nil, {1}, make([]byte, 16000)} {
		for name, conn := range map[string]*smptest.Conn{"client": c, "proxy": proxy} {
			r := conn.Do("", smp.RFWD{Body: body}, nil)
			if got := smptest.Describe(r); got != "ERR CRYPTO" && got != "ERR CMD SYNTAX" {
				t.Error(fmt.Sprint(name, " ", i, ": ", got))
			}
		}
	}
	want(t, c.Do("x", smp.PFWD{Version: 65535, Key: key.GenerateX25519().Public()}, nil), "ERR PROXY NO_SESSION")
}

// TestPartsOfBlocks are not waited for forever: neither part of a TLS record,
// nor whole records that are part of a block, whose bytes come one by one.
func TestPartsOfBlocks(t *testing.T) {
	relay := smptest.Start(t, smptest.WithConfig(func(c *smpserver.Config) { c.BlockTimeout = 100 * time.Millisecond }))
	quiet := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	want(t, quiet.Do("", smp.PING{}, nil), "PONG")
	record := append([]byte{0x17, 3, 3, 0x40, 0x11}, make([]byte, 16000)...)
	for what, drip := range map[string]func(sock, tls net.Conn) error{
		"a record": func(sock, _ net.Conn) error {
			_, err := sock.Write(record[:1])
			record = record[1:]
			return err
		},
		"a block": func(_, tls net.Conn) error { _, err := tls.Write([]byte{0}); return err },
	} {
		t.Run(what, func(t *testing.T) {
			var sock net.Conn
			socket := func(ctx context.Context, network, addr string) (_ net.Conn, err error) {
				sock, err = new(net.Dialer).DialContext(ctx, network, addr)
				return sock, err
			}
			c, err := transport.Dialer{Socket: socket}.Dial(t.Context(), relay.Addr.Hosts, relay.Addr.Port,
				transport.ClientConfig{Fingerprint: []byte(relay.Addr.KeyHash), ALPN: []string{smp.ALPN}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Abort()
			if _, err := smphandshake.Connect(t.Context(), c, smphandshake.ClientConfig{Identity: relay.Addr.KeyHash}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "not connected", func() bool { return relay.Server().Stats().Connections == 2 })
			eventually(t, "the connection stays", func() bool {
				err := drip(sock, c.Stream())
				return err != nil && relay.Server().Stats().Connections == 1
			})
		})
	}
	want(t, quiet.Do("", smp.PING{}, nil), "PONG")
}
