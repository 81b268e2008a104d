package envelope

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/link"
	"github.com/simplexkit/simplexkit/lib/wire"
)

type partyKeys struct {
	Queue      vectors.PrivateKey  `json:"queue_e2e_x25519"`
	ForBob     *vectors.PrivateKey `json:"e2e_x25519_for_bob_queue"`
	ForAlice   *vectors.PrivateKey `json:"e2e_x25519_for_alice_queue"`
	AuthBob    *vectors.PrivateKey `json:"sender_auth_key_for_bob_queue"`
	AuthAlice  *vectors.PrivateKey `json:"sender_auth_key_for_alice_queue"`
	Ratchet1   vectors.PrivateKey  `json:"ratchet_x448_1"`
	Ratchet2   vectors.PrivateKey  `json:"ratchet_x448_2"`
	KEM        vectors.Hex         `json:"ratchet_kem_private_params_hex"`
	E2E        vectors.Hex         `json:"e2e_params_hex"`
	ReplyQueue json.RawMessage     `json:"reply_queue"`
}

func (k partyKeys) toPeer() (e2e, auth *vectors.PrivateKey) {
	if k.ForBob != nil {
		return k.ForBob, k.AuthBob
	}
	return k.ForAlice, k.AuthAlice
}

type conversation struct {
	E2EVersion wire.Version `json:"e2e_version"`
	PQ         bool         `json:"pq_support"`
	Agent      wire.Version `json:"agent_version"`
	Client     wire.Version `json:"client_version"`
	CanSecure  bool         `json:"sender_can_secure"`
	Padded     struct {
		ConnInfo int `json:"conn_info"`
		Message  int `json:"agent_message"`
		E2EConf  int `json:"e2e_confirmation"`
		E2EMsg   int `json:"e2e_message"`
	} `json:"padded_lengths"`
	Link  string `json:"invitation_uri"`
	Alice partyKeys
	Bob   partyKeys
	Steps []conversationStep
}

type conversationStep struct {
	From         string
	Send         vectors.Hex     `json:"send_body"`
	Nonce        vectors.Hex     `json:"e2e_nonce"`
	ClientHash   vectors.Hex     `json:"client_message_sha256"`
	RatchetHash  vectors.Hex     `json:"ratchet_message_sha256"`
	PrivHeader   string          `json:"priv_header"`
	Plain        vectors.Hex     `json:"agent_message_hex"`
	PlainHash    vectors.Hex     `json:"agent_message_sha256"`
	Message      json.RawMessage `json:"agent_message"`
	StateBefore  ratchetState    `json:"receiver_ratchet_state_before"`
	ClientLength int             `json:"client_message_length"`
}

// testConversation takes every layer of every message of a connection off,
// and puts on again those that need no random values.
func testConversation(t *testing.T, c vectors.Case) {
	var v conversation
	c.Decode(t, &v)
	if v.Padded.E2EConf != smp.ConfirmationSize || v.Padded.E2EMsg != smp.MessageSize ||
		v.Padded.ConnInfo != ConnInfoSize(v.Agent, v.PQ) || v.Padded.Message != MessageSize(v.Agent, v.PQ) {
		t.Errorf("sizes %+v", v.Padded)
	}
	r, err := link.ParseRequest(v.Link)
	if err != nil || r.String() != v.Link {
		t.Fatalf("link: %v", err)
	}
	if !bytes.Equal(r.Queues[0].DHKey.Raw(), v.Bob.Queue.PublicRaw) {
		t.Error("the link has another queue key")
	}
	last := map[string][]byte{}
	for i, s := range v.Steps {
		plain := v.step(t, i, s)
		if m, ok := plain.(AgentMessage); ok && !bytes.Equal(m.PrevHash, last[s.From]) {
			t.Errorf("step %d: history %x, want %x", i, m.PrevHash, last[s.From])
		}
		last[s.From] = s.PlainHash
	}
}

