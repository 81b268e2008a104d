package storelog_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/queuedump"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/storelog"
)

var b64 = base64.URLEncoding.EncodeToString

func id(s string) string { return b64(fmt.Appendf(nil, "%-24s", s)) }

func id24[T ~string](s string) T { return T(fmt.Sprintf("%-24s", s)) }

func spki(k key.Public) string { return b64(k.AppendSPKI(nil)) }

var (
	rcv1, rcv2  = key.GenerateEd25519().PublicKey(), key.GenerateX25519().PublicKey()
	snd1, snd2  = key.GenerateX25519().PublicKey(), key.GenerateEd448().Public()
	ntf1        = key.GenerateEd25519().PublicKey()
	secret      = [32]byte{1, 2, 3, 31: 9}
	secretText  = b64(secret[:])
	chain       = [][]byte{[]byte("leaf"), []byte("identity")}
	serviceLine = "NEW_SERVICE service_id=" + id("service") + " role=M cert=" + b64(chain[0]) + "," + b64(chain[1]) +
		" cert_hash=" + b64([]byte("another hash")) + " created_at=1700006400"
)

// create is the line of a queue, with options after the sender's key.
func create(rid, sid, sk, options string) string {
	return "CREATE rid=" + id(rid) + " rk=" + spki(rcv1) + " rdh=" + secretText + " sid=" + id(sid) + " sk=" + sk + options
}

