package xrcp

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/sntrup"
	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/wire"
)

const vectorFile = "xrcp.json"

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestVectors(t *testing.T) {
	vectors.Load(t, vectorFile).Dispatch(t, map[string]func(*testing.T, vectors.Case){
		"invitation/signed": testInvitationVector,
		"invitation/edge":   testInvitationVector,
		"announcement":      testAnnouncementVector,
		"session":           testSessionVector,
	})
}

func TestVectorSizes(t *testing.T) {
	f := vectors.Load(t, vectorFile)
	for name, want := range map[string]int{
		"block_size": BlockSize, "hello_padded_length": HelloSize, "announcement_padded_length": AnnouncementSize,
	} {
		var got int
		f.Decode(t, name, &got)
		if got != want {
			t.Errorf("%s is %d, not %d", name, got, want)
		}
	}
}

type invitationCase struct {
	URI     string
	Decoded *struct {
		CA      vectors.Hex
		Host    string
		Port    uint16
		Version []wire.Version `json:"version_range"`
		App     json.RawMessage
		TS      int64
		SKey    vectors.PublicKey
		IDKey   vectors.PublicKey
		DH      vectors.PublicKey
	}
	SSig, IDSig vectors.Hex
	Reencoded   string `json:"invitation_reencoded"`
	Equal       *bool  `json:"reencoded_equals_input"`
	Verified    bool
	Unsigned    *string `json:"unsigned_uri"`
	Keys        *struct {
		Session vectors.PrivateKey `json:"session_ed25519"`
		ID      vectors.PrivateKey `json:"id_ed25519"`
		DH      vectors.PrivateKey `json:"session_x25519"`
	}
}

