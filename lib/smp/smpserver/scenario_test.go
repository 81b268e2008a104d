package smpserver_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpproxy"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// scenario gives things the names that the vectors have for them.
type scenario struct {
	t     *testing.T
	relay *smptest.Relay
	conns map[string]*smptest.Conn

	queues  map[string]*scnQueue
	current *scnQueue // the last made
	msgs    []smp.MsgID
	others  map[string]key.Private // by name
	link    smp.LinkID
	link2   smp.LinkID
	unknown smp.EntityID
	sent    smp.EntityID // of the last command
	again   map[string]smp.Item
	batch   map[int]smp.CorrID // of the commands in one block
}

type scnQueue struct {
	*smptest.Queue
	name string
	snd  key.Private
	ntf  key.Private
	ntfs []smp.NotifierID
}

func newScenario(t *testing.T, opts ...smptest.Option) *scenario {
	opts = append(opts, smptest.WithProxy(smpproxy.Config{}))
	return &scenario{
		t: t, relay: smptest.Start(t, opts...),
		conns: map[string]*smptest.Conn{}, queues: map[string]*scnQueue{}, others: map[string]key.Private{},
		link: smp.LinkID(smptest.NewCorrID()), link2: smp.LinkID(smptest.NewCorrID()),
		unknown: smp.EntityID(smptest.NewCorrID()),
		again:   map[string]smp.Item{}, batch: map[int]smp.CorrID{},
	}
}

var versionName = regexp.MustCompile(`\(v(\d+)\)`)

func (w *scenario) conn(name string) *smptest.Conn {
	w.t.Helper()
	if c := w.conns[name]; c != nil {
		return c
	}
	var o smptest.ConnOptions
	if m := versionName.FindStringSubmatch(name); m != nil {
		var v wire.Version
		if _, err := fmt.Sscan(m[1], &v); err != nil {
			w.t.Fatal(err)
		}
		o.Versions = wire.VersionRange{Min: smp.Versions.Min, Max: v}
	}
	o.NoALPN = strings.Contains(name, "no ALPN")
	if strings.Contains(name, "service") {
		ca, err := transport.GenerateCA("service", time.Now())
		if err != nil {
			w.t.Fatal(err)
		}
		if o.Service, err = ca.GenerateLeaf("service", time.Now()); err != nil {
			w.t.Fatal(err)
		}
		o.ServiceRole = smp.RoleMessaging
	}
	w.conns[name] = smptest.Dial(w.t, w.relay.Addr, o)
	return w.conns[name]
}

// entity resolves a symbolic name such as q.rcv.
func (w *scenario) entity(name string) smp.EntityID {
	w.t.Helper()
	switch name {
	case "-", "":
		return ""
	case "unknown id", "?":
		return w.unknown
	case "link":
		return smp.EntityID(w.link)
	case "service id":
		return smp.EntityID(w.conn("R (service)").Service.ServiceID)
	}
	queue, part, _ := strings.Cut(name, ".")
	q := w.queues[queue]
	if q == nil {
		w.t.Fatalf("no queue %q", queue)
	}
	switch part {
	case "rcv":
		return q.RcvID()
	case "snd":
		return q.SndID()
	case "ntf":
		return smp.EntityID(q.ntfs[0])
	case "ntf2":
		return smp.EntityID(q.ntfs[1])
	}
	w.t.Fatalf("unknown entity %q", name)
	return ""
}

func (w *scenario) queueOf(st observed) *scnQueue {
	if name, _, ok := strings.Cut(st.Entity, "."); ok {
		return w.queues[name]
	}
	return w.current
}

func (w *scenario) other(name string) key.Private {
	if w.others[name] == nil {
		w.others[name] = key.GenerateX25519()
	}
	return w.others[name]
}

// key resolves who authorizes a command.
func (w *scenario) key(st observed) key.Private {
	w.t.Helper()
	q := w.queueOf(st)
	switch a := st.AuthorizedWith; {
	case a == "none" || a == "":
		return nil
	case strings.HasPrefix(a, "rcv key of "):
		return w.queues[strings.TrimPrefix(a, "rcv key of ")].Key
	case strings.HasPrefix(a, "rcv key"):
		return q.Key
	case a == "sender key":
		return q.snd
	case a == "ntf key":
		return q.ntf
	case a == "another ed25519 key":
		return key.GenerateEd25519()
	case a == "another key", a == "another x25519 key", a == "key2":
		return w.other(a)
	case a == "service session key":
		return w.conn(st.Connection).Service.Key
	}
	w.t.Fatalf("unknown authorization %q", st.AuthorizedWith)
	return nil
}