func (v *conversation) step(t *testing.T, i int, s conversationStep) Plain {
	t.Helper()
	from, to := v.Alice, v.Bob
	if s.From == "bob" {
		from, to = to, from
	}
	mine, auth := from.toPeer()
	pub := key.X25519Public(mine.PublicRaw)
	e, m := openSend(t, s.Send, private(t, to.Queue), &pub)
	if e.Key != nil && *e.Key != pub || !bytes.Equal(e.Nonce[:], s.Nonce) || e.Version != v.Client {
		t.Errorf("step %d: key %v, nonce %x, version %d", i, e.Key, e.Nonce, e.Version)
	}
	if h := sha256.Sum256(m.Append(nil)); !bytes.Equal(h[:], s.ClientHash) || len(m.Append(nil)) != s.ClientLength {
		t.Errorf("step %d: another client message", i)
	}
	if (s.PrivHeader == "empty") != (m.SenderKey == nil) || m.SenderKey != nil && !bytes.Equal(m.SenderKey.Raw(), auth.PublicRaw) {
		t.Errorf("step %d: sender's key %v, header %s", i, m.SenderKey, s.PrivHeader)
	}
	k, err := box.SharedKey(key.X25519Public(to.Queue.PublicRaw), private(t, *mine))
	if err != nil {
		t.Fatal(err)
	}
	if sent, err := smp.SealClient(k, e.Version, e.Key, e.Nonce, m); err != nil || !bytes.Equal(sent, s.Send) {
		t.Errorf("step %d: sealed differently: %v", i, err)
	}
	env, err := Parse(m.Body)
	if err != nil || !bytes.Equal(Append(nil, env), m.Body) {
		t.Fatalf("step %d: envelope %T: %v", i, env, err)
	}
	if h := sha256.Sum256(encrypted(env)); !bytes.Equal(h[:], s.RatchetHash) {
		t.Errorf("step %d: another ratchet message", i)
	}
	if i == 0 {
		v.agree(t, env.(Confirmation), s)
	}
	d, err := s.StateBefore.state(t).Decrypt(ratchet.SkippedMap{}, encrypted(env))
	if err != nil || !bytes.Equal(d.Plain, s.Plain) {
		t.Fatalf("step %d: decrypted %x: %v", i, d.Plain, err)
	}
	if h := sha256.Sum256(d.Plain); !bytes.Equal(h[:], s.PlainHash) {
		t.Errorf("step %d: hash %x", i, h)
	}
	p, err := ParsePlain(d.Plain)
	if err != nil || !bytes.Equal(AppendPlain(nil, p), d.Plain) {
		t.Fatalf("step %d: %v", i, err)
	}
	same(t, plainJSON(p), s.Message)
	return p
}

func encrypted(e Envelope) []byte {
	switch e := e.(type) {
	case Confirmation:
		return e.Info
	case Message:
		return e.Body
	}
	return nil
}

// agree makes the inviter's ratchet from both parties' keys.
func (v *conversation) agree(t *testing.T, c Confirmation, s conversationStep) {
	t.Helper()
	if c.E2E == nil || !bytes.Equal(c.E2E.Append(nil), v.Alice.E2E) {
		t.Fatal("another joiner's parameters")
	}
	own := []byte{1, byte(v.E2EVersion >> 8), byte(v.E2EVersion)}
	own = append(append(own, v.Bob.Ratchet1.Raw...), v.Bob.Ratchet2.Raw...)
	if v.Bob.KEM == nil {
		own = append(own, '0')
	} else {
		d := wire.NewDecoder(v.Bob.KEM)
		d.Lit("P")
		d.Large()
		own = append(append(own, 'P'), d.Large()...)
		if err := d.Done(); err != nil {
			t.Fatal(err)
		}
	}
	p := new(ratchet.Private)
	if err := p.UnmarshalBinary(own); err != nil {
		t.Fatal(err)
	}
	st, err := ratchet.InitRcv(p, *c.E2E, ratchet.PQSupport(v.PQ), 0)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := st.Decrypt(ratchet.SkippedMap{}, c.Info); err != nil || !bytes.Equal(d.Plain, s.Plain) {
		t.Errorf("after the agreement: %v", err)
	}
}

