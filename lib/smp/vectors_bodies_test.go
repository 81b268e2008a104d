package smp

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/wire"
)

func checkRcvMessage(t *testing.T, vc vectors.Case) {
	var c struct {
		Server    *vectors.PrivateKey `json:"server_dh_x25519"`
		Recipient *vectors.PrivateKey `json:"recipient_dh_x25519"`
		ID        vectors.Hex         `json:"msg_id_and_nonce"`
		Plain     vectors.Hex         `json:"plain_unpadded"`
		Encrypted vectors.Hex
		Length    int         `json:"encrypted_length"`
		Prefix    vectors.Hex `json:"msg_response_prefix_before_encrypted_body"`
		Decoded   struct {
			Type         string
			TS           int64
			Notification bool
			Body         string
			BodyLength   int `json:"body_length"`
		}
	}
	vc.Decode(t, &c)
	server, recipient := x25519Private(t, c.Server), x25519Private(t, c.Recipient)
	m := MSG{MsgID(c.ID), c.Encrypted}
	if b := AppendMessage(nil, 18, m); !bytes.Equal(b, append(bytes.Clone(c.Prefix), c.Encrypted...)) {
		t.Error("MSG has another prefix")
	}
	got, err := OpenMsg(sharedKey(t, server.Public(), recipient), m)
	if err != nil {
		t.Fatal(err)
	}
	d := c.Decoded
	if got.Quota != (d.Type == "quota") || got.Time.Unix() != d.TS || got.Flags.Notify != d.Notification || len(got.Body) != d.BodyLength {
		t.Errorf("decodes to %v, want %+v", got, d)
	}
	if !got.Quota && !bytes.Equal(got.Body, c.Plain[10:]) {
		t.Error("another body")
	}
	if b := got.Append(nil); !bytes.Equal(b, c.Plain) {
		t.Errorf("encodes to\n%x, want\n%x", b, []byte(c.Plain))
	}
	sealed, err := SealMsg(sharedKey(t, recipient.Public(), server), m.ID, got)
	if err != nil || !bytes.Equal(sealed, c.Encrypted) || len(sealed) != c.Length {
		t.Errorf("seals differently, %d bytes: %v", len(sealed), err)
	}
	m.Body = bytes.Clone(m.Body)
	m.Body[100] ^= 1
	if _, err := OpenMsg(sharedKey(t, server.Public(), recipient), m); !errors.Is(err, box.ErrOpen) {
		t.Errorf("changed body: %v", err)
	}
}

func checkNMsg(t *testing.T, vc vectors.Case) {
	var c struct {
		Server    *vectors.PrivateKey `json:"server_ntf_dh_x25519"`
		Recipient *vectors.PrivateKey `json:"recipient_ntf_dh_x25519"`
		Nonce     vectors.Hex
		ID        vectors.Hex `json:"msg_id"`
		TS        int64
		Plain     vectors.Hex
		Padded    int `json:"padded_length"`
		Encrypted vectors.Hex
		Message   vectors.Hex `json:"nmsg_message"`
	}
	vc.Decode(t, &c)
	server, recipient := x25519Private(t, c.Server), x25519Private(t, c.Recipient)
	m, err := ParseMessage(18, c.Message)
	n, ok := m.(NMSG)
	if err != nil || !ok || !bytes.Equal(n.Nonce[:], c.Nonce) || !bytes.Equal(n.Meta, c.Encrypted) {
		t.Fatalf("%v: %v", m, err)
	}
	got, err := OpenNMsgMeta(sharedKey(t, server.Public(), recipient), n.Nonce, n.Meta)
	if err != nil || string(got.ID) != string(c.ID) || got.Time.Unix() != c.TS {
		t.Fatalf("%v: %v", got, err)
	}
	if !bytes.Equal(got.Append(nil), c.Plain) || c.Padded != NMsgMetaSize {
		t.Error("encodes differently")
	}
	sealed, err := SealNMsgMeta(sharedKey(t, recipient.Public(), server), n.Nonce, got)
	if err != nil || !bytes.Equal(sealed, c.Encrypted) {
		t.Errorf("seals differently: %v", err)
	}
	if more, err := ParseNMsgMeta(append(bytes.Clone(c.Plain), "more"...)); err != nil || more != got {
		t.Errorf("with an extension: %v, %v", more, err)
	}
}

type hexAndHash struct {
	SHA256 vectors.Hex
	Length int
	Hex    vectors.Hex
}

func (h hexAndHash) check(t *testing.T, what string, got []byte) {
	t.Helper()
	if s := sha256.Sum256(got); len(got) != h.Length || !bytes.Equal(s[:], h.SHA256) {
		t.Errorf("%s: %d bytes, %x, want %d, %x", what, len(got), s, h.Length, []byte(h.SHA256))
	}
}

