package envelope

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/link"
	"github.com/simplexkit/simplexkit/lib/wire"
)

const file = "agent_messages.json"

func TestVectorAgentMessages(t *testing.T) {
	vectors.Load(t, file).Dispatch(t, map[string]func(*testing.T, vectors.Case){
		"a_message/*":         testMessage,
		"agent_message":       testPlain,
		"envelope/*":          testEnvelope,
		"decode_edge":         testEdge,
		"client_msg_envelope": testClientEnvelope,
		"client_message":      testClientMessage,
		"conversation":        testConversation,
		"contact_request":     testContactRequest,
	})
}

type messageCase struct {
	Message   json.RawMessage
	Hex       vectors.Hex
	DecodesTo json.RawMessage `json:"decodes_to"`
	Equal     bool            `json:"decodes_and_reencodes_equal"`
}

func testMessage(t *testing.T, c vectors.Case) {
	var v messageCase
	c.Decode(t, &v)
	m, err := ParseMessage(v.Hex)
	if err != nil {
		t.Fatal(err)
	}
	want := v.Message
	if v.DecodesTo != nil {
		want = v.DecodesTo
	}
	same(t, messageJSON(m), want)
	if got := AppendMessage(nil, m); bytes.Equal(got, v.Hex) != v.Equal {
		t.Errorf("encoded again: %x, want %x", got, []byte(v.Hex))
	}
}

func testPlain(t *testing.T, c vectors.Case) {
	var v messageCase
	c.Decode(t, &v)
	p, err := ParsePlain(v.Hex)
	if err != nil {
		t.Fatal(err)
	}
	same(t, plainJSON(p), v.DecodesTo)
	if got := AppendPlain(nil, p); bytes.Equal(got, v.Hex) != v.Equal {
		t.Errorf("encoded again: %x, want %x", got, []byte(v.Hex))
	}
}

func testEnvelope(t *testing.T, c vectors.Case) {
	var v struct {
		Type   string
		Fields json.RawMessage
		Hex    vectors.Hex
		Equal  bool `json:"decodes_and_reencodes_equal"`
	}
	c.Decode(t, &v)
	e, err := Parse(v.Hex)
	if err != nil {
		t.Fatal(err)
	}
	same(t, envelopeJSON(e), v.Fields)
	if got := Append(nil, e); bytes.Equal(got, v.Hex) != v.Equal {
		t.Errorf("encoded again: %x, want %x", got, []byte(v.Hex))
	}
}

func envelopeJSON(e Envelope) object {
	o := object{"agent_version": e.AgentVersion()}
	switch e := e.(type) {
	case Confirmation:
		o["enc_conn_info"], o["e2e_params"] = hexOf(e.Info), "null"
		if e.E2E != nil {
			o["e2e_params"] = hexOf(e.E2E.Append(nil))
		}
	case Message:
		o["enc_agent_message"] = hexOf(e.Body)
	case Invitation:
		o["conn_req_uri"], o["conn_info"] = e.Link, hexOf(e.Info)
	case RatchetKey:
		o["info"], o["e2e_params"] = hexOf(e.Info), hexOf(e.E2E.Append(nil))
	}
	return o
}

func testEdge(t *testing.T, c vectors.Case) {
	var v struct {
		As, What, Result string
		Hex              vectors.Hex
	}
	c.Decode(t, &v)
	var err error
	switch v.As {
	case "AgentMsgEnvelope":
		_, err = Parse(v.Hex)
	case "AgentMessage":
		_, err = ParsePlain(v.Hex)
	case "AMessage":
		_, err = ParseMessage(v.Hex)
	default:
		t.Fatalf("unknown type %q", v.As)
	}
	if (err == nil) != (v.Result == "ok") {
		t.Errorf("%s: got %v, want %s", v.What, err, v.Result)
	}
}

func testClientEnvelope(t *testing.T, c vectors.Case) {
	var v struct {
		Version wire.Version       `json:"client_version"`
		Key     *vectors.PublicKey `json:"e2e_pub_key"`
		Nonce   vectors.Hex
		Body    vectors.Hex `json:"enc_body"`
		Hex     vectors.Hex
	}
	c.Decode(t, &v)
	want := smp.ClientEnvelope{Version: v.Version, Nonce: box.Nonce(v.Nonce), Sealed: v.Body}
	if v.Key != nil {
		k := key.X25519Public(v.Key.Raw)
		want.Key = &k
	}
	if got := want.Append(nil); !bytes.Equal(got, v.Hex) {
		t.Errorf("encoded %x, want %x", got, []byte(v.Hex))
	}
	got, err := smp.ParseClientEnvelope(v.Hex)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Append(nil), v.Hex) {
		t.Errorf("encoded again: %x", got.Append(nil))
	}
}

