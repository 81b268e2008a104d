package key_test

import (
	"bytes"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
)

func FuzzParsePublic(f *testing.F) {
	for _, k := range all() {
		f.Add(k.PublicKey().AppendSPKI(nil))
		f.Add(k.AppendPKCS8(nil))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		p, err := key.ParsePublic(der)
		if err != nil {
			return
		}
		again := p.AppendSPKI(nil)
		der = bytes.Clone(der)
		der[11] = 0 // the number of unused bits, which is not looked at
		if !bytes.Equal(again, der) {
			t.Fatalf("%x is written as %x", der, again)
		}
		_, x25519 := key.ParseX25519(der)
		_, x448 := key.ParseX448(der)
		_, ed25519 := key.ParseEd25519(der)
		_, verify := key.ParseVerifyKey(der)
		ok := 0
		for _, err := range []error{x25519, x448, ed25519} {
			if err == nil {
				ok++
			}
		}
		if want := map[bool]int{true: 0, false: 1}[p.Alg() == key.Ed448]; ok != want || (verify == nil) == p.Alg().IsDH() {
			t.Fatalf("%v is read as %d kinds", p.Alg(), ok)
		}
	})
}

func FuzzParsePrivate(f *testing.F) {
	for _, k := range all() {
		f.Add(k.PublicKey().AppendSPKI(nil))
		f.Add(k.AppendPKCS8(nil))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		k, err := key.ParsePrivate(der)
		if err == nil && !bytes.Equal(k.AppendPKCS8(nil), der) {
			t.Fatalf("%x is written otherwise", der)
		}
	})
}
