package sntrup

import (
	"bytes"
	"crypto/rand"
	"testing"
)

// FuzzParse takes keys and ciphertexts of any bytes and lengths: what is of
// the right size works, without an error.
func FuzzParse(f *testing.F) {
	k, _ := GenerateKey(rand.Reader)
	c, _, _ := k.Public().Encapsulate(rand.Reader)
	f.Add(k.Public()[:])
	f.Add(k.AppendRaw(nil))
	f.Add(c[:])
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if pub, err := ParsePublicKey(b); err == nil {
			if _, _, err := pub.Encapsulate(rand.Reader); err != nil {
				t.Fatal(err)
			}
		}
		if own, err := ParseSecretKey(b); err == nil {
			if len(own.Decapsulate(c)) != SharedSize || !bytes.Equal(own.AppendRaw(nil), b) {
				t.Fatal("secret key differs")
			}
		}
		if ct, err := ParseCiphertext(b); err == nil && !bytes.Equal(k.Decapsulate(ct), k.Decapsulate(ct)) {
			t.Fatal("decapsulating twice gives two secrets")
		}
	})
}

// FuzzEncoding reads public keys and ciphertexts of any bytes: what is read
// is in range and is written and read as the same.
func FuzzEncoding(f *testing.F) {
	k, _ := GenerateKey(rand.Reader)
	c, _, _ := k.Public().Encapsulate(rand.Reader)
	f.Add(k.Public()[:])
	f.Add(c[:])
	f.Add(bytes.Repeat([]byte{0xff}, PublicKeySize))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append(b, make([]byte, PublicKeySize)...)
		for _, e := range []struct {
			size   int
			decode func([]byte) ring
			append func([]byte, *ring) []byte
		}{{PublicKeySize, decodeRing, appendRing}, {roundedSize, decodeRounded, appendRounded}} {
			a := e.decode(b[:e.size])
			for i, x := range a {
				if x < -q12 || x > q12 {
					t.Fatalf("coefficient %d is %d", i, x)
				}
			}
			again := e.append(nil, &a)
			if len(again) != e.size || e.decode(again) != a {
				t.Fatal("decoding is not stable")
			}
		}
		s := decodeSmall(b[:smallSize])
		for i := range s {
			s[i] = min(s[i], 1)
		}
		if again := appendSmall(nil, &s); decodeSmall(again) != s {
			t.Fatal("small polynomial differs")
		}
	})
}
