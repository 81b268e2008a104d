package smp

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/wire"
)

func private(t *testing.T, k *vectors.PrivateKey) key.Private {
	t.Helper()
	if k == nil {
		return nil
	}
	p, err := key.ParsePrivate(k.DER)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func x25519Private(t *testing.T, k *vectors.PrivateKey) *key.X25519Private {
	t.Helper()
	p, _ := private(t, k).(*key.X25519Private)
	return p
}

func sharedKey(t *testing.T, pub key.X25519Public, priv *key.X25519Private) *box.Key {
	t.Helper()
	k, err := box.SharedKey(pub, priv)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

type authCase struct {
	Type    string
	Bytes   vectors.Hex
	Service vectors.Hex `json:"service_signature"`
}

type decodedCase struct {
	CorrID     vectors.Hex `json:"corr_id"`
	EntityID   vectors.Hex `json:"entity_id"`
	Auth       *authCase
	Authorized vectors.Hex
	Command    string
	Result     string
	Error      string
}

type transmissionCase struct {
	Version      wire.Version
	SessionID    vectors.Hex `json:"session_id"`
	CorrID       vectors.Hex `json:"corr_id"`
	EntityID     vectors.Hex `json:"entity_id"`
	Party        string
	CommandName  string `json:"command_name"`
	Command      vectors.Hex
	Message      vectors.Hex
	Implied      *bool `json:"session_id_in_transmission"`
	ServiceField *bool `json:"service_auth_field"`
	Key          *vectors.PrivateKey
	ServerKey    *vectors.PrivateKey `json:"server_x25519"`
	Service      *struct {
		Key  *vectors.PrivateKey `json:"session_ed25519"`
		Cert vectors.Hex         `json:"cert_hash"`
		ID   vectors.Hex         `json:"service_id"`
	}
	Authorization *authCase
	Signed        vectors.Hex `json:"signed_or_authenticated_bytes"`
	Verifies      *bool       `json:"verifies_on_server"`
	Transmission  vectors.Hex
	BatchOfOne    vectors.Hex `json:"batch_of_one"`
	Decoded       decodedCase `json:"decoded_by_server"`
	DecodedClient decodedCase `json:"decoded_by_client"`
	Transmissions []vectors.Hex
	Batches       []batchCase
	Block         vectors.Hex   `json:"unpadded_block"`
	DecodedList   []decodedCase `json:"-"`
}

type batchCase struct {
	Type, Error   string
	Count, Length int
	SHA256        vectors.Hex
	PaddedSHA256  vectors.Hex `json:"padded_block_sha256"`
	DecodedCount  int         `json:"decoded_count"`
	AllDecoded    bool        `json:"all_decoded"`
	Hex           vectors.Hex
}

func (c *transmissionCase) params(t *testing.T) (client, server *Params) {
	client = &Params{Version: c.Version, SessionID: c.SessionID}
	server = &Params{Version: c.Version, SessionID: c.SessionID, Key: x25519Private(t, c.ServerKey)}
	if server.Key != nil {
		client.PeerKey = new(server.Key.Public())
	}
	return client, server
}

func checkTransmission(t *testing.T, vc vectors.Case) {
	var c transmissionCase
	vc.Decode(t, &c)
	client, server := c.params(t)
	if client.implied() == *c.Implied || client.serviceAuth() != *c.ServiceField {
		t.Error("parameters of the version")
	}
	cmd, err := ParseCommand(c.Version, c.Command)
	if err != nil {
		t.Fatal(err)
	}
	cred := Credentials{Key: private(t, c.Key)}
	var peer *PeerService
	if s := c.Service; s != nil {
		k := private(t, s.Key).(*key.Ed25519Private)
		cred.Service = &ServiceKeys{ServiceID(s.ID), RoleMessaging, Fingerprint(s.Cert), k}
		peer = &PeerService{ServiceID(s.ID), RoleMessaging, Fingerprint(s.Cert), k.Public()}
		if role, ok := cmd.Party().ServiceRole(); ok {
			peer.Role = role
		}
	}
	item, err := client.EncodeCommand(CorrID(c.CorrID), EntityID(c.EntityID), cmd, cred)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(item, c.BatchOfOne) || !bytes.Equal(item[overhead:], c.Transmission) {
		t.Fatalf("encodes to\n%x, want\n%x", item, []byte(c.BatchOfOne))
	}
	rs := server.ParseRequests(item)
	if len(rs) != 1 {
		t.Fatalf("%d requests", len(rs))
	}
	checkRequest(t, server, &rs[0], c.Decoded)
	if !bytes.Equal(AppendCommand(nil, c.Version, rs[0].Command), c.Command) {
		t.Error("another command")
	}
	if cred.Key == nil {
		return
	}
	checkVerify(t, server, &rs[0], cred.Key.PublicKey(), peer, c)
}

func checkVerify(t *testing.T, server *Params, r *Request, pub key.Public, peer *PeerService, c transmissionCase) {
	if got := server.signedBytes(r, peer); !bytes.Equal(got, c.Signed) {
		t.Errorf("signed bytes\n%x, want\n%x", got, []byte(c.Signed))
	}
	if got := server.Verify(r, pub, peer); got != *c.Verifies {
		t.Errorf("verifies: %v", got)
	}
	if err := server.CheckService(r, peer); err != nil {
		t.Errorf("service: %v", err)
	}
	if r.HasServiceSig() {
		if server.Verify(r, pub, nil) {
			t.Error("verifies without the certificate")
		}
		if err := server.CheckService(r, nil); err != ErrService {
			t.Errorf("service signature outside of a service session: %v", err)
		}
		other := *peer
		other.Key = key.GenerateEd25519().Public()
		if err := server.CheckService(r, &other); err != ErrService {
			t.Errorf("service signature of another key: %v", err)
		}
	}
	for _, k := range []key.Public{key.GenerateEd25519().Public(), key.GenerateEd448().Public(), key.GenerateX25519().Public()} {
		if server.Verify(r, k, peer) {
			t.Errorf("verifies with another key, %v", k.Alg())
		}
	}
	server.VerifyNone(r)
	r.auth = bytes.Clone(r.auth)
	r.auth[len(r.auth)/2] ^= 1
	if server.Verify(r, pub, peer) {
		t.Error("verifies a changed authorization")
	}
}

func checkRequest(t *testing.T, p *Params, r *Request, want decodedCase) {
	t.Helper()
	if string(r.CorrID) != string(want.CorrID) || string(r.EntityID) != string(want.EntityID) {
		t.Errorf("IDs %x, %x, want %x, %x", r.CorrID, r.EntityID, want.CorrID, want.EntityID)
	}
	if want.Error != "" {
		if r.Err == nil || r.Err.String() != want.Error || r.Command != nil {
			t.Errorf("error %v, want %s", r.Err, want.Error)
		}
		return
	}
	if r.Err != nil {
		t.Fatalf("error %v, want %s", r.Err, want.Command)
	}
	// "Cmd SParty (TAG …)" or "Cmd SParty TAG"
	if w := strings.Fields(want.Command); w[1] != "S"+r.Command.Party().String() || strings.Trim(w[2], "()") != r.Command.Tag() {
		t.Errorf("command %s of %v, want %s", r.Command.Tag(), r.Command.Party(), want.Command)
	}
	if got := p.signedBytes(r, nil); !bytes.Equal(got, want.Authorized) {
		t.Errorf("authorized bytes\n%x, want\n%x", got, []byte(want.Authorized))
	}
	if r.HasAuth() != (want.Auth != nil) {
		t.Fatalf("has authorization: %v", r.HasAuth())
	}
	if want.Auth != nil {
		if !bytes.Equal(r.auth, want.Auth.Bytes) || !bytes.Equal(r.service, want.Auth.Service) {
			t.Error("another authorization")
		}
		if r.HasServiceSig() != (want.Auth.Service != nil) {
			t.Errorf("has service signature: %v", r.HasServiceSig())
		}
		kind := map[int]string{64: "ed25519", 114: "ed448", 80: "x25519_authenticator"}[len(r.auth)]
		if kind != want.Auth.Type {
			t.Errorf("authorization is %s, want %s", kind, want.Auth.Type)
		}
	}
}

func checkBroker(t *testing.T, vc vectors.Case) {
	var c transmissionCase
	vc.Decode(t, &c)
	p, _ := c.params(t)
	m, err := ParseMessage(c.Version, c.Message)
	if err != nil {
		t.Fatal(err)
	}
	item, err := p.EncodeMessage(CorrID(c.CorrID), EntityID(c.EntityID), m)
	if err != nil || !bytes.Equal(item, c.BatchOfOne) {
		t.Fatalf("encodes to\n%x, want\n%x: %v", item, []byte(c.BatchOfOne), err)
	}
	rs := p.ParseResponses(item)
	if len(rs) != 1 || string(rs[0].CorrID) != string(c.DecodedClient.CorrID) ||
		string(rs[0].EntityID) != string(c.DecodedClient.EntityID) {
		t.Fatalf("%+v", rs)
	}
	if want := c.DecodedClient.Error; want != "" {
		if rs[0].Err == nil || rs[0].Err.String() != want {
			t.Errorf("error %v, want %s", rs[0].Err, want)
		}
	} else if rs[0].Err != nil || rs[0].Message.Tag() != strings.Fields(c.DecodedClient.Result)[0] {
		t.Errorf("%+v, want %s", rs[0], c.DecodedClient.Result)
	}
}

func checkBatch(t *testing.T, vc vectors.Case) {
	var c transmissionCase
	vc.Decode(t, &c)
	_, p := c.params(t)
	var items []Item
	for _, tr := range c.Transmissions {
		item, err := endItem(append(newItem(len(tr)), tr...))
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, item)
	}
	batches := Pack(items)
	if len(batches) != len(c.Batches) {
		t.Fatalf("%d batches, want %d", len(batches), len(c.Batches))
	}
	next := 0
	for i, b := range batches {
		want := c.Batches[i]
		if b.First != next {
			t.Errorf("batch %d begins at %d, want %d", i, b.First, next)
		}
		next += b.Count
		switch want.Type {
		case "error":
			if b.Count != 1 || !errors.Is(b.Err, ErrTransportLargeMsg) || want.Error != "TELargeMsg" {
				t.Errorf("batch %d: %d, %v, want %s", i, b.Count, b.Err, want.Error)
			}
			continue
		case "transmissions":
		default:
			t.Fatalf("unknown type %q", want.Type)
		}
		h := sha256.Sum256(b.Block)
		if b.Err != nil || b.Count != want.Count || len(b.Block) != want.Length || !bytes.Equal(h[:], want.SHA256) {
			t.Errorf("batch %d: %d in %d bytes, want %d in %d: %v", i, b.Count, len(b.Block), want.Count, want.Length, b.Err)
		}
		if want.Hex != nil && !bytes.Equal(want.Hex, b.Block) {
			t.Errorf("batch %d: other bytes", i)
		}
		padded, err := wire.Pad(nil, b.Block, BlockSize)
		if h := sha256.Sum256(padded); err != nil || !bytes.Equal(h[:], want.PaddedSHA256) {
			t.Errorf("batch %d: padded differently: %v", i, err)
		}
		good := 0
		rs := p.ParseRequests(b.Block)
		for _, r := range rs {
			if r.Err == nil {
				good++
			}
		}
		if len(rs) != want.DecodedCount || good == len(rs) != want.AllDecoded {
			t.Errorf("batch %d: %d of %d are good, want %d, all: %v", i, good, len(rs), want.DecodedCount, want.AllDecoded)
		}
	}
	if next != len(items) {
		t.Errorf("%d of %d items", next, len(items))
	}
}

func checkParseEdge(t *testing.T, vc vectors.Case) {
	var c struct {
		Version   wire.Version
		SessionID vectors.Hex   `json:"session_id"`
		Block     vectors.Hex   `json:"unpadded_block"`
		Decoded   []decodedCase `json:"decoded_by_server"`
	}
	vc.Decode(t, &c)
	p := &Params{Version: c.Version, SessionID: c.SessionID}
	rs := p.ParseRequests(c.Block)
	if len(rs) != len(c.Decoded) {
		t.Fatalf("%d requests, want %d", len(rs), len(c.Decoded))
	}
	for i := range rs {
		checkRequest(t, p, &rs[i], c.Decoded[i])
	}
}

func checkUnpad(t *testing.T, vc vectors.Case) {
	var c struct {
		Padded vectors.Hex
		Result vectors.Result
	}
	vc.Decode(t, &c)
	got, err := wire.Unpad(c.Padded)
	if !c.Result.OK {
		if err == nil {
			t.Errorf("gives %x, want %s", got, c.Result.Error)
		}
		return
	}
	var want vectors.Hex
	if e := json.Unmarshal(c.Result.Value, &want); e != nil || err != nil || !bytes.Equal(got, want) {
		t.Errorf("gives %x, want %x: %v", got, []byte(want), err)
	}
}

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

func TestTransmissionsVector(t *testing.T) {
	f := vectors.Load(t, "smp_transmissions.json")
	var size, proxied int
	f.Decode(t, "block_size", &size)
	f.Decode(t, "padded_proxied_transmission_length", &proxied)
	if size != BlockSize || proxied != ProxiedSize {
		t.Errorf("sizes %d, %d", size, proxied)
	}
	f.Dispatch(t, map[string]func(*testing.T, vectors.Case){
		"transmission/ed25519":         checkTransmission,
		"transmission/ed448":           checkTransmission,
		"transmission/x25519":          checkTransmission,
		"transmission/ed25519+service": checkTransmission,
		"transmission/ed448+service":   checkTransmission,
		"transmission/x25519+service":  checkTransmission,
		"transmission/no_auth":         checkTransmission,
		"transmission/broker":          checkBroker,
		"batch/*":                      checkBatch,
		"parse_edge":                   checkParseEdge,
		"unpad":                        checkUnpad,
		"rcv_message":                  checkRcvMessage,
		"nmsg":                         checkNMsg,
		"proxy":                        checkProxy,
		"sender_id_from_corr_id": func(t *testing.T, vc vectors.Case) {
			var c struct {
				CorrID vectors.Hex `json:"corr_id"`
				Sender vectors.Hex `json:"sender_id"`
			}
			vc.Decode(t, &c)
			if got := SenderIDFrom(CorrID(c.CorrID)); string(got) != string(c.Sender) {
				t.Errorf("%x, want %x", got, []byte(c.Sender))
			}
		},
	})
}