var newQueue = regexp.MustCompile(`^NEW (subscribe|only-create)(?: mode (M|C))? → queue (\w+)$`)

// answer runs a step's command and waits for the answer.
func (w *scenario) answer(st observed) smp.Response {
	w.t.Helper()
	c := w.conn(st.Connection)
	if m := newQueue.FindStringSubmatch(st.Command); m != nil {
		var mode smp.QueueMode
		if m[2] != "" {
			mode = smp.QueueMode(m[2][0])
		}
		return w.create(c, m[3], m[1] == "subscribe", mode)
	}
	if strings.HasPrefix(st.Command, "response to command ") {
		return w.inOneBlock(c, st)
	}
	if id, ok := w.special(c, st); ok {
		return c.Answer(id)
	}
	cmd := w.command(c, st)
	w.sent = w.entity(st.Entity)
	r := c.Do(w.sent, cmd, w.key(st))
	if m, ok := r.Message.(smp.NID); ok {
		q := w.queueOf(st)
		q.ntfs = append(q.ntfs, m.NotifierID)
	}
	return r
}

func (w *scenario) create(c *smptest.Conn, name string, subscribe bool, mode smp.QueueMode) smp.Response {
	q := &scnQueue{Queue: c.NewQueue(subscribe, mode), name: name}
	q.snd, q.ntf = key.GenerateX25519(), key.GenerateX25519()
	if c.Params.Version < smp.VersionAuth {
		q.snd = key.GenerateEd25519()
	}
	w.queues[name], w.current, w.sent = q, q, ""
	return smp.Response{Message: q.IDS}
}

// special runs commands that need more than a value: chosen correlation IDs,
// bytes that are no command, or no queue.
func (w *scenario) special(c *smptest.Conn, st observed) (smp.CorrID, bool) {
	w.t.Helper()
	w.sent = w.entity(st.Entity)
	with := func(id smp.CorrID, cmd smp.Command, k key.Private) (smp.CorrID, bool) {
		cred := smp.Credentials{Key: k}
		item, err := c.Params.EncodeCommand(id, w.sent, cmd, cred)
		if err != nil {
			w.t.Fatal(err)
		}
		c.SendBlock(item)
		return id, true
	}
	switch cmd := st.Command; {
	case strings.HasPrefix(cmd, "PING with a correlation id of "):
		var n int
		if _, err := fmt.Sscanf(cmd, "PING with a correlation id of %d bytes", &n); err != nil {
			w.t.Fatal(err)
		}
		return with(smp.CorrID(strings.Repeat("c", n)), smp.PING{}, nil)
	case cmd == "unknown command", cmd == "empty command", cmd == "KEY without parameter":
		id, item := c.Encode(w.sent, smp.OFF{}, w.key(st))
		text := map[string]string{"unknown command": "HELLO", "empty command": "", "KEY without parameter": "KEY"}[cmd]
		item = append(item[:len(item)-len("OFF")], text...)
		binary.BigEndian.PutUint16(item[1:], uint16(len(item)-3))
		c.SendBlock(item)
		return id, true
	case strings.HasPrefix(cmd, "NEW mode"), strings.HasPrefix(cmd, "the same NEW"):
		return w.newWithLink(c, cmd), true
	}
	return "", false
}

