package smp

import (
	"bytes"
	"crypto/rand"
	"errors"
	"runtime"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
)

const id24 = "012345678901234567890123"

func testParams(v int) (client, server *Params) {
	k := key.GenerateX25519()
	session := make([]byte, 32)
	_, _ = rand.Read(session)
	client = &Params{Version: version(uint8(v - 6)), SessionID: session, PeerKey: new(k.Public())}
	return client, &Params{Version: client.Version, SessionID: session, Key: k}
}

// A body of 16 KB is copied once: into the block.
func TestSendCopiesBodyOnce(t *testing.T) {
	client, server := testParams(18)
	body := make([]byte, 16000)
	for name, k := range map[string]key.Private{"none": nil, "ed25519": key.GenerateEd25519(), "x25519": key.GenerateX25519()} {
		var before, after runtime.MemStats
		const rounds = 50
		runtime.ReadMemStats(&before)
		for range rounds {
			item, err := client.EncodeCommand(id24, id24, SEND{Body: body}, Credentials{Key: k})
			if err != nil || len(Pack([]Item{item})) != 1 {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		if n := (after.TotalAlloc - before.TotalAlloc) / rounds; n > 24000 {
			t.Errorf("%s: %d bytes are allocated", name, n)
		}
	}
	item, err := client.EncodeCommand(id24, id24, SEND{Body: body}, Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	r := server.ParseRequests(item)[0]
	if got := r.Command.(SEND).Body; &got[0] != &item[len(item)-len(body)] {
		t.Error("the parser copies the body")
	}
}

func TestEncodeCommandErrors(t *testing.T) {
	client, _ := testParams(6)
	client.PeerKey = nil
	_, err := client.EncodeCommand(id24, id24, SUB{}, Credentials{Key: key.GenerateX25519()})
	if !errors.Is(err, ErrTransportNoAuth) {
		t.Errorf("relay without a key: %v", err)
	}
	if _, err := client.EncodeCommand(id24, id24, SUB{}, Credentials{Key: key.GenerateX448()}); !errors.Is(err, ErrTransportNoAuth) {
		t.Errorf("X448: %v", err)
	}
	if _, err := client.EncodeCommand(id24, id24, SEND{Body: make([]byte, 65536)}, Credentials{}); !errors.Is(err, ErrTransportLargeMsg) {
		t.Errorf("64 KB: %v", err)
	}
}

func TestLongSessionID(t *testing.T) {
	client, server := testParams(18)
	client.SessionID = bytes.Repeat([]byte{7}, 255)
	server.SessionID = client.SessionID
	k := key.GenerateEd25519()
	s := &ServiceKeys{"service", RoleMessaging, Fingerprint(make([]byte, 32)), key.GenerateEd25519()}
	item, err := client.EncodeCommand(id24, id24, SUB{}, Credentials{k, s})
	if err != nil {
		t.Fatal(err)
	}
	r := server.ParseRequests(item)[0]
	peer := &PeerService{s.ServiceID, s.Role, s.Certificate, s.Key.Public()}
	if r.Err != nil || !server.Verify(&r, k.Public(), peer) || server.CheckService(&r, peer) != nil {
		t.Errorf("%+v does not verify", r)
	}
}

func TestServiceCommands(t *testing.T) {
	client, server := testParams(18)
	k := key.GenerateEd25519()
	peer := &PeerService{"service", RoleMessaging, "hash", k.Public()}
	item, err := client.EncodeCommand(id24, "service", SUBS{}, Credentials{Key: k})
	if err != nil {
		t.Fatal(err)
	}
	r := server.ParseRequests(item)[0]
	if !server.VerifyServiceCommand(&r, peer) || server.CheckService(&r, peer) != nil {
		t.Error("SUBS of the service does not verify")
	}
	other := *peer
	other.ServiceID = "other"
	if server.VerifyServiceCommand(&r, &other) {
		t.Error("SUBS of another service verifies")
	}
	notifier := *peer
	notifier.Role = RoleNotifier
	if err := server.CheckService(&r, &notifier); err != ErrProhibited {
		t.Errorf("SUBS of a notifier: %v", err)
	}
	item, err = client.EncodeCommand(id24, id24, SUB{}, Credentials{Key: k})
	if err != nil {
		t.Fatal(err)
	}
	r = server.ParseRequests(item)[0]
	if err := server.CheckService(&r, peer); err != ErrService {
		t.Errorf("SUB without the service's signature: %v", err)
	}
}

func TestPackNothing(t *testing.T) {
	if b := Pack(nil); len(b) != 0 {
		t.Errorf("%d batches of nothing", len(b))
	}
	huge := Item(make([]byte, MaxBatch+2))
	if b := Pack([]Item{huge}); len(b) != 1 || !errors.Is(b[0].Err, ErrTransportLargeMsg) || b[0].First != 0 || b[0].Count != 1 {
		t.Errorf("%+v", b)
	}
}

func BenchmarkEncodeSEND(b *testing.B) {
	client, _ := testParams(18)
	cred := Credentials{Key: key.GenerateEd25519()}
	c := SEND{Body: make([]byte, 16000)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.EncodeCommand(id24, id24, c, cred); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifySEND(b *testing.B) {
	client, server := testParams(18)
	k := key.GenerateX25519()
	item, err := client.EncodeCommand(id24, id24, SEND{Body: make([]byte, 16000)}, Credentials{Key: k})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if r := server.ParseRequests(item); !server.Verify(&r[0], k.Public(), nil) {
			b.Fatal("does not verify")
		}
	}
}
