package remote_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/remote"
	"github.com/simplexkit/simplexkit/lib/xrcp"
)

func TestPairing(t *testing.T) {
	w := newWorld(t)
	a := w.pair(api.RemoteConnectParams{Lifetime: 3600})
	if r := send(t, a, "/contacts"); string(r.Result) != `{"type":"cmdOk"}` || w.profile.count("/contacts") != 1 {
		t.Errorf("%s %s", r.Result, r.Error)
	}
	list, err := w.host.List(w.ctx)
	if err != nil || len(list) != 1 || list[0].State != "connected" || list[0].Name != "desk" || list[0].ExpiresAt.IsZero() ||
		list[0].Peer == "" || list[0].Road != "tcp" {
		t.Fatalf("%v %+v", err, list)
	}
	if a.Host.Name != "host" || !a.App.Resume {
		t.Errorf("%+v %+v", a.Host, a.App)
	}
	if mine, theirs := remote.PairingCode(a.Host.Pairing.CA.Fingerprint().String(), a.Host.Pairing.Host.Fingerprint.String()),
		remote.PairingCode(list[0].Identity, list[0].Own); mine != theirs {
		t.Errorf("pairing codes %s and %s", mine, theirs)
	}
	if _, err := w.call("remoteStop", api.RemoteSessionParams{Ctrl: list[0].Ctrl}); err != nil {
		t.Fatal(err)
	}
	<-a.Done()
	if list, err = w.host.List(w.ctx); err != nil || len(list) != 1 || list[0].State != "idle" {
		t.Errorf("%v %+v", err, list)
	}
}

// TestOwnClients: the host's own clients are told when a controller comes and
// goes, and what it changes.
func TestOwnClients(t *testing.T) {
	w := newWorld(t)
	a := w.pair(api.RemoteConnectParams{})
	send(t, a, "/_read chat @2")
	w.profile.run = func(context.Context, string) api.Response { return api.Response{Type: "apiChats"} }
	send(t, a, "/_get chats 1")
	_ = a.Close()
	var types []string
	w.until("events", func() bool {
		w.profile.mu.Lock()
		defer w.profile.mu.Unlock()
		types = nil
		for _, e := range w.profile.events {
			types = append(types, e.Type)
		}
		return len(types) >= 4
	})
	if got := strings.Join(types, " "); got != "remoteCtrlSessionCode remoteCtrlConnected remoteCtrlApplied remoteCtrlStopped" {
		t.Error(got)
	}
}

