package smpclient_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smphandshake"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/transport/transporttest"
	"github.com/simplexkit/simplexkit/lib/wire"
)

var ctx = context.Background()

// queueKeys are the kinds of key that a queue may have at a version.
func queueKeys(v wire.Version) []key.Private {
	ks := []key.Private{key.GenerateEd25519(), key.GenerateEd448()}
	if v >= smp.VersionAuth {
		ks = append(ks, key.GenerateX25519())
	}
	return ks
}

// Every command reaches the relay as it was meant, rightly authorized, with
// every version and kind of key.
func TestCommands(t *testing.T) {
	for v := smp.Versions.Min; v <= smp.Versions.Max; v++ {
		t.Run(fmt.Sprint("version ", v), func(t *testing.T) {
			for _, k := range queueKeys(v) {
				commands(t, v, k)
			}
		})
	}
}

func commands(t *testing.T, v wire.Version, k key.Private) {
	var want smp.Command
	dh := key.GenerateX25519().Public()
	r := newRelay(t, func(c *conn, req smp.Request) []out {
		if req.Err != nil {
			t.Error(req.Err)
			return say(smp.ERR{Err: req.Err})
		}
		if got := req.Command.Tag(); got != want.Tag() {
			t.Errorf("got %s, want %s", got, want.Tag())
		}
		if req.HasAuth() && !c.hello.Params.Verify(&req, k.PublicKey(), nil) {
			t.Errorf("%s by %v: wrong authorization", want.Tag(), k.Alg())
		}
		switch req.Command.(type) {
		case smp.NEW:
			return say(smp.IDS{RecipientID: "rcv", SenderID: "snd", DHKey: dh, Mode: smp.Messaging})
		case smp.PING:
			return say(smp.PONG{})
		case smp.NKEY:
			return say(smp.NID{NtfIDs: smp.NtfIDs{NotifierID: "ntf", DHKey: dh}})
		case smp.LKEY, smp.LGET:
			return say(smp.LNK{SenderID: "snd"})
		case smp.QUE:
			return say(smp.INFO{Info: smp.QueueInfo{Size: 7}})
		case smp.SUB:
			return say(smp.SOK{})
		}
		return say(smp.OK{})
	})
	r.versions = wire.VersionRange{Min: 6, Max: v}
	c := r.dial(t, smpclient.Options{})
	if c.Version() != v {
		t.Fatalf("agreed on %d", c.Version())
	}
	q := smpclient.Queue{ID: "rcv", Key: k}
	check := func(cmd smp.Command, min wire.Version, f func() error) {
		t.Helper()
		want = cmd
		err := f()
		if old := v < min; old != errors.Is(err, smpclient.ErrOldVersion) || !old && err != nil {
			t.Errorf("%s at %d by %v: %v", cmd.Tag(), v, k.Alg(), err)
		}
	}
	check(smp.NEW{}, 6, func() error {
		ids, err := c.Create(ctx, k, smp.NEW{AuthKey: k.PublicKey(), DHKey: dh, Queue: &smp.QueueReq{Mode: smp.Messaging}})
		if err == nil && ids.SenderID != "snd" {
			err = errors.New("another answer")
		}
		return err
	})
	check(smp.SUB{}, 6, func() error { return c.Subscribe(ctx, []smpclient.Queue{q})[0] })
	check(smp.KEY{}, 6, func() error { return c.Secure(ctx, q, k.PublicKey()) })
	check(smp.SKEY{}, 9, func() error { return c.SecureSender(ctx, "snd", k) })
	check(smp.SEND{}, 6, func() error { return c.Send(ctx, "snd", k, smp.SEND{Body: []byte("hello")}) })
	check(smp.SEND{}, 6, func() error { return c.Send(ctx, "snd", nil, smp.SEND{Body: []byte("hello")}) })
	check(smp.ACK{}, 6, func() error { return c.Ack(ctx, q, "msg") })
	check(smp.GET{}, 6, func() error { _, _, err := c.Get(ctx, q); return err })
	check(smp.NKEY{}, 6, func() error {
		_, err := c.EnableNotifications(ctx, q, smp.NtfReq{AuthKey: k.PublicKey(), DHKey: dh})
		return err
	})
	check(smp.NDEL{}, 6, func() error { return c.DisableNotifications(ctx, q) })
	check(smp.NSUB{}, 6, func() error { return c.SubscribeNotifications(ctx, []smpclient.Notifier{{ID: "ntf", Key: k}})[0] })
	check(smp.RKEY{}, 15, func() error { return c.SetRecipientKeys(ctx, q, []key.Public{k.PublicKey()}) })
	check(smp.LSET{}, 15, func() error { return c.SetLink(ctx, q, "link", smp.LinkData{}) })
	check(smp.LDEL{}, 15, func() error { return c.DeleteLink(ctx, q) })
	check(smp.LKEY{}, 15, func() error { _, err := c.SecureByLink(ctx, "link", k); return err })
	check(smp.LGET{}, 15, func() error { _, err := c.GetLink(ctx, "link"); return err })
	check(smp.QUE{}, 6, func() error { _, err := c.Info(ctx, q); return err })
	check(smp.OFF{}, 6, func() error { return c.Suspend(ctx, q) })
	check(smp.DEL{}, 6, func() error { return c.Delete(ctx, q) })
	check(smp.DEL{}, 6, func() error { return c.DeleteAll(ctx, []smpclient.Queue{q})[0] })
	check(smp.PING{}, 6, func() error { return c.Ping(ctx) })
}

