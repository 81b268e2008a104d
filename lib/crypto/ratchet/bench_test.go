package ratchet

import (
	"crypto/rand"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/sntrup"
)

const benchSize = 15840 // of a padded body in one SMP message without the KEM

// pair is two states that know each other; the first is the joiner's.
func pair(t testing.TB, pq PQSupport) (alice, bob *State) {
	t.Helper()
	inviter, err := GenerateRcv(VersionCurrent, pq)
	if err != nil {
		t.Fatal(err)
	}
	joiner, err := GenerateSnd(inviter.Params(), pq)
	if err != nil {
		t.Fatal(err)
	}
	if alice, err = InitSnd(joiner, inviter.Params(), 0); err != nil {
		t.Fatal(err)
	}
	if bob, err = InitRcv(inviter, joiner.Params(), pq, 0); err != nil {
		t.Fatal(err)
	}
	return alice, bob
}

// pass sends a message and returns the states after it.
func pass(t testing.TB, from, to *State, size int) (*State, *State) {
	t.Helper()
	from, out, err := from.Encrypt([]byte("hello"), size, SendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := to.Decrypt(SkippedMap{}, out)
	if err != nil {
		t.Fatal(err)
	}
	return from, r.Next
}

func BenchmarkEncrypt(b *testing.B) {
	alice, _ := pair(b, PQSupportOff)
	msg := make([]byte, benchSize-2)
	for b.Loop() {
		alice, _, _ = alice.Encrypt(msg, benchSize, SendOptions{})
	}
}

func BenchmarkDecrypt(b *testing.B) {
	alice, bob := pair(b, PQSupportOff)
	alice, bob = pass(b, alice, bob, benchSize)
	_, out, _ := alice.Encrypt(make([]byte, benchSize-2), benchSize, SendOptions{})
	for b.Loop() {
		if _, err := bob.Decrypt(SkippedMap{}, out); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChainFloor is the work that neither of the two can do without: two
// seals and a step of the chain.
func BenchmarkChainFloor(b *testing.B) {
	k, iv, ad := make([]byte, 32), make([]byte, ivSize), make([]byte, 2*adSize)
	out, head := make([]byte, 0, benchSize+tagSize), make([]byte, 0, headerSize+tagSize)
	body, plain := make([]byte, benchSize), make([]byte, headerSize)
	for b.Loop() {
		box.HKDF(nil, k, "SimpleXChainRatchet", 96)
		gcm(k).Seal(head, iv, plain, ad[:adSize])
		gcm(k).Seal(out, iv, body, ad)
	}
}

func benchmarkStep(b *testing.B, pq PQSupport) {
	alice, bob := pair(b, pq)
	alice, bob = pass(b, alice, bob, 100)
	_, out, _ := bob.Encrypt(nil, 100, SendOptions{})
	for b.Loop() {
		if r, err := alice.Decrypt(SkippedMap{}, out); err != nil || !r.Advanced {
			b.Fatal(err)
		}
	}
}

func BenchmarkStep(b *testing.B)   { benchmarkStep(b, PQSupportOff) }
func BenchmarkStepPQ(b *testing.B) { benchmarkStep(b, PQSupportOn) }

// BenchmarkStepFloor is two agreements; a step has a new key to make too.
func BenchmarkStepFloor(b *testing.B) {
	k, p := key.GenerateX448(), key.GenerateX448().Public()
	for b.Loop() {
		_, _ = k.DH(p)
		_, _ = k.DH(p)
	}
}

func BenchmarkStepPQFloor(b *testing.B) {
	k, _ := sntrup.GenerateKey(rand.Reader)
	c, _, _ := k.Public().Encapsulate(rand.Reader)
	for b.Loop() {
		k.Decapsulate(c)
		_, _, _ = k.Public().Encapsulate(rand.Reader)
		_, _ = sntrup.GenerateKey(rand.Reader)
	}
}

// BenchmarkSkip is a message after a gap of 512.
func BenchmarkSkip(b *testing.B) {
	alice, bob := pair(b, PQSupportOff)
	alice, bob = pass(b, alice, bob, 100)
	var out []byte
	for range MaxSkip + 1 {
		alice, out, _ = alice.Encrypt(nil, 100, SendOptions{})
	}
	for b.Loop() {
		if r, err := bob.Decrypt(SkippedMap{}, out); err != nil || len(r.Skipped.Add) != MaxSkip {
			b.Fatal(err)
		}
	}
}

func BenchmarkStateStore(b *testing.B) {
	alice, _ := pair(b, PQSupportOn)
	buf := make([]byte, 0, 4096)
	for b.Loop() {
		buf, _ = alice.AppendBinary(buf[:0])
		if err := new(State).UnmarshalBinary(buf); err != nil {
			b.Fatal(err)
		}
	}
}