func TestWrongCode(t *testing.T) {
	w := newWorld(t)
	offer, _ := w.offer(remote.OfferOptions{})
	a, err := w.call("remoteConnect", api.RemoteConnectParams{Link: offer.Invitation().String()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.call("remoteVerify", api.RemoteSessionParams{Session: a.Session, Code: "12345 67890"}); code(err) != api.CodeRefused {
		t.Fatal(err)
	}
	w.untouched()
	if _, err := w.call("remoteVerify", api.RemoteSessionParams{Session: a.Session, Code: a.Code}); code(err) != api.CodeNotFound {
		t.Errorf("a second try: %v", err)
	}
}

// untouched checks that nothing was stored and nothing run.
func (w *world) untouched() {
	w.t.Helper()
	w.profile.mu.Lock()
	defer w.profile.mu.Unlock()
	if len(w.store.ctrls) != 0 || len(w.store.commands) != 0 || len(w.profile.ran) != 0 {
		w.t.Errorf("the profile was touched: %v %v", w.store.ctrls, w.profile.ran)
	}
}

func TestBadInvitations(t *testing.T) {
	w := newWorld(t)
	offer, _ := w.offer(remote.OfferOptions{})
	other, _ := w.offer(remote.OfferOptions{})
	good, foreign := offer.Invitation().String(), other.Invitation().String()
	old := *offer.Invitation()
	keys, pairing := xrcp.NewSessionKeys(), w.newPairing()
	old.Unix -= 3600
	stale, err := old.Sign(keys.Sign, pairing.ID)
	if err != nil {
		t.Fatal(err)
	}
	sig := good[strings.Index(good, "&ssig="):]
	for name, c := range map[string]struct {
		link string
		want api.ErrorCode
	}{
		"nothing":    {"", api.CodeData},
		"not a link": {"https://example.com/", api.CodeData},
		"cut":        {good[:strings.Index(good, "&idsig=")+20], api.CodeData},
		"altered":    {strings.Replace(good, "127.0.0.1", "127.0.0.2", 1), api.CodeData},
		"mis-signed": {strings.Replace(good, sig, foreign[strings.Index(foreign, "&ssig="):], 1), api.CodeData},
		"stale":      {stale.String(), api.CodeData},
	} {
		if _, err := w.call("remoteConnect", api.RemoteConnectParams{Link: c.link}); code(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.untouched()
}

func (w *world) newPairing() *xrcp.HostPairing {
	w.t.Helper()
	p, err := xrcp.NewHostPairing(time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// TestReplayed: an invitation is of use once, and one of a controller that has
// gone is of none.
func TestReplayed(t *testing.T) {
	w := newWorld(t)
	a := w.pair(api.RemoteConnectParams{})
	offer, accept := w.offer(remote.OfferOptions{Host: a.Host})
	link := offer.Invitation().String()
	if _, err := w.call("remoteConnect", api.RemoteConnectParams{Link: link}); err != nil {
		t.Fatal(err) // a known controller: nobody is asked
	}
	b, err := accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.call("remoteConnect", api.RemoteConnectParams{Link: link}); code(err) != api.CodeUnavailable {
		t.Errorf("a second time: %v", err)
	}
	if r := send(t, b, "/x"); r.Error != nil {
		t.Errorf("the session that there is: %s", r.Error)
	}
}

// TestUnknownCA: what answers at the address of an invitation must be its
// controller.
func TestUnknownCA(t *testing.T) {
	w := newWorld(t)
	imposter, _ := w.offer(remote.OfferOptions{})
	_, port := imposter.Address()
	// An invitation, rightly signed, for a controller that is not there.
	victim, _ := w.offer(remote.OfferOptions{Port: port})
	_, err := w.call("remoteConnect", api.RemoteConnectParams{Link: victim.Invitation().String()})
	if code(err) != api.CodeRefused {
		t.Error(err)
	}
	w.untouched()
}

func TestForgotten(t *testing.T) {
	w := newWorld(t)
	a := w.pair(api.RemoteConnectParams{})
	list, err := w.host.List(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.call("remoteForget", api.RemoteSessionParams{Ctrl: list[0].Ctrl}); err != nil {
		t.Fatal(err)
	}
	<-a.Done() // its session ends
	// The controller still knows the host, whose other identity it refuses.
	offer, _ := w.offer(remote.OfferOptions{Host: a.Host})
	s, err := w.call("remoteConnect", api.RemoteConnectParams{Link: offer.Invitation().String()})
	if err == nil { // TLS is set up on this side before the other side refuses
		_, err = w.call("remoteVerify", api.RemoteSessionParams{Session: s.Session, Code: s.Code})
	}
	if err == nil {
		t.Error("a host that has forgotten the controller comes in as the known one")
	}
	w.until("the session has ended", func() bool {
		list, err = w.host.List(w.ctx)
		return err == nil && len(list) == 0
	})
	if err := w.desk.Forget(w.ctx, a.Host.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.desk.Host(w.ctx, a.Host.ID); !errors.Is(err, remote.ErrNotFound) {
		t.Error(err)
	}
}

func TestExpired(t *testing.T) {
	w := newWorld(t)
	a := w.pair(api.RemoteConnectParams{Lifetime: 3600})
	list, err := w.host.List(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	soon := time.Now().Add(50 * time.Millisecond)
	if _, err := w.call("remoteSet", api.RemoteSessionParams{Ctrl: list[0].Ctrl, ExpiresAt: &soon}); err != nil {
		t.Fatal(err)
	}
	<-a.Done()
	w.until("the pairing is gone", func() bool {
		list, err := w.host.List(w.ctx)
		return err == nil && len(list) == 0
	})
	h := *a.Host
	h.ExpiresAt = time.Now().Add(-time.Second)
	if err := w.desk.Put(w.ctx, &h); err != nil {
		t.Fatal(err)
	}
	if all, err := w.desk.Hosts(w.ctx); err != nil || len(all) != 0 {
		t.Errorf("%v %v", err, all)
	}
}

func TestRefused(t *testing.T) {
	w := newWorld(t)
	a := w.pair(api.RemoteConnectParams{})
	for _, rule := range remote.Refused {
		for _, word := range rule.Begins {
			for _, cmd := range []string{word, " " + word, word + " x"} {
				if r := send(t, a, cmd); !bytes.Contains(r.Error, []byte("not allowed")) || w.profile.count(cmd) != 0 {
					t.Errorf("%q: %s %s", cmd, r.Result, r.Error)
				}
			}
		}
	}
	for _, cmd := range []string{"/_startle", "/_network statuses", "/_get chats 1", "/_read chat @2", "/_send @2 json []", "/_database"} {
		if r := send(t, a, cmd); r.Error != nil || w.profile.count(cmd) != 1 {
			t.Errorf("%q: %s", cmd, r.Error)
		}
	}
}

// TestChosenProfiles: a controller that may see one profile sees nothing of
// another.
func TestChosenProfiles(t *testing.T) {
	w := newWorld(t)
	w.profile.user = 2
	a := w.pair(api.RemoteConnectParams{Users: []api.UserID{1}})
	refused := func(cmd string) bool {
		return bytes.Contains(send(t, a, cmd).Error, []byte("not allowed"))
	}
	if !refused("/_get chats 2") || !refused("/_user 2") || !refused("/create user eve") || !refused("/user bob") {
		t.Error("the other profile can be used")
	}
	if refused("/_user 1") {
		t.Error("the profile cannot be used")
	}
	w.profile.mu.Lock()
	w.profile.user = 1
	w.profile.mu.Unlock()
	if refused("/_get chats 1") {
		t.Error("the profile cannot be used")
	}
	w.profile.run = func(context.Context, string) api.Response {
		return api.Response{Type: "apiChats", User: &api.User{UserID: 2}}
	}
	if !refused("/_get chats 2") {
		t.Error("an answer about the other profile passes")
	}
	w.profile.run = func(context.Context, string) api.Response {
		return api.Response{Type: "usersList", Users: []api.UserInfo{{User: api.User{UserID: 1}}, {User: api.User{UserID: 2}}}}
	}
	if r := send(t, a, "/users"); bytes.Contains(r.Result, []byte(`"userId":2`)) || !bytes.Contains(r.Result, []byte(`"userId":1`)) {
		t.Errorf("%s", r.Result)
	}
	for id := range 2 {
		if err := w.profile.Announce(w.ctx, api.Response{Type: "newChatItems", User: &api.User{UserID: api.UserID(2 - id)}}); err != nil {
			t.Fatal(err)
		}
	}
	e, err := a.Recv(w.ctx, generous)
	if err != nil || !bytes.Contains(e.Result, []byte(`"userId":1`)) {
		t.Errorf("%v %+v", err, e)
	}
}

func TestFiles(t *testing.T) {
	w := newWorld(t)
	a := w.pair(api.RemoteConnectParams{})
	text := bytes.Repeat([]byte("file "), 100_000)
	for i, want := range []string{"a.txt", "a_1.txt"} {
		name, err := a.StoreFile(w.ctx, "../../a.txt", bytes.NewReader(text))
		if err != nil || name != want {
			t.Fatalf("%d: %q %v", i, name, err)
		}
	}
	into := remote.Folder{Dir: t.TempDir()}
	file := remote.RemoteFile{UserID: 1, FileSource: api.CryptoFile{FilePath: "a_1.txt"}}
	name, err := a.Fetch(w.ctx, file, into)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(into.Dir, name)); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%v, %d bytes", err, len(got))
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := errors.Join(os.WriteFile(secret, []byte("s"), 0o600), os.Symlink(secret, filepath.Join(w.files, "link"))); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"nosuch.txt", "../a.txt", "/etc/passwd", "link", "", "."} {
		file.FileSource.FilePath = bad
		if err := a.GetFile(w.ctx, marshal(t, file), &bytes.Buffer{}); err == nil {
			t.Errorf("%q is given", bad)
		}
	}
	left, err := filepath.Glob(filepath.Join(into.Dir, ".*"))
	if err != nil || len(left) != 0 {
		t.Error(err, left)
	}
}

func marshal(t *testing.T, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCallers: whoever calls and is not a known controller is turned away, and
// those who are get in meanwhile.
func TestCallers(t *testing.T) {
	w := newWorld(t)
	a := w.pair(api.RemoteConnectParams{})
	at := w.serve()
	for range 40 { // they say nothing, or what is no announcement
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := conn.Write([]byte("\xff\xff garbage, and more of it")); err != nil {
			t.Fatal(err)
		}
	}
	stranger := w.newPairing()
	stranger.Host = a.Host.Pairing.Host
	h := *a.Host
	h.Pairing = stranger
	offer, err := w.desk.Offer(w.ctx, loopback(remote.OfferOptions{Host: &h, Call: []string{at}}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.ctx, 300*time.Millisecond)
	defer cancel()
	if _, err := offer.Accept(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a stranger: %v", err)
	}
	l := w.link(a.Host, func() string { return at }, nil, nil)
	if resp, err := l.Exec(w.ctx, "/x"); err != nil || kind(t, resp) != "cmdOk" {
		t.Errorf("%v %s", err, resp)
	}
}

// TestStalling: a controller that stops in the middle holds nothing up.
func TestStalling(t *testing.T) {
	w := newWorld(t)
	offer, _ := w.offer(remote.OfferOptions{Confirm: func(ctx context.Context, _ string) error {
		<-ctx.Done() // never answers the host's hello
		return ctx.Err()
	}})
	a, err := w.call("remoteConnect", api.RemoteConnectParams{Link: offer.Invitation().String()})
	if err != nil {
		t.Fatal(err)
	}
	b := w.pair(api.RemoteConnectParams{}) // another one comes in meanwhile
	if r := send(t, b, "/x"); r.Error != nil {
		t.Errorf("%s", r.Error)
	}
	if _, err := w.call("remoteStop", api.RemoteSessionParams{Session: a.Session}); err != nil {
		t.Error(err)
	}
}

// TestMany: several controllers are attached to one host, each with its own
// answers; each is told what the others change.
func TestMany(t *testing.T) {
	w := newWorld(t)
	w.profile.run = func(_ context.Context, cmd string) api.Response {
		return api.Response{Type: "cmdOk", Data: marshal(t, cmd)}
	}
	var all []*remote.Attached
	for range 3 {
		all = append(all, w.pair(api.RemoteConnectParams{}))
	}
	done := make(chan error, len(all))
	for i, a := range all {
		go func() {
			for n := range 20 {
				cmd := fmt.Sprintf("/x %d %d", i, n)
				r, err := a.Send(w.ctx, cmd, 0)
				if err == nil && !bytes.Contains(r.Result, marshal(t, cmd)) {
					err = fmt.Errorf("%s is answered %s", cmd, r.Result)
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range all {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	// The first one reads what the other two did, by number.
	seen, seq := 0, int64(0)
	for seen < 40 {
		e, err := all[0].RecvAfter(w.ctx, xrcp.Recv{Wait: 1e7, After: &seq})
		if err != nil {
			t.Fatal(err)
		}
		if e.Event != nil && bytes.Contains(e.Event.Result, []byte("remoteCtrlApplied")) {
			seen++
		}
		seq = e.Seq
	}
}

// TestOnce: a command whose connection ends before the answer is run once, and
// answered.
func TestOnce(t *testing.T) {
	w := newWorld(t)
	a := w.pair(api.RemoteConnectParams{})
	_ = a.Close()
	at := w.serve()
	var l *remote.Link
	var cut atomic.Bool
	w.profile.run = func(ctx context.Context, cmd string) api.Response {
		if cmd == "/slow" && cut.CompareAndSwap(false, true) {
			s, err := l.Session(ctx)
			if err != nil {
				t.Error(err)
				return api.Response{Type: "chatCmdError"}
			}
			_ = s.Close()
			<-s.Done()
		}
		return api.Response{Type: "cmdOk"}
	}
	l = w.link(a.Host, func() string { return at }, nil, nil)
	resp, err := l.Exec(w.ctx, "/slow")
	if err != nil || kind(t, resp) != "cmdOk" {
		t.Fatalf("%v %s", err, resp)
	}
	if n := w.profile.count("/slow"); n != 1 {
		t.Errorf("run %d times", n)
	}
}

// TestInterrupted: a command that was cut short by the host's end is not run
// again.
func TestInterrupted(t *testing.T) {
	w := newWorld(t)
	a := w.pair(api.RemoteConnectParams{})
	if _, err := w.store.Begin(w.ctx, 1, "name", 10); err != nil {
		t.Fatal(err)
	}
	r, err := a.SendOnce(w.ctx, xrcp.Send{Command: "/x", ID: "name", RetryNumber: 1})
	if err != nil || !bytes.Contains(r.Error, []byte("interrupted")) || w.profile.count("/x") != 0 {
		t.Errorf("%v %s %s", err, r.Result, r.Error)
	}
}

// TestEventsOnce: events come once and in order while connections end and the
// host starts anew.
func TestEventsOnce(t *testing.T) {
	w := newWorld(t)
	a := w.pair(api.RemoteConnectParams{})
	_ = a.Close()
	at := w.serve()
	got := make(chan string, 100)
	var addr atomic.Value
	addr.Store(at)
	l := w.link(a.Host, func() string { return addr.Load().(string) }, func(seq int64, resp json.RawMessage) error {
		var e struct{ Type, Text string }
		if err := json.Unmarshal(resp, &e); err != nil || seq == 0 {
			return fmt.Errorf("%d %s: %v", seq, resp, err)
		}
		if e.Type == "newChatItems" {
			got <- string(resp)
		}
		return nil
	}, nil)
	tell := func(n int) {
		if err := w.profile.Announce(w.ctx, api.Response{Type: "newChatItems", HelpSection: fmt.Sprint(n)}); err != nil {
			t.Fatal(err)
		}
	}
	w.until("the link knows where it begins", func() bool {
		hosts, err := w.own.Hosts(w.ctx)
		return err == nil && hosts[0].Seq >= 0
	})
	for n := range 9 {
		tell(n)
		switch n {
		case 2: // the connection ends
			s, err := l.Session(w.ctx)
			if err != nil {
				t.Fatal(err)
			}
			_ = s.Close()
		case 5: // the host starts anew, elsewhere
			w.stop()
			tell(100)
			w.start()
			addr.Store(w.serve())
		}
	}
	for _, want := range []int{0, 1, 2, 3, 4, 5, 100, 6, 7, 8} {
		select {
		case e := <-got:
			if !strings.Contains(e, fmt.Sprintf(`"helpSection":"%d"`, want)) {
				t.Errorf("%s in the place of %d", e, want)
			}
		case <-w.ctx.Done():
			t.Fatalf("event %d does not come", want)
		}
	}
	if len(got) != 0 {
		t.Errorf("and another: %s", <-got)
	}
}

// TestDocumented: the guide says what does not pass, and why.
func TestDocumented(t *testing.T) {
	guide, err := os.ReadFile("../../docs/pair.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range remote.Refused {
		if !bytes.Contains(guide, []byte("| "+rule.Why+" |")) {
			t.Errorf("docs/pair.md does not say %q", rule.Why)
		}
	}
}

// TestRoads: the same pairing by each of the roads between two ends.
func TestRoads(t *testing.T) {
	for _, via := range []carrier.Name{carrier.TCP, carrier.FlipTCP, carrier.FlipUDP, carrier.DTLS} {
		t.Run(string(via), func(t *testing.T) {
			w := newWorld(t)
			offer, accept := w.offer(remote.OfferOptions{Via: []carrier.Name{via}})
			a, err := w.call("remoteConnect", api.RemoteConnectParams{Link: offer.Invitation().String(), Via: []string{string(via)}})
			if err != nil {
				t.Fatal(err)
			}
			if a, err = w.call("remoteVerify", api.RemoteSessionParams{Session: a.Session, Code: a.Code}); err != nil || a.Road != string(via) {
				t.Fatalf("%v %+v", err, a)
			}
			s, err := accept()
			if err != nil {
				t.Fatal(err)
			}
			if r := send(t, s, "/x"); r.Error != nil || s.Road() != via {
				t.Errorf("%s %s", r.Error, s.Road())
			}
		})
	}
	w := newWorld(t)
	offer, _ := w.offer(remote.OfferOptions{})
	if _, err := w.call("remoteConnect", api.RemoteConnectParams{Link: offer.Invitation().String(), Via: []string{"pigeon"}}); err == nil {
		t.Error("a road that there is not")
	}
}
