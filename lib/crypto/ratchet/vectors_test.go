package ratchet

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// TestVectorRatchet replays every agreement and every conversation of the
// reference, comparing all bytes and states.
func TestVectorRatchet(t *testing.T) {
	by := map[string]func(*testing.T, vectors.Case){"x3dh": vectorConversation, "resync": vectorSync}
	for _, name := range []string{
		"random_order", "alternating", "out_of_order", "duplicates", "corrupted", "short", "pq_switch",
		"many_skipped", "max_sizes", "many_skipped_previous_epoch", "pq_switch_one_sided",
	} {
		by[name] = vectorConversation
	}
	vectors.Load(t, "ratchet.json").Dispatch(t, by)
}

type vectorParty struct {
	Key1 vectors.PrivateKey `json:"x448_1"`
	Key2 vectors.PrivateKey `json:"x448_2"`
	KEM  *struct {
		Type   string
		Public vectors.Hex `json:"public_key"`
		Secret vectors.Hex `json:"secret_key"`
		CT     vectors.Hex `json:"ciphertext"`
		Shared vectors.Hex `json:"shared_secret"`
	}
	Params      vectors.Hex         `json:"e2e_params_binary"`
	URI         string              `json:"e2e_params_uri"`
	URIBinary   vectors.Hex         `json:"e2e_params_uri_binary"`
	URIVersions []wire.Version      `json:"e2e_params_uri_version_range"`
	FirstDH     *vectors.PrivateKey `json:"x448_initial_sending_ratchet"`
	X3DH        vectorX3DH          `json:"x3dh_result"`
	State       json.RawMessage     `json:"initial_state"`
	Hash        vectors.Hex         `json:"ratchet_key_hash"`
	Becomes     string
}

type vectorX3DH struct {
	AD     vectors.Hex `json:"associated_data"`
	Root   vectors.Hex `json:"root_key"`
	Header vectors.Hex `json:"snd_header_key"`
	Next   vectors.Hex `json:"rcv_next_header_key"`
	KEM    *struct {
		Secret vectors.Hex `json:"shared_secret"`
		CT     vectors.Hex `json:"ciphertext"`
	} `json:"kem_accepted"`
}

