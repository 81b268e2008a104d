package doctor

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/exit"
)

func TestTheWorstFindingCounts(t *testing.T) {
	for want, states := range map[State][]State{
		OK:       {OK, Skipped},
		Warning:  {OK, Warning, Skipped},
		Unknown:  {Warning, Unknown, OK},
		Critical: {Unknown, Critical, Warning},
	} {
		var all []Finding
		for _, s := range states {
			all = append(all, Found("x", s, "y"))
		}
		r := NewReport(all)
		if code := exit.Code(r.Err()); r.State != want || code != int(want) {
			t.Errorf("%v: %v, code %d", states, r.State, code)
		}
	}
}

func TestReportsForPeopleAndPrograms(t *testing.T) {
	r := NewReport([]Finding{
		Found("one", OK, "fine\x1b[2J"),
		Found("two", Critical, "bad").WithHint("do %s", "this").WithLines("a", "b"),
	})
	want := "ok        one        fine?[2J\ncritical  two        bad\n                  -> do this\n" +
		strings.Repeat(" ", 21) + "a\n" + strings.Repeat(" ", 21) + "b\n"
	if got := r.Text(); got != want {
		t.Errorf("got\n%s", got)
	}
	text, err := r.JSON()
	if err != nil || strings.Count(text, "\n") != 1 {
		t.Fatal(text, err)
	}
	var back struct {
		Type, State string
		Findings    []struct {
			Check, State, Hint string
			Lines              []string
		}
	}
	if err := json.Unmarshal([]byte(text), &back); err != nil {
		t.Fatal(err)
	}
	if back.Type != "doctor" || back.State != "critical" || back.Findings[1].Hint != "do this" || len(back.Findings[1].Lines) != 2 {
		t.Errorf("got %s", text)
	}
	if Broken(nil) != nil || exit.Code(Broken(errors.New("x"))) != exit.Unknown {
		t.Error("broken doctors")
	}
}