// newWithLink runs NEW with link data; the same step sends the same bytes.
func (w *scenario) newWithLink(c *smptest.Conn, cmd string) smp.CorrID {
	w.t.Helper()
	const first = "NEW mode C with link data, sender id = first 24 bytes of SHA3-384(corrId)"
	if strings.HasPrefix(cmd, "the same NEW") {
		cmd = first
	}
	item, ok := w.again[cmd]
	if !ok {
		id := smptest.NewCorrID()
		k := key.GenerateX25519()
		dh := key.GenerateX25519()
		data := &smp.QueueReqData{LinkID: w.link, SenderID: smp.SenderIDFrom(id),
			Data: smp.LinkData{Fixed: []byte("fixed"), User: []byte("user")}}
		if strings.Contains(cmd, "is not the hash") {
			data.SenderID = smp.SenderID(smptest.NewCorrID())
		}
		req := smp.NEW{AuthKey: k.Public(), DHKey: dh.Public(), Queue: &smp.QueueReq{Mode: smp.Contact, Data: data}}
		if strings.HasPrefix(cmd, "NEW mode M") {
			req.Queue.Mode = smp.Messaging
		}
		var err error
		if item, err = c.Params.EncodeCommand(id, "", req, smp.Credentials{Key: k}); err != nil {
			w.t.Fatal(err)
		}
		w.again[cmd] = item
		if cmd == first {
			shared, err := box.SharedKey(dh.Public(), dh)
			if err != nil {
				w.t.Fatal(err)
			}
			ids := smp.IDS{SenderID: data.SenderID}
			w.queues["q"] = &scnQueue{Queue: &smptest.Queue{IDS: ids, Key: k, Secret: shared}}
		}
	}
	c.SendBlock(item)
	// short authorization, '0': no service, short ID
	at := 3 + 1 + int(item[3]) + 1
	return smp.CorrID(item[at+1 : at+1+int(item[at])])
}

// inOneBlock sends all commands with the first of the steps.
func (w *scenario) inOneBlock(c *smptest.Conn, st observed) smp.Response {
	w.t.Helper()
	if len(w.batch) == 0 {
		q1, q2 := w.queues["q1"], w.queues["q2"]
		var items []smp.Item
		for i, x := range []struct {
			entity smp.EntityID
			cmd    smp.Command
			k      key.Private
		}{{q1.RcvID(), smp.SUB{}, q1.Key}, {q2.RcvID(), smp.SUB{}, q2.Key}, {"", smp.PING{}, nil}, {q2.RcvID(), smp.SUB{}, q1.Key}} {
			id, item := c.Encode(x.entity, x.cmd, x.k)
			items, w.batch[i+1] = append(items, item), id
		}
		for _, b := range smp.Pack(items) {
			c.SendBlock(b.Block)
		}
	}
	var n int
	if _, err := fmt.Sscanf(st.Command, "response to command %d of:", &n); err != nil {
		w.t.Fatal(err)
	}
	return c.Answer(w.batch[n])
}

// command is the command of a step in the protocol's terms.
func (w *scenario) command(c *smptest.Conn, st observed) smp.Command {
	w.t.Helper()
	q := w.queueOf(st)
	tag, rest, _ := strings.Cut(st.Command, " ")
	switch tag {
	case "NEW":
		cmd := smp.NEW{DHKey: key.GenerateX25519().Public(), Create: strings.HasPrefix(rest, "only-create")}
		switch {
		case st.AuthorizedWith == "another key" || st.AuthorizedWith == "none":
			cmd.AuthKey = key.GenerateX25519().Public()
		case q == nil:
			w.create(c, "q", false, 0) // a key of the kind that the version has
			cmd.AuthKey = w.current.Key.PublicKey()
		default:
			cmd.AuthKey = q.Key.PublicKey()
		}
		return cmd
	case "SEND":
		return sendCommand(w.t, rest)
	case "ACK":
		var n int
		if _, err := fmt.Sscanf(rest, "msg%d", &n); err != nil || n > len(w.msgs) {
			w.t.Fatalf("%s: %v", st.Command, err)
		}
		return smp.ACK{ID: w.msgs[n-1]}
	case "KEY", "SKEY":
		k := q.snd
		if strings.HasPrefix(rest, "another key") {
			k = w.other("another key")
		}
		if tag == "KEY" {
			return smp.KEY{Key: k.PublicKey()}
		}
		return smp.SKEY{Key: k.PublicKey()}
	case "LKEY":
		return smp.LKEY{Key: q.snd.PublicKey()}
	case "RKEY":
		keys := []key.Public{w.other("key2").PublicKey()}
		if strings.HasPrefix(rest, "old key") {
			keys = append([]key.Public{q.Key.PublicKey()}, keys...)
		}
		return smp.RKEY{Keys: keys}
	case "NKEY":
		return smp.NKEY{NtfReq: smp.NtfReq{AuthKey: q.ntf.PublicKey(), DHKey: key.GenerateX25519().Public()}}
	case "LSET":
		return w.lset(rest)
	case "PFWD":
		return smp.PFWD{Version: c.Params.Version, Key: key.GenerateX25519().Public(), Body: make([]byte, smp.ProxiedSize+16)}
	case "PRXY":
		return smp.PRXY{Server: smp.ServerAddr{Hosts: []string{"127.0.0.1"}, Port: refusingPort(w.t), KeyHash: w.relay.Addr.KeyHash}}
	}
	plain := map[string]smp.Command{"SUB": smp.SUB{}, "SUBS": smp.SUBS{}, "NSUB": smp.NSUB{}, "OFF": smp.OFF{}, "DEL": smp.DEL{},
		"QUE": smp.QUE{}, "PING": smp.PING{}, "LGET": smp.LGET{}, "LDEL": smp.LDEL{}, "NDEL": smp.NDEL{}, "GET": smp.GET{}}
	cmd, ok := plain[tag]
	if !ok {
		w.t.Fatalf("unknown command %q", st.Command)
	}
	return cmd
}

