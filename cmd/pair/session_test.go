package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// freeAddr is an address that was free a moment ago, for a program that has to
// come back to it.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// TestSession: invite, connect, and speak; then known, with the profile opened
// by pair itself.
func TestSession(t *testing.T) {
	p := newPlace(t)
	at := freeAddr(t)
	ctrl, host := p.pair("--listen", at)
	if a := ctrl.ask("1", "/user"); !strings.Contains(a, `"localDisplayName":"alice"`) {
		t.Error(a)
	}
	if out, code := p.try("pair", "api", "alice"); code != 75 || !strings.Contains(out, "another pair") {
		t.Error(code, out)
	}
	if a := ctrl.ask("2", "/_stop"); !strings.Contains(a, "not allowed") {
		t.Error(a)
	}
	if a := ctrl.ask("3", "/_profile 1 {\"displayName\": \"alice\", \"fullName\": \"Alice\"}"); !strings.Contains(a, "userProfileUpdated") {
		t.Error(a)
	}
	_ = ctrl.in.Close()
	<-ctrl.done
	if code := ctrl.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("invite ends with %d: %s", code, ctrl.err)
	}
	host.next(`"lost"`)
	// Known now: no code, and the host has said where it listens.
	if out := p.run("pair", "exec", "alice", "/user"); !strings.Contains(out, `"fullName":"Alice"`) {
		t.Error(out)
	}
	if out, code := p.try("pair", "exec", "alice", "/_db delete"); code != 1 || !strings.Contains(out, "not allowed") {
		t.Error(code, out)
	}
	api := p.start("pair", "api", "alice")
	if a := api.ask("x", "/user"); !strings.Contains(a, "activeUser") {
		t.Error(a)
	}
	_ = api.in.Close()
	<-api.done
	text := bytes.Repeat([]byte("0123456789"), 300_000)
	if err := os.WriteFile(p.path("f.bin"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSpace(p.run("pair", "put", "alice", "f.bin"))
	path := strings.TrimSpace(p.run("pair", "get", "alice", name, "got"))
	if got, err := os.ReadFile(filepath.Join(p.dir, path)); err != nil || !bytes.Equal(got, text) {
		t.Error(err, len(got))
	}
	mine, theirs := "", ""
	mine = strings.TrimSpace(p.run("pair", "verify", "alice"))
	if code := host.end(); code != 143 {
		t.Errorf("connect ends with %d: %s", code, host.err)
	}
	theirs = strings.TrimSpace(p.run("pair", "verify", "1", "--home", p.path("A")))
	if mine == "" || mine != theirs {
		t.Errorf("%q and %q", mine, theirs)
	}
	p.run("pair", "verify", "alice", theirs)
	if _, code := p.try("pair", "verify", "alice", "12345"); code != 77 {
		t.Error(code)
	}
}

// TestAnnounced: a known controller that announces itself is let in, with
// nobody at the host; what is announced for others is passed over.
func TestAnnounced(t *testing.T) {
	p := newPlace(t)
	ctrl, host := p.pair("--once")
	_ = ctrl.in.Close()
	<-ctrl.done
	<-host.done
	at := freeAddr(t)
	serve := p.start("pair", "--json", "serve", "--home", p.path("A"), "--announced", at)
	serve.next(`"waiting"`)
	for range 2 {
		if out := p.run("pair", "exec", "alice", "/user", "--announce", at); !strings.Contains(out, "activeUser") {
			t.Error(out)
		}
		serve.next(`"connected"`)
		serve.next(`"lost"`)
	}
	if code := serve.end(); code != 0 {
		t.Errorf("serve ends with %d: %s", code, serve.err)
	}
}

// TestAsked: a known controller that is back where it was is found there, with
// no announcement and no call.
func TestAsked(t *testing.T) {
	p := newPlace(t)
	_, port, err := net.SplitHostPort(freeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	ctrl := p.start("pair", "--json", "invite", "--name", "alice", "--port", port)
	link := field(t, ctrl.next(`"invitation"`), "link")
	host := p.start("pair", "--json", "connect", link, "--home", p.path("A"), "--yes", "--announced", "none")
	ctrl.next(`"paired"`)
	host.next(`"connected"`)
	_ = ctrl.in.Close()
	<-ctrl.done
	host.next(`"lost"`)
	if out := p.run("pair", "exec", "alice", "/user", "--port", port); !strings.Contains(out, "activeUser") {
		t.Error(out)
	}
}

// TestDaemon: the daemon does the host's work, several controllers at once;
// forgetting and expiring.
func TestDaemon(t *testing.T) {
	p := newPlace(t)
	daemon := p.start("simplexd", "--home", p.path("A"), "-v", "serve")
	ctrl, host := p.pair("--once")
	if out := p.run("simplexd", "--home", p.path("A"), "remote", "ls"); !strings.Contains(out, "connected") {
		t.Error(out)
	}
	second := p.start("pair", "--dir", p.path("C2"), "--json", "invite", "--name", "too")
	link := field(t, second.next(`"invitation"`), "link")
	host2 := p.start("pair", "connect", link, "--home", p.path("A"), "--yes", "--once")
	host2.next("connected 2")
	for i, c := range []*process{ctrl, second} {
		if a := c.ask("1", "/user"); !strings.Contains(a, "activeUser") {
			t.Errorf("%d: %s", i, a)
		}
	}
	// The other one is told what one has changed.
	second.ask("2", `/_profile 1 {"displayName": "alice", "fullName": "A."}`)
	ctrl.next("remoteCtrlApplied", "/_profile")
	p.run("pair", "forget", "1", "--home", p.path("A"))
	host.next(`"lost"`)
	<-host.done
	if code := host.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("connect --once ends with %d: %s", code, host.err)
	}
	p.run("pair", "expire", "2", "1s", "--home", p.path("A"))
	host2.next("lost")
	if out := p.run("pair", "ls", "--home", p.path("A")); out != "" {
		t.Error(out)
	}
	// Forgotten: the known controller's next session is with a stranger.
	_ = ctrl.in.Close()
	<-ctrl.done
	if out, code := p.try("pair", "exec", "alice", "/user", "--timeout", "1s"); code != 69 {
		t.Error(code, out)
	}
	if code := daemon.end(); code != 0 {
		t.Errorf("the daemon ends with %d: %s", code, daemon.err)
	}
}

// pending counts what the commands of the kill tests have made.
func pending(t *testing.T, chats string) int {
	t.Helper()
	var r struct {
		Resp  json.RawMessage   `json:"resp"`
		Chats []json.RawMessage `json:"chats"`
	}
	if err := json.Unmarshal([]byte(chats), &r); err != nil {
		t.Fatal(err)
	}
	if r.Resp != nil {
		if err := json.Unmarshal(r.Resp, &r); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for _, c := range r.Chats {
		if bytes.Contains(c, []byte(`"type":"contactConnection"`)) {
			n++
		}
	}
	return n
}

// TestKillHost: the host is killed again and again while commands run. Each is
// answered once: done, or cut short and not tried again.
func TestKillHost(t *testing.T) {
	p := newPlace(t)
	at := freeAddr(t)
	ctrl, host := p.pair("--listen", at)
	const commands = 24
	done, cut := 0, 0
	for i := range commands {
		id := fmt.Sprint(i)
		b, err := json.Marshal(map[string]string{"corrId": id, "cmd": "/_connect 1"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ctrl.in.Write(append(b, '\n')); err != nil {
			t.Fatal(err)
		}
		if i%8 == 5 { // in the middle of it, or just before, or after
			host.kill()
			host = p.start("pair", "--json", "serve", "--home", p.path("A"), "--listen", at, "--announced", "none")
			host.next(`"waiting"`)
		}
		switch a := ctrl.next(`"corrId":"` + id + `"`); {
		case strings.Contains(a, `"type":"invitation"`):
			done++
		case strings.Contains(a, "interrupted"):
			cut++
		default:
			t.Errorf("%.300s", a)
		}
	}
	n := pending(t, ctrl.ask("chats", "/_get chats 1 pcc=on"))
	t.Logf("%d done, %d cut short, %d made", done, cut, n)
	if n < done || n > done+cut || done+cut != commands {
		t.Errorf("%d commands: %d done, %d cut short, %d made", commands, done, cut, n)
	}
	_ = ctrl.in.Close()
	for line := range ctrl.lines {
		if strings.Contains(line, `"corrId"`) {
			t.Errorf("another answer: %.200s", line)
		}
	}
}

// TestKillController: the controller is killed in the middle of commands. The
// host stays as it is, and lets it in again.
func TestKillController(t *testing.T) {
	p := newPlace(t)
	at := freeAddr(t)
	ctrl, host := p.pair("--listen", at)
	answered, sent := 0, 0
	for round := range 3 {
		for i := range 3 {
			ctrl.ask(fmt.Sprintf("%d.%d", round, i), "/_connect 1")
			answered++
			sent++
		}
		if _, err := ctrl.in.Write([]byte("{\"corrId\":\"x\",\"cmd\":\"/_connect 1\"}\n")); err != nil {
			t.Fatal(err)
		}
		sent++
		ctrl.kill()
		host.next(`"lost"`)
		ctrl = p.start("pair", "--json", "api", "alice")
		ctrl.next(`"connected"`)
		host.next(`"connected"`)
	}
	n := pending(t, ctrl.ask("chats", "/_get chats 1 pcc=on"))
	if n < answered || n > sent {
		t.Errorf("%d commands were sent, %d answered, %d run", sent, answered, n)
	}
}

func TestBackup(t *testing.T) {
	p := newPlace(t)
	at := freeAddr(t)
	ctrl, _ := p.pair("--listen", at)
	_ = ctrl.in.Close()
	<-ctrl.done
	p.run("pair", "backup", "alice", "copy")
	out := p.run("pair", "--json", "backup", "alice", "copy") // nothing new
	if !strings.Contains(out, `"items":0`) {
		t.Error(out)
	}
	if _, err := os.Stat(p.path("copy/files")); err != nil {
		t.Error(err)
	}
}
