package transport

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	tls "github.com/simplexkit/simplexkit/lib/transport/gotls"
)

func FuzzParseChainPEM(f *testing.F) {
	ca, err := GenerateCA("CA", time.Unix(1e9, 0))
	if err != nil {
		f.Fatal(err)
	}
	leaf, err := ca.GenerateLeaf("leaf", time.Unix(1e9, 0))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(leaf.Chain.AppendPEM(nil))
	f.Add(leaf.Chain[:1].AppendPEM([]byte("words\n")))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseChainPEM(b)
		if err != nil {
			return
		}
		_ = c.Verify(time.Unix(1e9, 0), 1)
		_ = c.Identity()
		_, _ = c.LeafKey()
		again, err := ParseChainPEM(c.AppendPEM(nil))
		if err != nil || !again.Equal(c) {
			t.Errorf("written and read again: %v", err)
		}
	})
}

func FuzzParseKeyPEM(f *testing.F) {
	f.Add(AppendKeyPEM(nil, key.GenerateEd25519()))
	f.Add(AppendKeyPEM([]byte("words\n"), key.GenerateEd448()))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ParseKeyPEM(b)
		if err != nil {
			return
		}
		if again, err := ParseKeyPEM(AppendKeyPEM(nil, k)); err != nil || again.PublicKey() != k.PublicKey() {
			t.Errorf("written and read again: %v", err)
		}
	})
}

var flightSecret = bytes.Repeat([]byte{7}, 32)

// sealFlight seals messages as records of size bytes at most.
func sealFlight(t testing.TB, messages []byte, size int) []byte {
	fl, err := newFlight(tls.TLS_CHACHA20_POLY1305_SHA256, flightSecret)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for seq := uint64(0); len(messages) > 0; seq++ {
		n := min(size, len(messages))
		plain := append(append([]byte(nil), messages[:n]...), recordHandshake, 0, 0) // padded
		messages = messages[n:]
		header := []byte{recordApplication, 3, 3, 0, 0}
		binary.BigEndian.PutUint16(header[3:], uint16(len(plain)+chacha20poly1305.Overhead))
		nonce := append([]byte(nil), fl.iv...)
		for i := range 8 {
			nonce[4+i] ^= byte(seq >> (56 - 8*i))
		}
		out = append(out, header...)
		out = fl.aead.Seal(out, nonce, plain, header)
	}
	return out
}

func message(typ byte, n int) []byte {
	m := []byte{typ, byte(n >> 16), byte(n >> 8), byte(n)}
	return append(m, bytes.Repeat([]byte{typ}, n)...)
}

// hellos in the clear, with a dummy ChangeCipherSpec between them.
var hellos = []byte{22, 3, 1, 0, 2, 1, 1, 20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 1, 9}

func TestClientFinishedInAnyRecords(t *testing.T) {
	want := message(20, 32)[4:]
	for _, before := range [][]byte{nil, append(message(11, 3000), message(15, 68)...)} {
		for _, size := range []int{1, 3, 1000, 16000} {
			rec := append(append([]byte(nil), hellos...), sealFlight(t, append(append([]byte(nil), before...), message(20, 32)...), size)...)
			rec = append(rec, 23, 3, 3, 0, 40) // the beginning of the first block
			got, err := clientFinished(tls.TLS_CHACHA20_POLY1305_SHA256, flightSecret, rec)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("records of %d: %x, %v", size, got, err)
			}
		}
	}
}

func TestClientFinishedRefuses(t *testing.T) {
	good := sealFlight(t, message(20, 32), 1000)
	damaged := append([]byte(nil), good...)
	damaged[len(damaged)-1] ^= 1
	for name, rec := range map[string][]byte{
		"nothing":          nil,
		"hellos only":      hellos,
		"cut":              good[:len(good)-1],
		"damaged":          damaged,
		"without Finished": sealFlight(t, message(11, 100), 1000),
		"too long":         sealFlight(t, []byte{11, 255, 255, 255}, 1000),
	} {
		if v, err := clientFinished(tls.TLS_CHACHA20_POLY1305_SHA256, flightSecret, rec); err == nil {
			t.Errorf("%s: %x", name, v)
		}
	}
	if _, err := clientFinished(tls.TLS_CHACHA20_POLY1305_SHA256, nil, good); err == nil {
		t.Error("no secret, no error")
	}
	if _, err := clientFinished(1, flightSecret, good); err == nil {
		t.Error("unknown suite, no error")
	}
}

func FuzzClientFinished(f *testing.F) {
	f.Add(append(append([]byte(nil), hellos...), sealFlight(f, message(20, 32), 10)...), message(20, 32))
	f.Fuzz(func(t *testing.T, recording, messages []byte) {
		if v, err := clientFinished(tls.TLS_CHACHA20_POLY1305_SHA256, flightSecret, recording); (v == nil) == (err == nil) {
			t.Errorf("%x, %v", v, err)
		}
		_, _, _ = findFinished(messages)
	})
}

func TestKeyLogKeepsOneSecret(t *testing.T) {
	var l keyLog
	for _, line := range []string{
		fmt.Sprintf("CLIENT_HANDSHAKE_TRAFFIC_SECRET 00 %x\n", flightSecret),
		"SERVER_HANDSHAKE_TRAFFIC_SECRET 00 11\n", "CLIENT_TRAFFIC_SECRET_0 00 11\n", "CLIENT_RANDOM 00 11\n", "\n",
	} {
		if n, err := l.Write([]byte(line)); err != nil || n != len(line) {
			t.Errorf("%d, %v", n, err)
		}
	}
	if !bytes.Equal(l.secret, flightSecret) {
		t.Errorf("kept %x", l.secret)
	}
	kept := l.secret
	l.wipe()
	if !bytes.Equal(kept, make([]byte, sha256.Size)) || l.secret != nil {
		t.Error("not wiped")
	}
	if _, err := l.Write([]byte("CLIENT_HANDSHAKE_TRAFFIC_SECRET 00 zz\n")); err == nil {
		t.Error("no error for what is not hex")
	}
}