// X25519 queue keys need the relay's session key, which version 6 has not.
func TestAuthenticatorNeedsSessionKey(t *testing.T) {
	r := newRelay(t, func(*conn, smp.Request) []out { return say(smp.OK{}) })
	c := r.dial(t, smpclient.Options{NoALPN: true})
	if c.Version() != 6 {
		t.Fatalf("version %d", c.Version())
	}
	if err := c.Delete(ctx, smpclient.Queue{ID: "q", Key: key.GenerateX25519()}); !errors.Is(err, smp.ErrTransportNoAuth) {
		t.Errorf("got %v", err)
	}
}

// inbox collects what goes to OnMessage.
type inbox struct {
	mu  sync.Mutex
	got []string
}

func (i *inbox) on(entity smp.EntityID, m smp.Message) {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := string(entity) + " " + m.Tag()
	if msg, ok := m.(smp.MSG); ok {
		s += " " + string(msg.ID)
	}
	i.got = append(i.got, s)
}

func (i *inbox) check(t *testing.T, want ...string) {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	if !slices.Equal(i.got, want) {
		t.Errorf("OnMessage: %q, want %q", i.got, want)
	}
}

// Relays of old versions answer SUB with MSG, and all answer ACK with it.
func TestMessagesInAnswersAreDelivered(t *testing.T) {
	k := key.GenerateEd25519()
	acked := 0
	r := newRelay(t, func(_ *conn, req smp.Request) []out {
		switch req.Command.(type) {
		case smp.SUB:
			switch req.EntityID {
			case "ok":
				return say(smp.OK{})
			case "sok":
				return []out{{msg: smp.SOK{}}, {msg: smp.MSG{ID: "a"}, event: true}}
			case "msg":
				return say(smp.MSG{ID: "b"})
			case "end":
				return []out{{msg: smp.OK{}}, {entity: "ok", msg: smp.END{}, event: true}}
			case "odd":
				return say(smp.DELD{})
			}
			return say(smp.ERR{Err: smp.ErrAuth})
		case smp.ACK:
			if acked++; acked == 1 {
				return say(smp.MSG{ID: "c"})
			}
			return say(smp.OK{})
		case smp.GET:
			return say(smp.MSG{ID: "d"})
		}
		return say(smp.ERR{Err: smp.ErrProhibited})
	})
	var in inbox
	c := r.dial(t, smpclient.Options{OnMessage: in.on})
	var qs []smpclient.Queue
	for _, id := range []smp.RecipientID{"ok", "sok", "msg", "gone", "end", "odd"} {
		qs = append(qs, smpclient.Queue{ID: id, Key: k})
	}
	errs := c.Subscribe(ctx, qs)
	for i, want := range []error{nil, nil, nil, smp.ErrAuth, nil, smpclient.ErrUnexpected} {
		if !errors.Is(errs[i], want) || want == nil && errs[i] != nil {
			t.Errorf("%s: %v, want %v", qs[i].ID, errs[i], want)
		}
	}
	for range 2 {
		if err := c.Ack(ctx, qs[2], "b"); err != nil {
			t.Error(err)
		}
	}
	if msg, ok, err := c.Get(ctx, qs[0]); err != nil || !ok || msg.ID != "d" {
		t.Errorf("GET: %v %t %v", msg, ok, err)
	}
	in.check(t, "sok MSG a", "msg MSG b", "ok END", "msg MSG c")
}

