package key

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"testing"
)

// TestX25519AsInStandardLibrary compares with another implementation, also for
// points that are no canonical encodings.
func TestX25519AsInStandardLibrary(t *testing.T) {
	for i := range 500 {
		var raw, point [32]byte
		_, _ = rand.Read(raw[:])
		_, _ = rand.Read(point[:])
		switch i {
		case 0:
			point = [32]byte{}
		case 1:
			point = [32]byte{1}
		case 2, 3, 4: // around the prime, with the highest bit
			for j := range point {
				point[j] = 0xff
			}
			point[0] = 0xeb + byte(i)
		}
		k, err := X25519FromRaw(raw[:])
		if err != nil {
			t.Fatal(err)
		}
		std, err := ecdh.X25519().NewPrivateKey(raw[:])
		if err != nil {
			t.Fatal(err)
		}
		if pub := k.Public(); !bytes.Equal(pub[:], std.PublicKey().Bytes()) {
			t.Fatalf("public key of %x", raw)
		}
		peer, err := ecdh.X25519().NewPublicKey(point[:])
		if err != nil {
			t.Fatal(err)
		}
		want, wantErr := std.ECDH(peer)
		got, err := k.DH(X25519Public(point))
		if (err != nil) != (wantErr != nil) || err != nil && !errors.Is(err, ErrLowOrder) || !bytes.Equal(got, want) {
			t.Fatalf("DH of %x and %x: %x, %v", raw, point, got, err)
		}
		if !bytes.Equal(k.Raw(), raw[:]) {
			t.Fatal("the raw key has changed")
		}
	}
}