// ratchetState is a state as the reference stores it.
type ratchetState struct {
	Version [2]wire.Version `json:"rcVersion"`
	AD      string          `json:"rcAD"`
	DH      string          `json:"rcDHRs"`
	KEM     *struct {
		Own  [2]string `json:"rcPQRs"`
		Peer *struct {
			Ciphertext string `json:"rcPQRct"`
		} `json:"rcKEMs"`
	} `json:"rcKEM"`
	Support, Enable, SndKEM, RcvKEM bool
	Root                            string `json:"rcRK"`
	Snd                             *struct {
		Chain  string `json:"rcCKs"`
		Header string `json:"rcHKs"`
	} `json:"rcSnd"`
	Rcv *struct {
		Chain  string `json:"rcCKr"`
		Header string `json:"rcHKr"`
	} `json:"rcRcv"`
	Ns      uint32 `json:"rcNs"`
	Nr      uint32 `json:"rcNr"`
	PN      uint32 `json:"rcPN"`
	NextSnd string `json:"rcNHKs"`
	NextRcv string `json:"rcNHKr"`
}

// UnmarshalJSON fills the flags by their own names.
func (s *ratchetState) UnmarshalJSON(b []byte) error {
	type plain ratchetState
	var flags struct {
		Support bool `json:"rcSupportKEM"`
		Enable  bool `json:"rcEnableKEM"`
		Snd     bool `json:"rcSndKEM"`
		Rcv     bool `json:"rcRcvKEM"`
	}
	if err := json.Unmarshal(b, (*plain)(s)); err != nil {
		return err
	}
	if err := json.Unmarshal(b, &flags); err != nil {
		return err
	}
	s.Support, s.Enable, s.SndKEM, s.RcvKEM = flags.Support, flags.Enable, flags.Snd, flags.Rcv
	return nil
}

// state goes by way of the stored form of package ratchet.
func (s *ratchetState) state(t *testing.T) *ratchet.State {
	t.Helper()
	b64 := func(text string) []byte {
		b, err := wire.ParseBase64(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	k, err := key.ParsePrivate(b64(string(b64(s.DH))))
	if err != nil {
		t.Fatal(err)
	}
	dh := k.(*key.X448Private)
	var flags byte
	for i, on := range []bool{
		s.Support, s.Enable, s.SndKEM, s.RcvKEM, s.Snd != nil, s.Rcv != nil,
		s.KEM != nil, s.KEM != nil && s.KEM.Peer != nil,
	} {
		if on {
			flags |= 1 << i
		}
	}
	b := []byte{1, flags}
	for _, v := range s.Version {
		b = wire.AppendUint16(b, uint16(v))
	}
	for _, n := range []uint32{s.Ns, s.Nr, s.PN} {
		b = wire.AppendUint32(b, n)
	}
	pub := dh.Public()
	for _, part := range [][]byte{b64(s.AD), dh.Raw(), pub[:], b64(s.Root), b64(s.NextSnd), b64(s.NextRcv)} {
		b = append(b, part...)
	}
	if s.Snd != nil {
		b = append(append(b, b64(s.Snd.Chain)...), b64(s.Snd.Header)...)
	}
	if s.Rcv != nil {
		b = append(append(b, b64(s.Rcv.Chain)...), b64(s.Rcv.Header)...)
	}
	if s.KEM != nil {
		b = append(b, b64(s.KEM.Own[1])...)
		if s.KEM.Peer != nil {
			b = append(b, b64(s.KEM.Peer.Ciphertext)...)
		}
	}
	st := new(ratchet.State)
	if err := st.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return st
}