type proxyCase struct {
	RelayVersion  wire.Version        `json:"relay_version_in_pfwd"`
	ProxyVersion  wire.Version        `json:"client_proxy_version"`
	SessionID     vectors.Hex         `json:"relay_session_id"`
	RelayKey      *vectors.PrivateKey `json:"relay_x25519"`
	CommandKey    *vectors.PrivateKey `json:"sender_command_x25519"`
	CorrID        vectors.Hex         `json:"sender_corr_id_and_nonce"`
	QueueID       vectors.Hex         `json:"queue_sender_id"`
	SenderKey     *vectors.PrivateKey `json:"sender_key_x25519"`
	Command       vectors.Hex
	InnerBatch    vectors.Hex         `json:"inner_batch"`
	EncTrans      hexAndHash          `json:"enc_transmission"`
	PFWD          hexAndHash          `json:"pfwd_command"`
	ProxyKey      *vectors.PrivateKey `json:"proxy_x25519_of_session_with_relay"`
	ProxyCorrID   vectors.Hex         `json:"proxy_corr_id_and_nonce"`
	EncFwd        hexAndHash          `json:"enc_fwd_transmission"`
	RFWD          hexAndHash          `json:"rfwd_command"`
	Response      vectors.Hex
	ResponseBatch vectors.Hex `json:"response_inner_batch"`
	EncResponse   hexAndHash  `json:"enc_response"`
	EncFwdResp    hexAndHash  `json:"enc_fwd_response"`
}

func checkProxy(t *testing.T, vc vectors.Case) {
	var c proxyCase
	vc.Decode(t, &c)
	relay, command, proxy := x25519Private(t, c.RelayKey), x25519Private(t, c.CommandKey), x25519Private(t, c.ProxyKey)
	// The sender.
	sender := (&Params{Version: c.ProxyVersion, SessionID: c.SessionID, PeerKey: new(relay.Public())}).At(c.RelayVersion)
	cmd, err := ParseCommand(c.RelayVersion, c.Command)
	if err != nil {
		t.Fatal(err)
	}
	item, err := sender.EncodeCommand(CorrID(c.CorrID), EntityID(c.QueueID), cmd, Credentials{Key: private(t, c.SenderKey)})
	if err != nil || !bytes.Equal(item, c.InnerBatch) {
		t.Fatalf("inner batch\n%x, want\n%x: %v", item, []byte(c.InnerBatch), err)
	}
	senderShared := sharedKey(t, relay.Public(), command)
	enc, err := SealProxied(senderShared, CorrID(c.CorrID), item)
	if err != nil {
		t.Fatal(err)
	}
	c.EncTrans.check(t, "enc_transmission", enc)
	pfwd := PFWD{c.RelayVersion, command.Public(), enc}
	c.PFWD.check(t, "PFWD", AppendCommand(nil, c.ProxyVersion, pfwd))
	// The proxy.
	proxyShared := sharedKey(t, relay.Public(), proxy)
	fwd := SealForward(proxyShared, CorrID(c.ProxyCorrID), Forwarded{CorrID(c.CorrID), pfwd.Version, pfwd.Key, pfwd.Body})
	c.EncFwd.check(t, "enc_fwd_transmission", fwd)
	c.RFWD.check(t, "RFWD", AppendCommand(nil, c.ProxyVersion, RFWD{fwd}))
	checkProxyRelay(t, c, fwd, relay, proxyShared, senderShared)
}

func checkProxyRelay(t *testing.T, c proxyCase, fwd []byte, relay *key.X25519Private, proxyShared, senderShared *box.Key) {
	f, err := OpenForward(proxyShared, CorrID(c.ProxyCorrID), fwd)
	if err != nil || string(f.CorrID) != string(c.CorrID) || f.Version != c.RelayVersion {
		t.Fatalf("%v, %v", f, err)
	}
	shared := sharedKey(t, f.Key, relay)
	inner, err := OpenProxied(shared, f.CorrID, f.Body)
	if err != nil || !bytes.Equal(inner, c.InnerBatch) {
		t.Fatal("inner batch at the relay", err)
	}
	p := &Params{Version: f.Version, SessionID: c.SessionID, Key: relay}
	rs := p.ParseRequests(inner)
	if len(rs) != 1 || rs[0].Err != nil || !p.Verify(&rs[0], private(t, c.SenderKey).PublicKey(), nil) {
		t.Fatalf("%+v does not verify", rs)
	}
	m, err := ParseMessage(c.RelayVersion, c.Response)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := p.EncodeMessage(f.CorrID, rs[0].EntityID, m)
	if err != nil || !bytes.Equal(answer, c.ResponseBatch) {
		t.Fatalf("answer\n%x, want\n%x: %v", answer, []byte(c.ResponseBatch), err)
	}
	enc, err := SealProxiedResult(shared, f.CorrID, answer)
	if err != nil {
		t.Fatal(err)
	}
	c.EncResponse.check(t, "enc_response", enc)
	rres := SealForwardResult(proxyShared, CorrID(c.ProxyCorrID), ForwardResult{f.CorrID, enc})
	c.EncFwdResp.check(t, "enc_fwd_response", rres)
	back, err := OpenForwardResult(proxyShared, CorrID(c.ProxyCorrID), rres)
	if err != nil || back.CorrID != f.CorrID {
		t.Fatal(err)
	}
	got, err := OpenProxiedResult(senderShared, CorrID(c.CorrID), back.Body)
	if err != nil || !bytes.Equal(got, answer) {
		t.Fatal("answer at the sender", err)
	}
	if r := p.ParseResponses(got); len(r) != 1 || r[0].Err != nil || r[0].Message.Tag() != m.Tag() {
		t.Errorf("%+v", r)
	}
}
