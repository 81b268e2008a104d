package key_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
)

// all is a new key of each kind.
func all() []key.Private {
	return []key.Private{key.GenerateX25519(), key.GenerateX448(), key.GenerateEd25519(), key.GenerateEd448()}
}

func TestKeysRoundTrip(t *testing.T) {
	sizes := map[key.Alg][3]int{key.X25519: {32, 44, 48}, key.X448: {56, 68, 72}, key.Ed25519: {32, 44, 48}, key.Ed448: {57, 69, 73}}
	for _, k := range all() {
		der, spki := k.AppendPKCS8([]byte("x")), k.PublicKey().AppendSPKI([]byte("y"))
		if want := sizes[k.Alg()]; len(k.PublicKey().Raw()) != want[0] || len(spki)-1 != want[1] || len(der)-1 != want[2] {
			t.Errorf("%v: sizes %d %d %d", k.Alg(), len(k.PublicKey().Raw()), len(spki)-1, len(der)-1)
		}
		again, err := key.ParsePrivate(der[1:])
		if err != nil || again.PublicKey() != k.PublicKey() || !bytes.Equal(again.AppendPKCS8(nil), der[1:]) {
			t.Errorf("%v: private key read as %v, %v", k.Alg(), again, err)
		}
		p, err := key.ParsePublic(spki[1:])
		if err != nil || p != k.PublicKey() {
			t.Errorf("%v: public key read as %v, %v", k.Alg(), p, err)
		}
		raw, err := key.PublicFromRaw(k.Alg(), p.Raw())
		if err != nil || raw != p {
			t.Errorf("%v: raw public key read as %v, %v", k.Alg(), raw, err)
		}
	}
}

func TestRawIsACopy(t *testing.T) {
	k := key.GenerateX25519()
	clear(k.Raw())
	p := k.Public()
	clear(p.Raw())
	if bytes.Equal(k.Raw(), make([]byte, 32)) || p != k.Public() || p == (key.X25519Public{}) {
		t.Error("the key was changed through a copy")
	}
}

func TestWrongKindsAndSizes(t *testing.T) {
	for _, k := range all() {
		spki, der := k.PublicKey().AppendSPKI(nil), k.AppendPKCS8(nil)
		_, x25519 := key.ParseX25519(spki)
		_, x448 := key.ParseX448(spki)
		_, ed25519 := key.ParseEd25519(spki)
		_, verify := key.ParseVerifyKey(spki)
		for name, got := range map[string][2]bool{
			"ParseX25519":    {x25519 == nil, k.Alg() == key.X25519},
			"ParseX448":      {x448 == nil, k.Alg() == key.X448},
			"ParseEd25519":   {ed25519 == nil, k.Alg() == key.Ed25519},
			"ParseVerifyKey": {verify == nil, !k.Alg().IsDH()},
		} {
			if got[0] != got[1] {
				t.Errorf("%s of %v: %v", name, k.Alg(), got[0])
			}
		}
		for _, bad := range [][]byte{nil, spki, der[:len(der)-1], append(bytes.Clone(der), 0)} {
			if _, err := key.ParsePrivate(bad); !errors.Is(err, key.ErrParse) {
				t.Errorf("private key of %d bytes: %v", len(bad), err)
			}
		}
		for _, bad := range [][]byte{nil, der, spki[:len(spki)-1], append(bytes.Clone(spki), 0)} {
			if _, err := key.ParsePublic(bad); !errors.Is(err, key.ErrParse) {
				t.Errorf("public key of %d bytes: %v", len(bad), err)
			}
		}
		if _, err := key.PublicFromRaw(k.Alg(), make([]byte, 31)); !errors.Is(err, key.ErrParse) {
			t.Error(err)
		}
	}
	if _, err := key.PublicFromRaw(0, nil); !errors.Is(err, key.ErrParse) {
		t.Error(err)
	}
	for i, err := range []error{
		second(key.X25519FromRaw(nil)), second(key.X448FromRaw(make([]byte, 57))),
		second(key.Ed25519FromSeed(make([]byte, 64))), second(key.Ed448FromSeed(make([]byte, 56))),
	} {
		if !errors.Is(err, key.ErrParse) {
			t.Error(i, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestLowOrder(t *testing.T) {
	one := [56]byte{1}
	minus := [56]byte{} // p-1, little endian
	for i := range minus {
		minus[i] = 0xff
	}
	minus[0], minus[28] = 0xfe, 0xfe
	for _, p := range []key.X448Public{{}, one, minus} {
		if _, err := key.GenerateX448().DH(p); !errors.Is(err, key.ErrLowOrder) {
			t.Errorf("X448 with %x: %v", p[:1], err)
		}
	}
	for _, p := range []key.X25519Public{{}, {1}} {
		if _, err := key.GenerateX25519().DH(p); !errors.Is(err, key.ErrLowOrder) {
			t.Errorf("X25519 with %x: %v", p[:1], err)
		}
	}
}

func TestEqual(t *testing.T) {
	a, b := key.GenerateX25519(), key.GenerateX25519()
	c, err := key.X25519FromRaw(a.Raw())
	if err != nil || !a.Equal(c) || a.Equal(b) {
		t.Error("keys compare wrongly", err)
	}
}

func TestWipe(t *testing.T) {
	for _, k := range all() {
		public := k.PublicKey()
		k.Wipe()
		if len(k.(interface{ Raw() []byte }).Raw()) != 0 || k.PublicKey() != public {
			t.Errorf("%v: the raw key is there", k.Alg())
		}
	}
}

func TestSignaturesOfWrongSize(t *testing.T) {
	for _, k := range all() {
		if v, ok := k.PublicKey().(key.VerifyKey); ok {
			for _, sig := range [][]byte{nil, make([]byte, 64), make([]byte, 114), make([]byte, 115)} {
				if err := v.Verify([]byte("m"), sig); !errors.Is(err, key.ErrSignature) {
					t.Errorf("%v with %d bytes: %v", k.Alg(), len(sig), err)
				}
			}
		}
	}
}

func BenchmarkDH(b *testing.B) {
	b.Run("x25519", func(b *testing.B) {
		k, p := key.GenerateX25519(), key.GenerateX25519().Public()
		b.ReportAllocs()
		for b.Loop() {
			_, _ = k.DH(p)
		}
	})
	b.Run("x448", func(b *testing.B) {
		k, p := key.GenerateX448(), key.GenerateX448().Public()
		b.ReportAllocs()
		for b.Loop() {
			_, _ = k.DH(p)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	for _, k := range all() {
		if k, ok := k.(key.SignKey); ok {
			b.Run(k.Alg().String(), func(b *testing.B) {
				msg := make([]byte, 100)
				b.ReportAllocs()
				for b.Loop() {
					k.Sign(msg)
				}
			})
		}
	}
}
