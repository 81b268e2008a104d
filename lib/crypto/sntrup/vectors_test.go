package sntrup

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/simplexkit/simplexkit/lib/internal/vectors"
)

type vectorCase struct {
	PublicKey    vectors.Hex `json:"public_key"`
	SecretKey    vectors.Hex `json:"secret_key"`
	KeyRandom    vectors.Hex `json:"keypair_random_bytes"`
	Ciphertext   vectors.Hex `json:"ciphertext"`
	SharedSecret vectors.Hex `json:"shared_secret"`
	EncRandom    vectors.Hex `json:"enc_random_bytes"`
	Differs      bool        `json:"differs_from_honest_secret"`
}

// TestVectorSNTRUP761 runs every case of the reference's C code: the same
// random bytes must give the same keys, ciphertexts and secrets.
func TestVectorSNTRUP761(t *testing.T) {
	for _, c := range vectors.Load(t, "sntrup761.json").Cases {
		t.Run(c.ID, func(t *testing.T) {
			var v vectorCase
			c.Decode(t, &v)
			switch c.Category {
			case "keypair_enc_dec":
				checkKeyPair(t, &v)
				checkEncapsulate(t, &v)
				checkDecapsulate(t, &v)
			case "enc_dec", "implicit_rejection":
				checkDecapsulate(t, &v)
			default:
				t.Fatalf("unknown category %q", c.Category)
			}
		})
	}
}

func checkKeyPair(t *testing.T, v *vectorCase) {
	src := bytes.NewReader(v.KeyRandom)
	k, err := GenerateKey(src)
	if err != nil {
		t.Fatal(err)
	}
	if src.Len() != 0 {
		t.Errorf("%d random bytes are left", src.Len())
	}
	if !bytes.Equal(k.AppendRaw(nil), v.SecretKey) {
		t.Error("secret key differs")
	}
	if !bytes.Equal(k.Public()[:], v.PublicKey) {
		t.Error("public key differs")
	}
}

func checkEncapsulate(t *testing.T, v *vectorCase) {
	pub, err := ParsePublicKey(v.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	src := bytes.NewReader(v.EncRandom)
	c, secret, err := pub.Encapsulate(src)
	if err != nil {
		t.Fatal(err)
	}
	if src.Len() != 0 {
		t.Errorf("%d random bytes are left", src.Len())
	}
	if !bytes.Equal(c[:], v.Ciphertext) {
		t.Error("ciphertext differs")
	}
	if !bytes.Equal(secret, v.SharedSecret) {
		t.Error("shared secret differs")
	}
}

func checkDecapsulate(t *testing.T, v *vectorCase) {
	k, err := ParseSecretKey(v.SecretKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseCiphertext(v.Ciphertext)
	if err != nil {
		t.Fatal(err)
	}
	if got := k.Decapsulate(c); !bytes.Equal(got, v.SharedSecret) {
		t.Errorf("decapsulated %x, want %x", got, []byte(v.SharedSecret))
	}
}

func BenchmarkGenerateKey(b *testing.B) {
	for b.Loop() {
		_, _ = GenerateKey(rand.Reader)
	}
}

func BenchmarkEncapsulate(b *testing.B) {
	k, _ := GenerateKey(rand.Reader)
	pub := k.Public()
	for b.Loop() {
		_, _, _ = pub.Encapsulate(rand.Reader)
	}
}

func BenchmarkDecapsulate(b *testing.B) {
	k, _ := GenerateKey(rand.Reader)
	c, _, _ := k.Public().Encapsulate(rand.Reader)
	for b.Loop() {
		k.Decapsulate(c)
	}
}