// load replays lines into a store.
func load(t *testing.T, lines []string, messages string) (*queuestore.Mem, *storelog.Log) {
	t.Helper()
	l := new(storelog.Log)
	if err := l.Read(strings.NewReader(strings.Join(lines, "\n")+"\n"), "log"); err != nil {
		t.Fatal(err)
	}
	if messages != "" {
		if err := l.ReadMessages(messages); err != nil {
			t.Fatal(err)
		}
	}
	var dump bytes.Buffer
	w, err := queuedump.NewWriter(&dump)
	if err == nil {
		err = l.WriteTo(w)
	}
	if err == nil {
		_, err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	s := queuestore.NewMem()
	if _, err := queuedump.Load(t.Context(), bytes.NewReader(dump.Bytes()), s, false); err != nil {
		t.Fatal(err)
	}
	return s, l
}

func find(t *testing.T, s *queuestore.Mem, kind queuestore.IDKind, name string) *queuestore.Entry {
	t.Helper()
	found, err := s.Lookup(t.Context(), queuestore.Ref{Kind: kind, ID: id24[smp.EntityID](name)})
	if err != nil {
		t.Fatal(err)
	}
	return found[0]
}

func noProblems(t *testing.T, l *storelog.Log) {
	t.Helper()
	for _, p := range l.Problems() {
		t.Error(p)
	}
}

// TestCreatedWithEverything is a compacted log: a line for each queue.
func TestCreatedWithEverything(t *testing.T) {
	s, l := load(t, []string{
		serviceLine,
		create("r1", "s1", spki(snd1), " queue_mode=C link_id="+id("l1")+" queue_data="+b64([]byte("fixed"))+" "+b64([]byte("user"))+
			" notifier="+id("n1")+" "+spki(ntf1)+" "+secretText+" nsrv="+id("nservice")+" updated_at=1700006400 status=off rsrv="+id("service")),
		create("r2", "s2", "", ""),
		create("r3", "s3", "", " sndSecure=T"),
		create("r4", "s4", "", ` queue_mode=M status=blocked,reason=spam,notice={"ttl":86400}`),
		create("r5", "s5", "", " sndSecure=F updated_at=1700006400 status=blocked,reason=content"),
		strings.Replace(create("r6", "s6", "", ""), spki(rcv1), spki(rcv1)+","+spki(rcv2), 1),
	}, "")
	noProblems(t, l)
	q := find(t, s, queuestore.ByRecipient, "r1").Queue
	want := queuestore.Queue{
		Num: q.Num, RecipientID: id24[smp.RecipientID]("r1"), SenderID: id24[smp.SenderID]("s1"), Secret: secret,
		RecipientKeys: []key.Public{rcv1}, SenderKey: snd1, Mode: smp.Contact, Status: queuestore.Off,
		LinkID: id24[smp.LinkID]("l1"), ServiceID: id24[smp.ServiceID]("service"),
		Notifier: &queuestore.Notifier{ID: id24[smp.NotifierID]("n1"), Key: ntf1, Secret: secret, ServiceID: id24[smp.ServiceID]("nservice")},
	}
	if got, want := fmt.Sprintf("%+v %+v", q, *q.Notifier), fmt.Sprintf("%+v %+v", &want, *want.Notifier); drop(got) != drop(want) {
		t.Errorf("queue is\n%s, want\n%s", got, want)
	}
	if d, err := s.LinkData(t.Context(), q.Num); err != nil || string(d.Fixed) != "fixed" || string(d.User) != "user" {
		t.Errorf("link data is %q, %v", d, err)
	}
	for name, mode := range map[string]smp.QueueMode{"r2": 0, "r3": smp.Messaging, "r4": smp.Messaging, "r5": smp.Contact} {
		if q := find(t, s, queuestore.ByRecipient, name).Queue; q.Mode != mode || q.SenderKey != nil {
			t.Errorf("%s: mode %v, sender's key %v", name, q.Mode, q.SenderKey)
		}
	}
	if q := find(t, s, queuestore.BySender, "s4").Queue; q.Status != queuestore.Blocked || q.Blocking.Reason != smp.BlockedSpam || *q.Blocking.Notice.TTL != 86400 {
		t.Errorf("blocked queue is %+v", q)
	}
	if q := find(t, s, queuestore.BySender, "s5").Queue; q.Blocking.Reason != smp.BlockedContent || q.Blocking.Notice != nil {
		t.Errorf("blocked queue is %+v", q)
	}
	if q := find(t, s, queuestore.BySender, "s6").Queue; !slices.Equal(q.RecipientKeys, []key.Public{rcv1, rcv2}) {
		t.Errorf("recipient's keys are %v", q.RecipientKeys)
	}
	services, err := s.ListServices(t.Context())
	if err != nil || len(services) != 1 || services[0] != (queuestore.Service{Certificate: smp.ChainIdentity(chain), Role: smp.RoleMessaging, ID: id24[smp.ServiceID]("service")}) {
		t.Errorf("services are %+v, %v", services, err)
	}
}

// drop leaves out addresses in memory.
func drop(s string) string {
	a, b, _ := strings.Cut(s, "Notifier:")
	_, c, _ := strings.Cut(b, " ")
	return a + c
}

// TestChanges replays a line for each change.
func TestChanges(t *testing.T) {
	rid := func(s string) string { return " " + id(s) }
	s, l := load(t, []string{
		create("r1", "s1", "", " queue_mode=C"),
		create("r2", "s2", "", ""), create("r3", "s3", "", ""), create("r4", "s4", "", ""),
		"LINK" + rid("r1") + rid("l1") + " " + b64([]byte("fixed")) + " " + b64([]byte("one")),
		"LINK" + rid("r1") + rid("l1") + " " + b64([]byte("fixed")) + " " + b64([]byte("two")),
		"SECURE" + rid("r1") + " " + spki(snd2),
		"SECURE" + rid("r1") + " " + spki(snd2),
		"KEYS" + rid("r1") + " " + spki(rcv2) + "," + spki(rcv1),
		"NOTIFIER" + rid("r1") + rid("n0") + " " + spki(ntf1) + " " + secretText,
		"NOTIFIER" + rid("r1") + rid("n1") + " " + spki(ntf1) + " " + secretText,
		"QUEUE_SERVICE" + rid("r1") + " N" + rid("service"),
		"QUEUE_SERVICE" + rid("r1") + " R" + rid("service"),
		"QUEUE_SERVICE" + rid("r1") + " R ",
		"TIME" + rid("r1") + " 1700006400",
		"LINK" + rid("r2") + rid("l2") + " " + b64([]byte("fixed")) + " " + b64([]byte("one")),
		"LDELETE" + rid("r2"), "NOTIFIER" + rid("r2") + rid("n2") + " " + spki(ntf1) + " " + secretText, "NDELETE" + rid("r2"),
		"SUSPEND" + rid("r2"), "BLOCK" + rid("r3") + " reason=spam", "BLOCK" + rid("r4") + " reason=content", "UNBLOCK" + rid("r4"),
		create("gone", "s9", "", " link_id="+id("l9")+" queue_data="+b64([]byte("f"))+" "+b64([]byte("u"))), "DELETE" + rid("gone"),
		create("again", "s9", "", " link_id="+id("l9")+" queue_data="+b64([]byte("f"))+" "+b64([]byte("u"))),
	}, "")
	noProblems(t, l)
	if c, _ := s.Counts(t.Context()); c.Queues != 5 || find(t, s, queuestore.ByRecipient, "gone") != nil {
		t.Errorf("%d queues", c.Queues)
	}
	q := find(t, s, queuestore.ByLink, "l1").Queue
	if d, _ := s.LinkData(t.Context(), q.Num); string(d.User) != "two" {
		t.Errorf("link data is %q", d)
	}
	if q.SenderKey != snd2 || !slices.Equal(q.RecipientKeys, []key.Public{rcv2, rcv1}) || q.ServiceID != "" ||
		q.Notifier.ID != id24[smp.NotifierID]("n1") || q.Notifier.ServiceID != id24[smp.ServiceID]("service") {
		t.Errorf("queue is %+v, %+v", q, q.Notifier)
	}
	if q := find(t, s, queuestore.ByRecipient, "r2").Queue; q.Status != queuestore.Off || q.Notifier != nil || q.LinkID != "" {
		t.Errorf("queue is %+v", q)
	}
	if q := find(t, s, queuestore.ByRecipient, "r3").Queue; q.Status != queuestore.Blocked {
		t.Errorf("queue is %+v", q)
	}
	if q := find(t, s, queuestore.ByRecipient, "r4").Queue; q.Status != queuestore.Active || q.Blocking != nil {
		t.Errorf("queue is %+v", q)
	}
}

// TestBadLines are told by their numbers, and not quoted.
func TestBadLines(t *testing.T) {
	good := create("r1", "s1", spki(snd1), "")
	lines := []string{
		good,
		good,                         // twice
		create("r2", "s1", "", ""),   // sender's ID in use
		create("r3", "s3", "x", ""),  // no key
		create("r4", "s4", "", " x"), // something after the end
		"SECURE " + id("absent") + " " + spki(snd1),
		"SECURE " + id("r1") + " " + spki(snd2), // has another key
		"FLY " + id("r1"),
		"DELETE",
		create("r5", "s5", "", " status=on"), create("r5", "s5", "", " status=blocked,reason=mood"),
		create("r5", "s5", "", " queue_mode=Z"), strings.Replace(create("r5", "s5", "", ""), secretText, b64([]byte("short")), 1),
		"QUEUE_SERVICE " + id("r1") + " N " + id("service"), // without notifier
		create("last", "s6", "", ""),
	}
	s, l := load(t, lines, "")
	if c, _ := s.Counts(t.Context()); c.Queues != 2 {
		t.Errorf("%d queues", c.Queues)
	}
	if n := len(l.Problems()); n != len(lines)-2 {
		t.Errorf("%d problems in %d lines", n, len(lines)-2)
	}
	for i, p := range l.Problems() {
		if p.Line != i+2 || p.File != "log" || strings.Contains(p.String(), secretText) || strings.Contains(p.String(), "rid=") {
			t.Error(p)
		}
	}
	l = new(storelog.Log)
	if err := l.Read(strings.NewReader(good+"\nSUSPEND "+id("r1")[:9]), "log"); err != nil || len(l.Problems()) != 1 || !strings.Contains(l.Problems()[0].What, "cut short") {
		t.Errorf("torn line: %v, %v", l.Problems(), err)
	}
	if err := new(storelog.Log).Read(strings.NewReader(strings.Repeat("x", 3<<20)), "log"); err == nil {
		t.Error("a file without lines was read")
	}
}

// bodies are what a queue holds, with their times.
func bodies(t *testing.T, s *queuestore.Mem, name string) (out []string) {
	t.Helper()
	n := find(t, s, queuestore.ByRecipient, name).Queue.Num
	after := queuestore.Seq(0)
	for {
		m, err := s.Next(t.Context(), n, after)
		if err != nil {
			t.Fatal(err)
		}
		if m == nil {
			return out
		}
		out, after = append(out, fmt.Sprintf("%s %d %t %t", m.Body, m.Time.Unix(), m.Notify, m.Quota)), m.Seq
	}
}

func msg(text string, at int, flags string) string {
	return id(text) + " " + fmt.Sprint(at) + " " + flags + b64([]byte(text))
}

func TestMessageLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "messages.log")
	lines := []string{
		"v3 " + id("r1") + " " + msg("first", 1700000005, "flags=T "),
		"v3 " + id("r1") + " " + msg("second", 1700000003, "flags=F "), // the clock went back
		"v3 " + id("r1") + " " + msg("third", 1700000009, ""),
		"v3 " + id("r1") + " " + id("quota") + " 1700000010 quota",
		"v3 " + id("r2") + " " + msg("old", 1700000001, "flags=Tetc "),
		"v3 " + id("absent") + " " + msg("lost", 1700000001, "flags=F "),
		"v2 " + id("r1") + " " + msg("lost", 1700000001, "flags=F "),
		"v3 " + id("r1") + " " + id("x") + " soon flags=F " + b64([]byte("x")),
		"v3 " + id("r1") + " " + msg(strings.Repeat("long", 5000), 1700000001, "flags=F "),
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, l := load(t, []string{create("r1", "s1", "", ""), create("r2", "s2", "", "")}, path)
	if got, want := bodies(t, s, "r1"), []string{"first 1700000005 true false", "second 1700000003 false false",
		"third 1700000009 false false", " 1700000010 false true"}; !slices.Equal(got, want) {
		t.Errorf("messages are %q", got)
	}
	if !find(t, s, queuestore.ByRecipient, "r1").Full {
		t.Error("the queue is not full")
	}
	if got := bodies(t, s, "r2"); !slices.Equal(got, []string{"old 1700000001 true false"}) {
		t.Errorf("messages are %q", got)
	}
	all, err := s.ListMessages(t.Context(), 0, 1)
	if err != nil || string(all[0].Body) != "old" {
		t.Errorf("the oldest message is not the first, %v", err)
	}
	if p := l.Problems(); len(p) != 4 || p[0].Line != 6 || p[3].Line != 9 {
		t.Errorf("problems are %v", p)
	}
}

