package relayhome_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/queuedump"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
)

// TestTakeover puts a relay in the place of an smp-server: the clients of
// before go on with their queues, and get the messages that waited.
func TestTakeover(t *testing.T) {
	b64 := base64.URLEncoding.EncodeToString
	spki := func(k key.Public) string { return b64(k.AppendSPKI(nil)) }
	rcv, snd, dh, server := key.GenerateEd25519(), key.GenerateX25519(), key.GenerateX25519(), key.GenerateX25519()
	secret, err := dh.DH(server.Public())
	if err != nil {
		t.Fatal(err)
	}
	rid, sid, lid, mid := strings.Repeat("r", 24), strings.Repeat("s", 24), strings.Repeat("l", 24), strings.Repeat("m", 24)
	data := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(data, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log := "CREATE rid=" + b64([]byte(rid)) + " rk=" + spki(rcv.PublicKey()) + " rdh=" + b64(secret) + " sid=" + b64([]byte(sid)) +
		" sk= queue_mode=C link_id=" + b64([]byte(lid)) + " queue_data=" + b64([]byte("fixed")) + " " + b64([]byte("user")) + "\n" +
		"SECURE " + b64([]byte(rid)) + " " + spki(snd.PublicKey()) + "\n"
	put("smp-server-store.log", log+"nothing of sense\n")
	line := b64([]byte(mid)) + " 1700000000 flags=F " + b64([]byte("waited")) + "\n"
	put("messages/ab/cd/queue_state."+b64([]byte(rid))+".log",
		fmt.Sprintf("write=J,1,1,%d,%d read=J,0,1,0,%d canWrite=T size=1\n", len(line), len(line), len(line)))
	put("messages/ab/cd/messages.J.log", line)

	h := newHome(t)
	ctx := t.Context()
	if _, _, err := h.Takeover(ctx, relayhome.Takeover{Dir: t.TempDir()}); exit.Code(err) != exit.NoInput {
		t.Errorf("an empty directory: %v", err)
	}
	_, problems, err := h.Takeover(ctx, relayhome.Takeover{Dir: data})
	if exit.Code(err) != exit.DataErr || len(problems) != 1 || problems[0].Line != 3 {
		t.Errorf("a bad line: %v, %v", problems, err)
	}
	var told queuedump.Totals
	h.Progress = func(read, all queuedump.Totals) {
		if told = read; read.Queues > all.Queues || read.Messages > all.Messages {
			t.Errorf("%+v of %+v", read, all)
		}
	}
	n, _, err := h.Takeover(ctx, relayhome.Takeover{Dir: data, SkipBad: true})
	if err != nil || n.Queues != 1 || n.Messages != 1 || told != n {
		t.Fatalf("%+v, %v", n, err)
	}
	if _, _, err := h.Takeover(ctx, relayhome.Takeover{Dir: data, SkipBad: true}); exit.Code(err) != exit.CantCreate {
		t.Errorf("a store that is not empty: %v", err)
	}
	put("smp-server-store.log.start", log) // what the other was made from
	if n, _, err := h.Takeover(ctx, relayhome.Takeover{Dir: data, Merge: true}); err != nil || n.Queues != 0 || n.Messages != 0 {
		t.Errorf("a second time: %+v, %v", n, err)
	}

	h.Settings.TTLDays = 36500 // the message is old
	_, addr := run(t, h)
	got := make(chan smp.MSG, 4)
	c, err := smpclient.Dial(ctx, addr, smpclient.Options{OnMessage: func(_ smp.EntityID, m smp.Message) {
		if m, ok := m.(smp.MSG); ok {
			got <- m
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	q := smpclient.Queue{ID: smp.RecipientID(rid), Key: rcv}
	if err := c.Subscribe(ctx, []smpclient.Queue{q})[0]; err != nil {
		t.Fatal(err)
	}
	shared, err := box.SharedKey(server.Public(), dh)
	if err != nil {
		t.Fatal(err)
	}
	receive := func(want string) {
		t.Helper()
		m := <-got
		body, err := smp.OpenMsg(shared, m)
		if err != nil || !bytes.Equal(body.Body, []byte(want)) {
			t.Fatalf("message is %q, %v", body.Body, err)
		}
		if err := c.Ack(ctx, q, m.ID); err != nil {
			t.Fatal(err)
		}
	}
	receive("waited")
	if err := c.Send(ctx, smp.SenderID(sid), snd, smp.SEND{Body: []byte("new")}); err != nil {
		t.Fatal(err)
	}
	receive("new")
	if l, err := c.GetLink(ctx, smp.LinkID(lid)); err != nil || string(l.Data.User) != "user" || l.SenderID != smp.SenderID(sid) {
		t.Errorf("link is %+v, %v", l, err)
	}
}