func TestManySubscriptions(t *testing.T) {
	var mu sync.Mutex
	seen := make(map[smp.EntityID]bool)
	r := newRelay(t, func(_ *conn, req smp.Request) []out {
		mu.Lock()
		defer mu.Unlock()
		seen[req.EntityID] = true
		return say(smp.SOK{})
	})
	c := r.dial(t, smpclient.Options{})
	const n = 1000
	k := key.GenerateX25519()
	var qs []smpclient.Queue
	for i := range n {
		qs = append(qs, smpclient.Queue{ID: smp.RecipientID(fmt.Sprintf("%024d", i)), Key: k})
	}
	for i, err := range c.Subscribe(ctx, qs) {
		if err != nil {
			t.Fatalf("queue %d: %v", i, err)
		}
	}
	if len(seen) != n {
		t.Errorf("the relay saw %d queues", len(seen))
	}
}

func TestErrorsOfTheRelay(t *testing.T) {
	r := newRelay(t, func(*conn, smp.Request) []out { return say(smp.ERR{Err: smp.ErrQuota}) })
	c := r.dial(t, smpclient.Options{})
	err := c.Send(ctx, "q", nil, smp.SEND{})
	var e *smp.Error
	if !errors.As(err, &e) || e.Type != smp.TypeQuota || !errors.Is(err, smp.ErrQuota) {
		t.Errorf("got %v", err)
	}
	if err := c.Send(ctx, "q", nil, smp.SEND{Body: make([]byte, smp.BlockSize)}); !errors.Is(err, smp.ErrTransportLargeMsg) {
		t.Errorf("large message: %v", err)
	}
}