// TestJournals reads directories of queues: with one file, with two, with
// none; with a state line that was being written, or a whole state file.
func TestJournals(t *testing.T) {
	top := t.TempDir()
	put := func(queue, name, text string) {
		t.Helper()
		rid := id(queue)
		dir := filepath.Join(top, rid[:2], rid[2:4], rid[4:])
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	state := func(q string) string { return "queue_state." + id(q) + ".log" }
	line := func(w, r string, wAt, rAt, rBytes, size int) string {
		return fmt.Sprintf("write=%s,9,9,%d,%d read=%s,9,9,%d,%d canWrite=T size=%d\n", w, wAt, wAt, r, rAt, rBytes, size)
	}
	a, b, c := msg("a", 1700000001, "flags=F ")+"\n", msg("b", 1700000002, "flags=T ")+"\n", msg("c", 1700000003, "flags=F ")+"\n"
	n := len(a)
	put("r1", state("r1"), line("J1", "J1", n, 0, n, 1)+line("J1", "J1", 2*n, n, 2*n, 1)+"write=J1,9")
	put("r1", "messages.J1.log", a+b+"what is after the end")
	put("r2", state("r2"), line("J2", "J1", n, n, 2*n, 2))
	put("r2", "messages.J1.log", a+b)
	put("r2", "messages.J2.log", c)
	put("r3", state("r3"), "being rewritten")
	put("r3", state("r3")+".bak", line("J1", "J1", n, 0, n, 1))
	put("r3", state("r3")+".2026-01-02T03:04:05Z.bak", line("J1", "J1", n, 0, 5*n, 5))
	put("r3", "messages.J1.log", c)
	put("r4", state("r4"), line("J1", "J1", 0, 0, 0, 0))
	put("r5", state("r5"), line("J1", "J1", n, 0, n, 1))
	put("r6", state("r6"), "nothing of sense\n")
	put("r7", state("r7"), line("../x", "../x", n, 0, n, 1))
	put("absent", state("absent"), line("J1", "J1", n, 0, n, 1))
	var lines []string
	for i := range 7 {
		lines = append(lines, create(fmt.Sprint("r", i+1), fmt.Sprint("s", i+1), "", ""))
	}
	s, l := load(t, lines, top)
	for q, want := range map[string][]string{
		"r1": {"b 1700000002 true false"}, "r2": {"b 1700000002 true false", "c 1700000003 false false"},
		"r3": {"c 1700000003 false false"}, "r4": nil, "r5": nil, "r6": nil, "r7": nil,
	} {
		if got := bodies(t, s, q); !slices.Equal(got, want) {
			t.Errorf("%s: messages are %q, want %q", q, got, want)
		}
	}
	if p := l.Problems(); len(p) != 4 {
		t.Errorf("problems are %v", p)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(serviceLine + "\n" + create("r1", "s1", "", " queue_mode=M") + "\nSUSPEND " + id("r1") + "\n"))
	f.Add([]byte(create("r1", "s1", spki(snd1), " link_id="+id("l1")+" queue_data="+id("f")+" "+id("u")+" status=off")))
	f.Fuzz(func(t *testing.T, text []byte) {
		l := new(storelog.Log)
		if err := l.Read(bytes.NewReader(text), "log"); err != nil {
			return
		}
		var dump bytes.Buffer
		w, err := queuedump.NewWriter(&dump)
		if err == nil {
			err = l.WriteTo(w)
		}
		if err == nil {
			_, err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := queuedump.Verify(&dump); err != nil {
			t.Fatal(err)
		}
	})
}
