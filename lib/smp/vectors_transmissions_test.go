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
	if got := server.signedBytes(new([]byte), r, peer); !bytes.Equal(got, c.Signed) {
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
	if got := p.signedBytes(new([]byte), r, nil); !bytes.Equal(got, want.Authorized) {
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