func TestConnectionLost(t *testing.T) {
	r := newRelay(t, func(c *conn, _ smp.Request) []out {
		_ = c.Abort()
		return nil
	})
	c := r.dial(t, smpclient.Options{})
	if err := c.Ping(ctx); !errors.Is(err, smpclient.ErrClosed) {
		t.Errorf("got %v", err)
	}
	<-c.Done()
	if !errors.Is(c.Err(), smpclient.ErrClosed) {
		t.Errorf("Err is %v", c.Err())
	}
	_ = c.Close()
	if err := c.Ping(ctx); !errors.Is(err, smpclient.ErrClosed) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestSilentRelay(t *testing.T) {
	r := newRelay(t, func(*conn, smp.Request) []out { return nil })
	c := r.dial(t, smpclient.Options{Timeout: 50 * time.Millisecond, PingCount: 2})
	if err := c.Ping(ctx); !errors.Is(err, smpclient.ErrTimeout) {
		t.Errorf("got %v", err)
	}
	<-c.Done()
	if !errors.Is(c.Err(), smpclient.ErrTimeout) {
		t.Errorf("Err is %v", c.Err())
	}
}

func TestWrongFingerprint(t *testing.T) {
	r := newRelay(t, nil)
	addr := r.addr
	addr.KeyHash = smp.Fingerprint(make([]byte, 32))
	if _, err := smpclient.Dial(ctx, addr, smpclient.Options{}); !errors.Is(err, smpclient.ErrFingerprint) {
		t.Errorf("got %v", err)
	}
	addr.KeyHash = "short"
	if _, err := smpclient.Dial(ctx, addr, smpclient.Options{}); !errors.Is(err, smpclient.ErrFingerprint) {
		t.Errorf("got %v", err)
	}
}

func TestNoCommonVersion(t *testing.T) {
	r := newRelay(t, nil)
	r.versions = wire.VersionRange{Min: 19, Max: 20}
	if _, err := smpclient.Dial(ctx, r.addr, smpclient.Options{}); !errors.Is(err, smpclient.ErrVersion) {
		t.Errorf("got %v", err)
	}
}

func TestNoRelay(t *testing.T) {
	l := transporttest.Listen(t)
	host, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	addr := smp.ServerAddr{Hosts: []string{host}, Port: port, KeyHash: smp.Fingerprint(make([]byte, 32))}
	if _, err := smpclient.Dial(ctx, addr, smpclient.Options{}); !errors.Is(err, smpclient.ErrConnect) {
		t.Errorf("got %v", err)
	}
}

func TestOnionHostsNeedProxy(t *testing.T) {
	r := newRelay(t, func(*conn, smp.Request) []out { return say(smp.PONG{}) })
	addr := r.addr
	addr.Hosts = []string{"abcdefgh.onion"}
	if _, err := smpclient.Dial(ctx, addr, smpclient.Options{}); !errors.Is(err, smpclient.ErrConnect) {
		t.Errorf("onion host only: %v", err)
	}
	addr.Hosts = append(addr.Hosts, r.addr.Hosts...)
	c, err := smpclient.Dial(ctx, addr, smpclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

// Without a port the default ports are tried, whatever else is at the first.
func TestDefaultPorts(t *testing.T) {
	r := newRelay(t, func(*conn, smp.Request) []out { return say(smp.PONG{}) })
	other := newRelay(t, nil)
	port := r.addr.Port
	addr := r.addr
	addr.Port = ""
	o := smpclient.Options{}
	var tried []string
	o.Dialer.Socket = func(ctx context.Context, network, a string) (net.Conn, error) {
		_, p, _ := net.SplitHostPort(a)
		tried = append(tried, p)
		at := port
		if len(tried) == 1 {
			at = other.addr.Port
		}
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(addr.Hosts[0], at))
	}
	c, err := smpclient.Dial(ctx, addr, o)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if !slices.Equal(tried, smp.DefaultPorts) {
		t.Errorf("tried %v", tried)
	}
}

// hostile listens and gives each socket to f, with TLS if secured.
func hostile(t *testing.T, secured bool, f func(c *transport.Conn, sock net.Conn)) smp.ServerAddr {
	cred, fp := transporttest.Credential(t)
	l := transporttest.Listen(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			sock, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = sock.Close() }()
				if !secured {
					f(nil, sock)
					return
				}
				c, err := transport.Server(ctx, sock, &transport.ServerConfig{Credential: cred, ALPN: []string{smp.ALPN}})
				if err == nil {
					f(c, sock)
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	host, port, _ := net.SplitHostPort(l.Addr().String())
	return smp.ServerAddr{Hosts: []string{host}, Port: port, KeyHash: smp.Fingerprint(fp)}
}

// untilClosed holds a socket until the peer goes.
func untilClosed(sock net.Conn) {
	for b := make([]byte, 1000); ; {
		if _, err := sock.Read(b); err != nil {
			return
		}
	}
}

func TestHostileRelays(t *testing.T) {
	for _, c := range []struct {
		name    string
		secured bool
		f       func(c *transport.Conn, sock net.Conn)
		want    error
	}{
		{"silent", false, func(_ *transport.Conn, sock net.Conn) { untilClosed(sock) }, smpclient.ErrTimeout},
		{"garbage", false, func(_ *transport.Conn, sock net.Conn) {
			_, _ = sock.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			untilClosed(sock)
		}, smpclient.ErrHandshake},
		{"silent after TLS", true, func(_ *transport.Conn, sock net.Conn) { untilClosed(sock) }, smpclient.ErrTimeout},
		{"garbage hello", true, func(c *transport.Conn, sock net.Conn) {
			_ = c.WriteBlock([]byte("hello"))
			untilClosed(sock)
		}, smpclient.ErrHandshake},
		{"another session", true, func(c *transport.Conn, sock net.Conn) {
			_ = c.WriteBlock(smp.ServerHello{Versions: smp.Versions, SessionID: make([]byte, 32)}.Append(nil))
			untilClosed(sock)
		}, smp.ErrTransportSession},
		{"closes after TLS", true, func(c *transport.Conn, sock net.Conn) { _ = c.Close() }, smpclient.ErrConnect},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := hostile(t, c.secured, c.f)
			o := smpclient.Options{}
			if c.want == smpclient.ErrTimeout {
				o.ConnectTimeout = 100 * time.Millisecond
			}
			if _, err := smpclient.Dial(ctx, addr, o); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			canceled, cancel := context.WithCancel(ctx)
			cancel()
			if _, err := smpclient.Dial(canceled, addr, o); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
		})
	}
}

func TestServiceSession(t *testing.T) {
	cred, id := transporttest.Credential(t)
	r := newRelay(t, func(c *conn, req smp.Request) []out {
		if smp.SignedByService(req.Command) != req.HasServiceSig() {
			t.Errorf("%s: service signature %t", req.Command.Tag(), req.HasServiceSig())
		}
		if _, ok := req.Command.(smp.SUBS); ok {
			if !c.hello.Params.Verify(&req, c.hello.Service.Key, nil) {
				t.Error("wrong authorization of SUBS")
			}
			return say(smp.SOKS{Count: 5})
		}
		if req.HasServiceSig() && !c.hello.Params.VerifyService(&req, c.hello.Service) {
			t.Errorf("%s: wrong signature of the service", req.Command.Tag())
		}
		return say(smp.OK{})
	})
	r.service = func(_ context.Context, _ smp.ServiceRole, chain transport.Chain) (smp.ServiceID, error) {
		got := chain.Identity()
		if !slices.Equal(got[:], id) {
			return "", errors.New("unknown service")
		}
		return "service", nil
	}
	c := r.dial(t, smpclient.Options{Service: &smphandshake.Service{Role: smp.RoleMessaging, Credential: cred}})
	if err := c.Subscribe(ctx, []smpclient.Queue{{ID: "q", Key: key.GenerateEd25519()}})[0]; err != nil {
		t.Error(err)
	}
	if n, err := c.SubscribeService(ctx); err != nil || n != 5 {
		t.Errorf("%d queues, %v", n, err)
	}
	if _, err := r.dial(t, smpclient.Options{}).SubscribeService(ctx); !errors.Is(err, smpclient.ErrOldVersion) {
		t.Errorf("without a service: %v", err)
	}
	r.service = func(context.Context, smp.ServiceRole, transport.Chain) (smp.ServiceID, error) {
		return "", errors.New("no")
	}
	_, err := smpclient.Dial(ctx, r.addr, smpclient.Options{Service: &smphandshake.Service{Role: smp.RoleMessaging, Credential: cred}})
	if !errors.Is(err, smpclient.ErrHandshake) || !errors.Is(err, smp.ErrHandshakeService) {
		t.Errorf("refused service: %v", err)
	}
}