func testClientMessage(t *testing.T, c vectors.Case) {
	var v struct {
		Header json.RawMessage `json:"priv_header"`
		Body   vectors.Hex
		Hex    vectors.Hex
	}
	c.Decode(t, &v)
	m, err := smp.ParseClientMessage(v.Hex)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m.Body, v.Body) || !bytes.Equal(m.Append(nil), v.Hex) {
		t.Errorf("body %x, encoded again %x", m.Body, m.Append(nil))
	}
	if m.SenderKey != nil && !bytes.Contains(v.Header, hex.AppendEncode(nil, m.SenderKey.Raw())) {
		t.Errorf("key %x is not in the header %s", m.SenderKey.Raw(), v.Header)
	}
	if empty := bytes.Contains(v.Header, []byte("(_)")); empty != (m.SenderKey == nil) {
		t.Errorf("header %s, key %v", v.Header, m.SenderKey)
	}
}

func testContactRequest(t *testing.T, c vectors.Case) {
	var v struct {
		Queue   vectors.PrivateKey `json:"queue_e2e_x25519_of_contact_address"`
		Sender  vectors.PrivateKey `json:"sender_one_time_x25519"`
		Nonce   vectors.Hex
		Message vectors.Hex `json:"client_message"`
		Padded  int         `json:"padded_length"`
		Send    vectors.Hex `json:"send_body"`
		Inner   vectors.Hex `json:"agent_envelope"`
		Link    string      `json:"conn_req_uri"`
		Info    vectors.Hex `json:"conn_info"`
	}
	c.Decode(t, &v)
	if v.Padded != smp.ConfirmationSize {
		t.Errorf("padded to %d, not %d", v.Padded, smp.ConfirmationSize)
	}
	e, m := openSend(t, v.Send, private(t, v.Queue), nil)
	if !bytes.Equal(m.Append(nil), v.Message) || m.SenderKey != nil || !bytes.Equal(m.Body, v.Inner) {
		t.Fatalf("client message %x", m.Append(nil))
	}
	if !bytes.Equal(e.Nonce[:], v.Nonce) || !bytes.Equal(e.Key.Raw(), v.Sender.PublicRaw) {
		t.Errorf("nonce %x, key %x", e.Nonce, e.Key.Raw())
	}
	env, err := Parse(m.Body)
	if err != nil {
		t.Fatal(err)
	}
	inv, ok := env.(Invitation)
	if !ok || inv.Link != v.Link || !bytes.Equal(inv.Info, v.Info) {
		t.Fatalf("envelope %T", env)
	}
	r, err := link.ParseRequest(inv.Link)
	if err != nil || r.Mode != link.Invitation || r.String() != v.Link {
		t.Errorf("link %v: %v", r, err)
	}
	k, err := box.SharedKey(key.X25519Public(v.Queue.PublicRaw), private(t, v.Sender))
	if err != nil {
		t.Fatal(err)
	}
	sent, err := smp.SealClient(k, e.Version, e.Key, e.Nonce, smp.ClientMessage{Body: Append(nil, inv)})
	if err != nil || !bytes.Equal(sent, v.Send) {
		t.Errorf("sealed differently: %v", err)
	}
}

func private(t *testing.T, v vectors.PrivateKey) *key.X25519Private {
	t.Helper()
	k, err := key.X25519FromRaw(v.Raw)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// openSend opens a SEND body; sender is the key agreed before, or nil.
func openSend(t *testing.T, b []byte, queue *key.X25519Private, sender *key.X25519Public) (smp.ClientEnvelope, smp.ClientMessage) {
	t.Helper()
	e, err := smp.ParseClientEnvelope(b)
	if err != nil {
		t.Fatal(err)
	}
	if e.Key != nil {
		sender = e.Key
	}
	if sender == nil {
		t.Fatal("no key of the sender")
	}
	k, err := box.SharedKey(*sender, queue)
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.Open(k)
	if err != nil {
		t.Fatal(err)
	}
	return e, m
}