func x448Key(t testing.TB, k vectors.PrivateKey) *key.X448Private {
	t.Helper()
	out, err := key.X448FromRaw(k.Raw)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (v *vectorParty) private(t testing.TB, version wire.Version) *Private {
	t.Helper()
	p := &Private{version: version, key1: x448Key(t, v.Key1), key2: x448Key(t, v.Key2)}
	if v.KEM != nil {
		p.kem = &privateKEM{key: secretKey(t, v.KEM.Secret)}
		if v.KEM.Type == "accepted" {
			p.kem.ct, p.kem.shared = ciphertext(t, v.KEM.CT), v.KEM.Shared
		}
	}
	b, err := p.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	stored := new(Private)
	if err := stored.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return stored
}

// params checks the codec of a party's parameters.
func (v *vectorParty) params(t testing.TB, own *Private) Params {
	t.Helper()
	p, err := ParseParams(v.Params)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Append(nil); !bytes.Equal(got, v.Params) {
		t.Fatalf("E2E parameters %x, want %x", got, []byte(v.Params))
	}
	if !p.Equal(own.Params()) {
		t.Fatal("parameters are not those of the keys")
	}
	if v.URI == "" {
		return p
	}
	u, err := ParseParamsURI(v.URI)
	if err != nil {
		t.Fatal(err)
	}
	want := own.Params().URI(wire.VersionRange{Min: v.URIVersions[0], Max: v.URIVersions[1]})
	if got := u.String(); got != v.URI || !u.Equal(want) {
		t.Fatalf("URI %s, want %s", got, v.URI)
	}
	if got := u.Append(nil); !bytes.Equal(got, v.URIBinary) {
		t.Fatalf("URI in binary %x, want %x", got, []byte(v.URIBinary))
	}
	if u, err = ParseParamsURIBinary(v.URIBinary); err != nil || !u.Equal(want) {
		t.Fatalf("parsing the URI in binary: %v", err)
	}
	return p
}

func checkX3DH(t testing.TB, a *agreement, want vectorX3DH) {
	t.Helper()
	for _, p := range [][2][]byte{
		{a.ad[:], want.AD}, {a.root[:], want.Root}, {a.header[:], want.Header}, {a.next[:], want.Next},
	} {
		if !bytes.Equal(p[0], p[1]) {
			t.Fatalf("X3DH gives %x, want %x", p[0], p[1])
		}
	}
	if want.KEM == nil && a.kemUsed != nil ||
		want.KEM != nil && !bytes.Equal(a.kemUsed, want.KEM.Secret) {
		t.Fatal("X3DH has another KEM secret")
	}
}

type vectorCase struct {
	Version  wire.Version `json:"e2e_version"`
	Max      wire.Version `json:"max_supported_version"`
	Bob      vectorParty
	Alice    vectorParty
	Steps    []vectorStep
	Final    map[string]json.RawMessage `json:"final_states"`
	Supports struct {
		Bob   PQSupport `json:"bob_support"`
		Alice PQSupport `json:"alice_support"`
	} `json:"pq"`
}

func vectorConversation(t *testing.T, c vectors.Case) {
	var v vectorCase
	c.Decode(t, &v)
	bob, alice := v.Bob.private(t, v.Version), v.Alice.private(t, v.Version)
	bobParams, aliceParams := v.Bob.params(t, bob), v.Alice.params(t, alice)

	a, err := agreeSnd(alice, bobParams)
	if err != nil {
		t.Fatal(err)
	}
	checkX3DH(t, a, v.Alice.X3DH)
	if a, err = agreeRcv(bob, aliceParams); err != nil {
		t.Fatal(err)
	}
	checkX3DH(t, a, v.Bob.X3DH)

	snd, err := initSnd(alice, bobParams, v.Max, dhKeyOf(x448Key(t, *v.Alice.FirstDH)))
	if err != nil {
		t.Fatal(err)
	}
	checkState(t, "alice's first state", snd, v.Alice.State)
	rcv, err := InitRcv(bob, aliceParams, v.Supports.Bob, v.Max)
	if err != nil {
		t.Fatal(err)
	}
	checkState(t, "bob's first state", rcv, v.Bob.State)

	talk := &conversation{
		t: t, max: v.Max, sent: make(map[int][]byte), plain: make(map[int][]byte),
		state:   map[string]*State{"alice": snd, "bob": rcv},
		skipped: map[string]SkippedMap{"alice": {}, "bob": {}},
	}
	for i, s := range v.Steps {
		talk.run(i, &s)
	}
	for name, want := range v.Final {
		checkState(t, name+"'s last state", talk.state[name], want)
	}
}

type vectorSyncCase struct {
	Version   wire.Version       `json:"e2e_version"`
	A         vectorParty        `json:"party_a"`
	B         vectorParty        `json:"party_b"`
	FirstDH   vectors.PrivateKey `json:"x448_fresh_initial_sending_ratchet"`
	Receiving vectorX3DH         `json:"x3dh_receiving"`
	Sending   vectorX3DH         `json:"x3dh_sending"`
	RcvState  json.RawMessage    `json:"initial_state_receiving"`
	SndState  json.RawMessage    `json:"initial_state_sending"`
	Messages  []struct {
		From       string
		Plaintext  vectors.Hex
		Ciphertext vectors.Hex
		StateAfter json.RawMessage `json:"receiver_state_after"`
	}
}

func vectorSync(t *testing.T, c vectors.Case) {
	var v vectorSyncCase
	c.Decode(t, &v)
	a, b := v.A.private(t, v.Version), v.B.private(t, v.Version)
	paramsA, paramsB := v.A.params(t, a), v.B.params(t, b)
	for _, p := range []struct {
		v      *vectorParty
		params Params
	}{{&v.A, paramsA}, {&v.B, paramsB}} {
		if h := p.params.Hash(); !bytes.Equal(h[:], p.v.Hash) {
			t.Fatalf("hash of parameters %x, want %x", h, []byte(p.v.Hash))
		}
	}
	want := parseState(t, v.RcvState)
	pq := PQSupport(want.Support)
	_, aSends, err := InitSync(a, paramsB, pq, want.Version[1])
	if err != nil {
		t.Fatal(err)
	}
	_, bSends, err := InitSync(b, paramsA, pq, want.Version[1])
	if err != nil {
		t.Fatal(err)
	}
	if aSends == bSends || aSends != (v.A.Becomes == "sending ratchet (initSndRatchet)") {
		t.Fatalf("a sends %v, b sends %v; the reference: a becomes %s", aSends, bSends, v.A.Becomes)
	}
	sender, sndPeer, receiver, rcvPeer := a, paramsB, b, paramsA
	if bSends {
		sender, sndPeer, receiver, rcvPeer = b, paramsA, a, paramsB
	}
	if g, err := agreeSnd(sender, sndPeer); err != nil {
		t.Fatal(err)
	} else {
		checkX3DH(t, g, v.Sending)
	}
	if g, err := agreeRcv(receiver, rcvPeer); err != nil {
		t.Fatal(err)
	} else {
		checkX3DH(t, g, v.Receiving)
	}
	snd, err := initSnd(sender, sndPeer, want.Version[1], dhKeyOf(x448Key(t, v.FirstDH)))
	if err != nil {
		t.Fatal(err)
	}
	checkState(t, "sending state", snd, v.SndState)
	rcv, err := InitRcv(receiver, rcvPeer, pq, want.Version[1])
	if err != nil {
		t.Fatal(err)
	}
	checkState(t, "receiving state", rcv, v.RcvState)
	syncMessages(t, &v, snd, rcv)
}

func syncMessages(t *testing.T, v *vectorSyncCase, snd, rcv *State) {
	for _, m := range v.Messages {
		from, to := &snd, &rcv
		if m.From == "receiving party" {
			from, to = &rcv, &snd
		}
		overhead := Overhead((*from).current, (*from).support)
		next, out, err := (*from).Encrypt(m.Plaintext, len(m.Ciphertext)-overhead, SendOptions{MaxVersion: (*from).max})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out, m.Ciphertext) {
			t.Fatalf("message of the %s differs", m.From)
		}
		*from = next
		r, err := (*to).decrypt(replay{t, parseState(t, m.StateAfter)}, SkippedMap{}, out)
		if err != nil || !bytes.Equal(r.Plain, m.Plaintext) {
			t.Fatalf("decrypting a message of the %s: %v", m.From, err)
		}
		checkState(t, "receiver's state", r.Next, m.StateAfter)
		*to = r.Next
	}
}