func TestTimeServersAnswers(t *testing.T) {
	sent := time.Date(2026, 11, 20, 12, 0, 0, 500, time.UTC)
	got := sent.Add(40 * time.Millisecond)
	req := make([]byte, 48)
	binary.BigEndian.PutUint64(req[40:], toNTP(sent))
	answer := func(ahead time.Duration, change func([]byte)) []byte {
		b := make([]byte, 48)
		b[0], b[1] = 4<<3|4, 2
		copy(b[24:], req[40:48])
		at := toNTP(sent.Add(20*time.Millisecond + ahead))
		binary.BigEndian.PutUint64(b[32:], at)
		binary.BigEndian.PutUint64(b[40:], at)
		if change != nil {
			change(b)
		}
		return b
	}
	for _, ahead := range []time.Duration{0, time.Second, -time.Hour, 20 * 365 * 24 * time.Hour} {
		off, err := answered(answer(ahead, nil), req, sent, got)
		if err != nil || (off-ahead).Abs() > time.Millisecond {
			t.Errorf("%v: %v, %v", ahead, off, err)
		}
	}
	for name, change := range map[string]func([]byte){
		"to another question": func(b []byte) { b[24]++ },
		"a question":          func(b []byte) { b[0] = 4<<3 | 3 },
	} {
		if _, err := answered(answer(0, change), req, sent, got); !errors.Is(err, errNotAnswer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func([]byte){
		"go away":     func(b []byte) { b[1] = 0 },
		"not in sync": func(b []byte) { b[0] |= 3 << 6 },
	} {
		if _, err := answered(answer(0, change), req, sent, got); err == nil || errors.Is(err, errNotAnswer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := answered([]byte("short"), req, sent, got); err == nil {
		t.Error("a short answer")
	}
}

func TestAServerThatDoesNotAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if f := Clock(ctx, "127.0.0.1:9"); f.State != Unknown {
		t.Errorf("%+v", f)
	}
}

func TestPrivateFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if s := Private(path); s != "" {
		t.Errorf("no file: %s", s)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s := Private(path); s != "" {
		t.Errorf("private: %s", s)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if s := Private(path); !strings.Contains(s, "0640") {
		t.Errorf("of a group: %s", s)
	}
}

func TestLinger(t *testing.T) {
	dir := t.TempDir()
	if f := lingers(dir, "alice"); f.State != Warning || f.Hint != "loginctl enable-linger alice" {
		t.Errorf("%+v", f)
	}
	if err := os.WriteFile(filepath.Join(dir, "alice"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if f := lingers(dir, "alice"); f.State != OK {
		t.Errorf("%+v", f)
	}
	if f := Linger("x.service", func(string) string { return dir }); f.State != Skipped {
		t.Errorf("%+v", f)
	}
}

func TestDisk(t *testing.T) {
	if f := Disk(t.TempDir()); f.State == Unknown || !strings.Contains(f.Text, "free") {
		t.Errorf("%+v", f)
	}
	if f := Disk(filepath.Join(t.TempDir(), "none")); f.State != Unknown {
		t.Errorf("%+v", f)
	}
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 5 << 40: "5.0 TiB", 5 << 50: "5120.0 TiB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

// tools puts programs into an otherwise empty PATH.
func tools(t *testing.T, programs map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, script := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

func says(text string) string { return fmt.Sprintf("printf '%%s\\n' '%s'\n", text) }

const nftRules = `table inet filter {
	chain input {
		type filter hook input priority filter; policy %s;
		ct state established,related accept
		iif "lo" accept
		%s
	}
	chain output {
		type filter hook output priority filter; policy drop;
	}
}`

func TestFirewalls(t *testing.T) {
	port := Port{"tcp", 5226}
	for name, c := range map[string]struct {
		programs map[string]string
		want     State
		line     string // one that must be given
	}{
		"no programs":      {nil, OK, ""},
		"ufw off":          {map[string]string{"ufw": says("Status: inactive")}, OK, ""},
		"ufw shut":         {map[string]string{"ufw": says("Status: active\n\nTo   Action  From\n22/tcp  ALLOW  Anywhere\n5226/udp ALLOW Anywhere")}, Warning, "sudo ufw allow 5226/tcp"},
		"ufw open":         {map[string]string{"ufw": says("Status: active\n\n5226/tcp  ALLOW  192.168.1.0/24")}, OK, ""},
		"ufw range":        {map[string]string{"ufw": says("Status: active\n\n5000:6000/tcp  ALLOW  Anywhere")}, OK, ""},
		"ufw denies":       {map[string]string{"ufw": says("Status: active\n\n5226/tcp  DENY  Anywhere")}, Warning, "sudo ufw allow 5226/tcp"},
		"firewalld off":    {map[string]string{"firewall-cmd": says("not running") + "exit 252\n"}, OK, ""},
		"firewalld shut":   {map[string]string{"firewall-cmd": `case $1 in --state) echo running;; *) echo no; exit 1;; esac`}, Warning, "sudo firewall-cmd --permanent --add-port=5226/tcp && sudo firewall-cmd --reload"},
		"firewalld open":   {map[string]string{"firewall-cmd": `case $1 in --state) echo running;; --query-port=5226/tcp) echo yes;; *) exit 1;; esac`}, OK, ""},
		"nft accepts all":  {map[string]string{"nft": says(fmt.Sprintf(nftRules, "accept", ""))}, OK, ""},
		"nft shut":         {map[string]string{"nft": says(fmt.Sprintf(nftRules, "drop", "tcp dport 22 accept"))}, Warning, "sudo nft insert rule inet filter input tcp dport 5226 accept"},
		"nft open":         {map[string]string{"nft": says(fmt.Sprintf(nftRules, "drop", "tcp dport { 22, 5200-5300 } accept"))}, OK, ""},
		"nft rejects last": {map[string]string{"nft": says(fmt.Sprintf(nftRules, "accept", "reject with icmpx admin-prohibited"))}, Warning, "sudo nft insert rule inet filter input tcp dport 5226 accept"},
		"nft for root":     {map[string]string{"nft": "exit 1\n"}, Skipped, "sudo nft insert rule inet filter input tcp dport 5226 accept"},
		"iptables none":    {map[string]string{"iptables": says("-P INPUT ACCEPT")}, OK, ""},
		"iptables shut":    {map[string]string{"iptables": says("-P INPUT DROP\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT")}, Warning, "sudo iptables -I INPUT -p tcp --dport 5226 -j ACCEPT"},
		"iptables open":    {map[string]string{"iptables": says("-P INPUT DROP\n-A INPUT -p tcp -m multiport --dports 80,5226 -j ACCEPT")}, OK, ""},
		"iptables rejects": {map[string]string{"iptables": says("-P INPUT ACCEPT\n-A INPUT -j REJECT --reject-with icmp-host-prohibited")}, Warning, "sudo iptables -I INPUT -p tcp --dport 5226 -j ACCEPT"},
	} {
		t.Run(name, func(t *testing.T) {
			tools(t, c.programs)
			f := Firewall(t.Context(), port)
			if f.State != c.want || c.line != "" && (len(f.Lines) == 0 || f.Lines[0] != c.line) || c.line == "" && f.Lines != nil {
				t.Errorf("%+v", f)
			}
		})
	}
}
