package box_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/wire"
)

func TestSealAppends(t *testing.T) {
	k, n, msg := box.RandomKey(), box.NewNonce(), vectors.Seeded([]byte("m"), 1000)
	for _, spare := range []int{0, 10, 5000} {
		dst := append(make([]byte, 0, 3+spare), "abc"...)
		sealed := k.Seal(dst, n, msg)
		padded, err := k.SealPadded(dst, n, msg, 1200)
		if err != nil || string(sealed[:3]) != "abc" || string(padded[:3]) != "abc" || len(padded) != 3+1200+box.Overhead {
			t.Fatal(err)
		}
		opened, err := k.Open([]byte("def"), n, k.Seal(nil, n, msg))
		if err != nil || !bytes.Equal(opened, append([]byte("def"), msg...)) {
			t.Error(err)
		}
	}
	if _, err := k.SealPadded(nil, n, msg, -5); !errors.Is(err, wire.ErrPadSize) {
		t.Error(err)
	}
}

// A stream gives the same bytes whatever the pieces.
func TestStreamInPieces(t *testing.T) {
	k, n := box.RandomKey(), box.NewNonce()
	for _, size := range []int{0, 1, 31, 32, 33, 63, 64, 65, 96, 127, 128, 1000, 5000} {
		msg := vectors.Seeded([]byte("m"), size)
		sealed := k.Seal(nil, n, msg)
		want := append(bytes.Clone(sealed[box.Overhead:]), sealed[:box.Overhead]...)
		for _, piece := range []int{1, 7, 32, 64, 100, 5000} {
			in, out := k.NewStream(n), k.NewStream(n)
			var got, back []byte
			for rest := msg; len(rest) > 0; {
				p := rest[:min(piece, len(rest))]
				rest = rest[len(p):]
				at := len(got)
				got = in.Seal(got, p)
				back = out.Open(back, got[at:])
			}
			if err := out.Verify(in.Tag(nil)); err != nil || !bytes.Equal(back, msg) {
				t.Errorf("%d bytes in pieces of %d: %v", size, piece, err)
			}
			if got = in.Tag(got); !bytes.Equal(got, want) {
				t.Errorf("%d bytes in pieces of %d are sealed otherwise", size, piece)
			}
			if err := out.Verify(make([]byte, 16)); !errors.Is(err, box.ErrOpen) {
				t.Error(err)
			}
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	k, n, msg := box.RandomKey(), box.NewNonce(), []byte("message")
	open := map[string]func(sealed []byte) error{
		"box":    func(b []byte) error { _, err := k.Open(nil, n, b); return err },
		"padded": func(b []byte) error { _, err := k.OpenPadded(n, b); return err },
		"tail":   func(b []byte) error { _, err := k.OpenTail(nil, n, b); return err },
		"gcm":    func(b []byte) error { _, err := k.OpenGCM(nil, n[:12], nil, b); return err },
	}
	sealed := map[string][]byte{
		"box": k.Seal(nil, n, msg), "padded": k.Seal(nil, n, msg),
		"tail": k.SealTail(nil, n, msg), "gcm": k.SealGCM(nil, n[:12], nil, msg),
	}
	for name, fn := range open {
		for size := range box.Overhead {
			if err := fn(make([]byte, size)); !errors.Is(err, box.ErrOpen) {
				t.Errorf("%s of %d bytes: %v", name, size, err)
			}
		}
		for i := range sealed[name] {
			bad := bytes.Clone(sealed[name])
			bad[i] ^= 0x80
			if err := fn(bad); !errors.Is(err, box.ErrOpen) {
				t.Errorf("%s with byte %d changed: %v", name, i, err)
			}
		}
	}
}

func TestKeys(t *testing.T) {
	for _, n := range []int{0, 31, 33} {
		if _, err := box.NewKey(make([]byte, n)); err == nil {
			t.Errorf("key of %d bytes", n)
		}
	}
	a, b := box.RandomKey(), box.RandomKey()
	again, err := box.NewKey(a.Raw())
	if err != nil || !a.Equal(again) || a.Equal(b) {
		t.Error("keys compare wrongly", err)
	}
	clear(a.Raw())
	if !a.Equal(again) {
		t.Error("the key was changed through a copy")
	}
	a.Wipe()
	if !bytes.Equal(a.Raw(), make([]byte, 32)) {
		t.Error("the key is there")
	}
	if _, err := box.SharedKey(key.X25519Public{}, key.GenerateX25519()); !errors.Is(err, key.ErrLowOrder) {
		t.Error(err)
	}
	if k := box.RandomKey(); k.VerifyAuthenticator(nil, nil, nil) {
		t.Error("no authenticator verifies")
	}
}

func BenchmarkBox(b *testing.B) {
	k, n := box.RandomKey(), box.NewNonce()
	msg, buf := make([]byte, 16000), make([]byte, 0, 17000)
	sealed := k.Seal(nil, n, msg)
	run := func(name string, size int, fn func()) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				fn()
			}
		})
	}
	run("Seal/16000", len(msg), func() { k.Seal(buf, n, msg) })
	run("SealPadded/16000", len(msg), func() { _, _ = k.SealPadded(buf, n, msg[:100], len(msg)) })
	run("Open/16000", len(msg), func() { _, _ = k.Open(buf, n, sealed) })
	run("Seal/64", 64, func() { k.Seal(buf, n, msg[:64]) })
	run("Authenticate", 200, func() { k.Authenticate(n[:], msg[:200]) })
	auth := k.Authenticate(n[:], msg[:200])
	run("VerifyAuthenticator", 200, func() { k.VerifyAuthenticator(n[:], msg[:200], auth) })
	chain, _ := box.ChainInit(nil, k.Raw())
	run("Chain", 88, func() { chain.Next() })
	run("SharedKey", 32, shareKeys())
}

func shareKeys() func() {
	priv, pub := key.GenerateX25519(), key.GenerateX25519().Public()
	return func() { _, _ = box.SharedKey(pub, priv) }
}

func TestOpenPaddedInPlaceIsOpenPadded(t *testing.T) {
	k := box.RandomKey()
	for _, size := range []int{2, 20, 31, 32, 33, 34, 64, 65, 96, 97, 200, 16368} {
		for _, n := range []int{0, 1, 29, 30, 31, 62, 63, 64, 94, 95, 100, size - 3, size - 2} {
			if n < 0 || n > size-2 {
				continue
			}
			msg, nonce := bytes.Repeat([]byte{7}, n), box.NewNonce()
			sealed, err := k.SealPadded(nil, nonce, msg, size)
			if err != nil {
				t.Fatal(err)
			}
			damaged := bytes.Clone(sealed)
			damaged[len(damaged)-1] ^= 1 // padding counts too
			if _, err := k.OpenPaddedInPlace(nonce, damaged); !errors.Is(err, box.ErrOpen) {
				t.Errorf("size %d: damaged box: %v", size, err)
			}
			got, err := k.OpenPaddedInPlace(nonce, sealed)
			if err != nil || !bytes.Equal(got, msg) {
				t.Errorf("size %d, message of %d: %x, %v", size, n, got, err)
			}
		}
	}
	nonce := box.NewNonce()
	for name, c := range map[string]struct {
		sealed []byte
		want   error
	}{
		"short":        {make([]byte, box.Overhead-1), box.ErrOpen},
		"empty":        {k.Seal(nil, nonce, nil), wire.ErrUnpad},
		"wrong length": {k.Seal(nil, nonce, []byte{0, 3, 1, 2}), wire.ErrUnpad},
	} {
		if _, err := k.OpenPaddedInPlace(nonce, c.sealed); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