func testInvitationVector(t *testing.T, v vectors.Case) {
	var c invitationCase
	v.Decode(t, &c)
	inv, err := ParseInvitation(c.URI)
	if c.Decoded == nil {
		if !errors.Is(err, ErrInvitation) {
			t.Errorf("got %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	d := c.Decoded
	app := must[[]byte](t)(canonicalJSON(d.App))
	if !bytes.Equal(inv.CA[:], d.CA) || inv.Host != d.Host || inv.Port != d.Port || inv.Unix != d.TS ||
		inv.Versions != (wire.VersionRange{Min: d.Version[0], Max: d.Version[1]}) || !bytes.Equal(inv.App, app) ||
		!bytes.Equal(inv.SessionKey[:], d.SKey.Raw) || !bytes.Equal(inv.IDKey[:], d.IDKey.Raw) || !bytes.Equal(inv.DH[:], d.DH.Raw) {
		t.Errorf("got %+v", inv)
	}
	if !bytes.Equal(inv.SessionSig, c.SSig) || !bytes.Equal(inv.IDSig, c.IDSig) {
		t.Error("other signatures")
	}
	if got := string(inv.Invitation.AppendText(nil)); got != c.Reencoded {
		t.Errorf("written as\n%s, not\n%s", got, c.Reencoded)
	}
	if c.Equal != nil && (inv.String() == c.URI) != *c.Equal {
		t.Error("the same as the input, or not")
	}
	if err := inv.Verify(); (err == nil) != c.Verified || err != nil && !errors.Is(err, ErrInvitation) {
		t.Errorf("verified: %v", err)
	}
	if c.Keys != nil && c.Unsigned != nil {
		testSigning(t, c, inv)
	}
}

// testSigning makes the signatures again, where the reference could verify
// them; Sign must refuse the others.
func testSigning(t *testing.T, c invitationCase, inv *SignedInvitation) {
	session := parsePrivate[*key.Ed25519Private](t, c.Keys.Session)
	id := parsePrivate[*key.Ed25519Private](t, c.Keys.ID)
	if !bytes.Equal(session.Sign([]byte(*c.Unsigned)), c.SSig) {
		t.Error("the session key makes another signature")
	}
	upTo, _, _ := strings.Cut(c.URI, "&idsig=")
	if !bytes.Equal(id.Sign([]byte(upTo)), c.IDSig) {
		t.Error("the identity key makes another signature")
	}
	again := inv.Invitation
	if !c.Verified {
		again.App = json.RawMessage(percentDecode(between(c.URI, "&app=", "&ts=")))
	}
	signed, err := again.Sign(session, id)
	if c.Verified {
		if err != nil || signed.String() != c.URI {
			t.Errorf("signed as %v: %v", signed, err)
		}
	} else if !errors.Is(err, ErrInvitation) {
		t.Errorf("signed what cannot be verified: %v", err)
	}
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

func parsePrivate[K key.Private](t testing.TB, v vectors.PrivateKey) K {
	t.Helper()
	k, ok := must[key.Private](t)(key.ParsePrivate(v.DER)).(K)
	if !ok {
		t.Fatalf("a key of kind %s", v.Alg)
	}
	return k
}

func testAnnouncementVector(t *testing.T, v vectors.Case) {
	var c struct {
		What    string
		Host    vectors.PrivateKey `json:"host_dh_x25519"`
		Other   vectors.PrivateKey `json:"other_x25519"`
		DH      vectors.PrivateKey `json:"controller_session_x25519"`
		Nonce   vectors.Hex
		Signed  string `json:"signed_invitation"`
		Packet  vectors.Hex
		Length  int    `json:"packet_length"`
		Outcome string `json:"result_with_these_pairings"`
	}
	v.Decode(t, &c)
	if len(c.Packet) != c.Length || c.Length != MaxDatagram {
		t.Errorf("%d bytes", len(c.Packet))
	}
	host, other, dh := parsePrivate[*key.X25519Private](t, c.Host), parsePrivate[*key.X25519Private](t, c.Other), parsePrivate[*key.X25519Private](t, c.DH)
	inv := must[*SignedInvitation](t)(ParseInvitation(c.Signed))
	known := func(k, prev *key.X25519Private) *ControllerPairing {
		return &ControllerPairing{Controller: inv.CA, IDKey: inv.IDKey, DH: k, PrevDH: prev}
	}
	pairings, ok := map[string][]*ControllerPairing{
		"known host key":                          {known(host, nil)},
		"known previous host key":                 {known(other, host)},
		"unknown controller":                      {known(other, nil)},
		"second of two pairings":                  {known(other, nil), known(host, nil)},
		"public key in the packet does not match": {known(host, nil)},
		"bad signature inside":                    {known(host, nil)},
	}[c.What]
	if !ok {
		t.Fatalf("unknown case %q", c.What)
	}
	a := must[Announcement](t)(ParseAnnouncement(c.Packet))
	if !bytes.Equal(a.Append(nil), c.Packet) || !bytes.Equal(a.Nonce[:], c.Nonce) {
		t.Error("written otherwise")
	}
	p, got, err := a.Find(pairings)
	switch c.Outcome {
	case "found and verified":
		if err != nil || !got.Same(inv) || p != pairings[len(pairings)-1] {
			t.Errorf("%v, %v", got, err)
		}
		packet, err := SealAnnouncement(inv, host.Public(), dh, a.Nonce)
		if err != nil || !bytes.Equal(packet, c.Packet) {
			t.Errorf("sealed otherwise: %v", err)
		}
	case "RCECtrlNotFound":
		if !errors.Is(err, ErrUnknownController) {
			t.Error(err)
		}
	case "RCEInvitation":
		if !errors.Is(err, ErrInvitation) {
			t.Error(err)
		}
	default:
		t.Fatalf("unknown result %q", c.Outcome)
	}
}

type sessionCase struct {
	Invitation string
	DH         vectors.PrivateKey `json:"controller_session_x25519"`
	ID         vectors.PrivateKey `json:"controller_id_ed25519"`
	Session    vectors.PrivateKey `json:"controller_session_ed25519"`
	HostDH     vectors.PrivateKey `json:"host_dh_x25519"`
	HostCA     vectors.Hex        `json:"host_ca_cert_der"`
	HostFP     vectors.Hex        `json:"host_ca_fingerprint"`
	KEM        struct {
		Public vectors.Hex `json:"public_key"`
		Secret vectors.Hex `json:"secret_key"`
	} `json:"host_kem"`
	HostHello struct {
		Nonce  vectors.Hex
		Plain  string `json:"plain_json"`
		Packet vectors.Hex
		SHA256 vectors.Hex `json:"block_sha256"`
	} `json:"host_hello"`
	Secret     vectors.Hex `json:"dh_secret"`
	CT         vectors.Hex `json:"kem_ciphertext"`
	KEMSecret  vectors.Hex `json:"kem_shared_key"`
	Hybrid     vectors.Hex `json:"hybrid_key_sha3_256"`
	CtrlPacket struct {
		Packet vectors.Hex
		SHA256 vectors.Hex `json:"block_sha256"`
	} `json:"ctrl_hello"`
	TLSUnique vectors.Hex `json:"session_code_tls_unique"`
	Messages  []struct {
		Direction  string
		Counter    uint32
		Body       string `json:"json_or_body"`
		Attachment vectors.Hex
		HTTP2      vectors.Hex `json:"http2_body"`
	} `json:"messages_after_hello"`
	Error struct {
		Nonce   vectors.Hex
		Message string
		Packet  vectors.Hex
	} `json:"error_hello"`
}

func testSessionVector(t *testing.T, v vectors.Case) {
	var c sessionCase
	v.Decode(t, &c)
	inv := must[*SignedInvitation](t)(ParseInvitation(c.Invitation))
	if FingerprintOf(c.HostCA) != Fingerprint(c.HostFP) {
		t.Error("another fingerprint")
	}
	host := testHostHello(t, c, inv)
	ctrl, controller := testControllerHello(t, c)
	hostKeys := must[*Keys](t)(host.Finish(ctrl))
	cb, hb := NewBodies(controller, c.TLSUnique, nil, 0), NewBodies(hostKeys, c.TLSUnique, nil, 0)
	for i, m := range c.Messages {
		from, to := cb, hb
		if strings.HasPrefix(m.Direction, "host_to_controller") {
			from, to = hb, cb
		} else if !strings.HasPrefix(m.Direction, "controller_to_host") {
			t.Fatalf("unknown direction %q", m.Direction)
		}
		testMessage(t, from, to, m.Body, m.Attachment, m.HTTP2)
		if from.sent != m.Counter || to.received != m.Counter {
			t.Errorf("message %d has counter %d and %d, not %d", i, from.sent, to.received, m.Counter)
		}
	}
}

func testHostHello(t *testing.T, c sessionCase, inv *SignedInvitation) *HostHandshake {
	kem := must[*sntrup.SecretKey](t)(sntrup.ParseSecretKey(c.KEM.Secret))
	hello := must[*HostHello](t)(ParseHostHello([]byte(c.HostHello.Plain)))
	if hello.CA != Fingerprint(c.HostFP) || !bytes.Equal(hello.KEM[:], c.KEM.Public) {
		t.Error("the hello is read otherwise")
	}
	pairing := &ControllerPairing{CA: &CA{Cert: c.HostCA}, DH: parsePrivate[*key.X25519Private](t, c.HostDH)}
	h, payload, err := BeginHost(&inv.Invitation, pairing, hello.App, kem, box.Nonce(c.HostHello.Nonce))
	if err != nil || !bytes.Equal(payload, c.HostHello.Packet) {
		t.Fatalf("another host hello: %v", err)
	}
	checkBlock(t, payload, c.HostHello.SHA256)
	if !bytes.Equal(h.dh, c.Secret) || !bytes.Equal(box.HybridKey(h.dh, c.KEMSecret).Raw(), c.Hybrid) {
		t.Error("other secrets")
	}
	if got := h.kem.Decapsulate((*sntrup.Ciphertext)(c.CT)); !bytes.Equal(got, c.KEMSecret) {
		t.Error("another KEM secret")
	}
	k := must[*box.Key](t)(box.NewKey(c.Secret))
	refusal := must[[]byte](t)(Refuse(k, box.Nonce(c.Error.Nonce), c.Error.Message))
	if !bytes.Equal(refusal, c.Error.Packet) {
		t.Error("another refusal")
	}
	if _, err := h.Finish(refusal); !errors.Is(err, ErrRefused) || !strings.HasSuffix(err.Error(), c.Error.Message) {
		t.Error(err)
	}
	return h
}

func testControllerHello(t *testing.T, c sessionCase) ([]byte, *Keys) {
	payload, keys, err := controllerHello(c.Secret, (*sntrup.Ciphertext)(c.CT), c.KEMSecret)
	if err != nil || !bytes.Equal(payload, c.CtrlPacket.Packet) {
		t.Fatalf("another controller hello: %v", err)
	}
	checkBlock(t, payload, c.CtrlPacket.SHA256)
	id, session := parsePrivate[*key.Ed25519Private](t, c.ID), parsePrivate[*key.Ed25519Private](t, c.Session)
	keys.Sign = &Signer{Session: session, ID: id}
	g := Greeting{
		Pairing: &HostPairing{ID: id}, TLS: Fingerprint(c.HostFP), Rand: randReader{},
		Keys: &SessionKeys{Sign: session, DH: parsePrivate[*key.X25519Private](t, c.DH)},
	}
	a, err := g.Answer(c.HostHello.Packet)
	if err != nil || a.Pairing.Host.Fingerprint != Fingerprint(c.HostFP) {
		t.Error(err)
	}
	g.TLS[0] ^= 1
	if a, err := g.Answer(c.HostHello.Packet); !errors.Is(err, ErrIdentity) || a.Keys != nil || a.Payload == nil {
		t.Error(err)
	}
	return payload, keys
}

func checkBlock(t *testing.T, payload, sum []byte) {
	t.Helper()
	block := must[[]byte](t)(wire.Pad(nil, payload, BlockSize))
	if got := sha256.Sum256(block); !bytes.Equal(got[:], sum) {
		t.Error("another block")
	}
}

func testMessage(t *testing.T, from, to *Bodies, body string, file, http2 []byte) {
	t.Helper()
	sealed, k, err := from.Seal([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	out := bytes.NewBuffer(sealed)
	if file != nil {
		if err := k.SealFile(out, bytes.NewReader(file), uint32(len(file))); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(out.Bytes(), http2) {
		t.Fatalf("body is\n%x, not\n%x", out.Bytes(), http2)
	}
	got, k, err := to.Open(out)
	if err != nil || string(got) != body {
		t.Fatalf("opened %q: %v", got, err)
	}
	if file == nil {
		if err := k.OpenFile(new(bytes.Buffer), out, 1, Digest{}); !errors.Is(err, ErrNoFile) {
			t.Error(err)
		}
		return
	}
	d, size, _ := DigestOf(bytes.NewReader(file))
	var plain bytes.Buffer
	if err := k.OpenFile(&plain, out, size, d); err != nil || !bytes.Equal(plain.Bytes(), file) {
		t.Error(err)
	}
}