func (w *scenario) lset(rest string) smp.Command {
	f := strings.Fields(rest + " fixed1 user1")
	cmd := smp.LSET{LinkID: w.link, Data: smp.LinkData{Fixed: []byte("fixed3"), User: []byte("user3")}}
	if f[0] == "link2" {
		cmd.LinkID = w.link2
	}
	if strings.HasPrefix(f[1], "fixed") {
		cmd.Data = smp.LinkData{Fixed: []byte(f[1]), User: []byte(f[2])}
	}
	return cmd
}

func sendCommand(t *testing.T, rest string) smp.SEND {
	t.Helper()
	cmd := send("x")
	var n int
	switch {
	case strings.HasPrefix(rest, `"`):
		cmd.Body = []byte(strings.Trim(rest, `"`))
	case strings.Contains(rest, " bytes"):
		if _, err := fmt.Sscanf(rest, "%d bytes", &n); err != nil {
			t.Fatal(err)
		}
		cmd.Body = make([]byte, n)
	case strings.Contains(rest, "without the notification flag"):
		cmd.Flags.Notify = false
	case rest == "x" || rest == "x to the recipient id":
	default:
		t.Fatalf("unknown SEND %q", rest)
	}
	return cmd
}

func refusingPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}

// describe is a response in the vectors' words.
func (w *scenario) describe(r smp.Response) string {
	w.t.Helper()
	switch m := r.Message.(type) {
	case smp.IDS:
		mode, link, ntf := "none", "none", "none"
		if m.Mode != 0 {
			mode = string(m.Mode)
		}
		if m.LinkID != "" {
			link = "some"
		}
		if m.NtfCreds != nil {
			ntf = "some"
		}
		return fmt.Sprintf("IDS (mode %s, link id %s, ntf creds %s)", mode, link, ntf)
	case smp.SOK:
		if m.ServiceID != "" {
			return "SOK 1 service id"
		}
		return "SOK 0"
	case smp.MSG:
		return w.describeMsg(r.EntityID, r)
	case smp.NMSG:
		return fmt.Sprintf("NMSG (%d bytes of encrypted metadata)", len(m.Meta))
	case smp.LNK:
		sender := "?"
		for name, q := range w.queues {
			if q.SenderID == m.SenderID {
				sender = name + ".snd"
			}
		}
		return fmt.Sprintf("LNK sender=%s fixed=%q user=%q", sender, m.Data.Fixed, m.Data.User)
	case smp.INFO:
		return describeInfo(m.Info)
	}
	return smptest.Describe(r)
}

func (w *scenario) describeMsg(entity smp.EntityID, r smp.Response) string {
	w.t.Helper()
	for _, q := range w.queues {
		if q.RcvID() != entity {
			continue
		}
		id, b := q.Open(w.t, r)
		n := 0
		for n < len(w.msgs) && w.msgs[n] != id {
			n++
		}
		if n == len(w.msgs) {
			w.msgs = append(w.msgs, id)
		}
		return fmt.Sprintf("MSG msg%d (body %q ntf=%s)", n+1, b.Body, flag(b.Flags.Notify))
	}
	return "MSG of an unknown queue"
}

func flag(b bool) string { return string(wire.AppendBool(nil, b)) }

func describeInfo(i smp.QueueInfo) string {
	sub, msg := "none", "none"
	if i.Sub != nil {
		sub = "Q" + strings.ToUpper(i.Sub.Thread[:1]) + i.Sub.Thread[1:]
	}
	if i.Msg != nil {
		msg = i.Msg.Type
	}
	return fmt.Sprintf("INFO snd=%s ntf=%s sub=%s size=%d msg=%s", flag(i.Snd), flag(i.Ntf), sub, i.Size, msg)
}
