package xrcp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/internal/vectors"
)

// bodiesPair is both ends of a session.
func bodiesPair(codec Codec) (controller, host *Bodies) {
	session, id := key.GenerateEd25519(), key.GenerateEd25519()
	secret := bytes.Repeat([]byte{7}, 32)
	a, b := chains(secret, secret)
	c, d := chains(secret, secret)
	binding := []byte("the TLS session")
	controller = NewBodies(&Keys{Send: a, Recv: b, Sign: &Signer{session, id}}, binding, codec, 1<<20)
	host = NewBodies(&Keys{Send: d, Recv: c, Verify: &Verifier{Session: session.Public(), ID: id.Public()}}, binding, codec, 1<<20)
	return controller, host
}

func seal(t testing.TB, b *Bodies, msg string) []byte {
	t.Helper()
	sealed, _, err := b.Seal([]byte(msg))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func open(b *Bodies, sealed []byte) (string, error) {
	msg, _, err := b.Open(bytes.NewReader(sealed))
	return string(msg), err
}

// Bodies come in any order, each of them once, as long as no gap is too wide.
func TestBodiesInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		codec := Codec(nil)
		if rapid.Bool().Draw(t, "compressed") {
			codec = NewZstd()
		}
		c, h := bodiesPair(codec)
		from, to := c, h
		if rapid.Bool().Draw(t, "response") {
			from, to = h, c
		}
		n := rapid.IntRange(1, 50).Draw(t, "n")
		sealed := make([][]byte, n)
		for i := range sealed {
			s, _, err := from.Seal(fmt.Append(nil, "message ", i))
			if err != nil {
				t.Fatal(err)
			}
			sealed[i] = s
		}
		order := rapid.Permutation(indices(n)).Draw(t, "order")
		for _, i := range order {
			if got, err := open(to, sealed[i]); err != nil || got != fmt.Sprint("message ", i) {
				t.Fatalf("%d: %q, %v", i, got, err)
			}
			if _, err := open(to, sealed[i]); !errors.Is(err, ErrReplay) {
				t.Fatalf("%d again: %v", i, err)
			}
		}
	})
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func TestBodiesRefuse(t *testing.T) {
	c, h := bodiesPair(nil)
	good := seal(t, c, "command")
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if _, err := open(h, bad); err == nil {
			t.Fatalf("opened with byte %d changed", i)
		}
	}
	for n := range good {
		if _, err := open(h, good[:n]); !errors.Is(err, ErrBody) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if h.received != 0 {
		t.Error("commands without signatures moved the counter")
	}
	if got, err := open(h, good); err != nil || got != "command" {
		t.Error(got, err)
	}
	stranger, _ := bodiesPair(nil)
	if _, err := open(h, seal(t, stranger, "x")); !errors.Is(err, ErrSignature) {
		t.Error(err)
	}
	huge := append([]byte{0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff}, make([]byte, 100)...)
	if _, err := open(h, huge); !errors.Is(err, ErrBodySize) {
		t.Error(err)
	}
	if _, err := open(h, []byte{0, 0, 0, 9, 0, 0, 0, 15}); !errors.Is(err, ErrBody) {
		t.Error(err)
	}
	if _, _, err := c.Seal(make([]byte, 1<<20+1)); !errors.Is(err, ErrBodySize) {
		t.Error(err)
	}
	h.binding = []byte("another TLS session")
	if _, err := open(h, seal(t, c, "x")); !errors.Is(err, ErrBinding) {
		t.Error(err)
	}
	broken := errors.New("broken")
	if _, _, err := h.Open(io.MultiReader(strings.NewReader("abc"), errReader{broken})); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestBodiesGap(t *testing.T) {
	c, h := bodiesPair(nil)
	var last []byte
	for range maxGap + 1 {
		last = seal(t, c, "lost")
	}
	if _, err := open(h, last); !errors.Is(err, ErrGap) {
		t.Error(err)
	}
	// Far more than are kept are skipped, a bearable number at a time.
	c, h = bodiesPair(nil)
	first := seal(t, c, "first")
	for range 2 * maxSkipped / maxGap {
		for range maxGap - 2 {
			_ = seal(t, c, "lost")
		}
		if _, err := open(h, seal(t, c, "x")); err != nil {
			t.Fatal(err)
		}
	}
	if len(h.skipped) > maxSkipped || len(h.order) > maxSkipped {
		t.Errorf("%d keys kept", len(h.skipped))
	}
	if _, err := open(h, first); !errors.Is(err, ErrReplay) {
		t.Error(err)
	}
}

func TestZstdRefuses(t *testing.T) {
	z := NewZstd()
	bomb := z.Pack(nil, make([]byte, 10<<20))
	for name, src := range map[string][]byte{
		"bomb": bomb, "nothing": {}, "garbage": []byte("garbage"), "short": bomb[:20],
		"two frames": append(z.Pack(nil, []byte("a")), z.Pack(nil, []byte("b"))...),
	} {
		if out, err := z.Unpack(nil, src, 1<<20); err == nil {
			t.Errorf("%s: %d bytes", name, len(out))
		}
	}
}

// attachments gives the keys for one attachment at both ends.
func attachments(t testing.TB) (out, in SealKey) {
	c, h := bodiesPair(nil)
	sealed, out, err := c.Seal(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, in, err = h.Open(bytes.NewReader(sealed))
	if err != nil {
		t.Fatal(err)
	}
	return out, in
}

func TestAttachmentRefuses(t *testing.T) {
	content := vectors.Seeded([]byte("a"), 3*pieceSize+5)
	size := uint32(len(content))
	digest, n, err := DigestOf(bytes.NewReader(content))
	if err != nil || n != size {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	out, _ := attachments(t)
	if err := out.SealFile(&sealed, bytes.NewReader(content), size); err != nil {
		t.Fatal(err)
	}
	changed := func(at int) []byte { b := bytes.Clone(sealed.Bytes()); b[at] ^= 1; return b }
	for name, c := range map[string]struct {
		sealed []byte
		size   uint32
		digest Digest
		want   error
	}{
		"good":            {sealed.Bytes(), size, digest, nil},
		"nothing":         {nil, size, digest, ErrNoFile},
		"no file":         {changed(0), size, digest, ErrNoFile},
		"another length":  {changed(4), size, digest, ErrFileSize},
		"another size":    {sealed.Bytes(), size + 1, digest, ErrFileSize},
		"impossible size": {sealed.Bytes(), MaxFile + 1, digest, ErrFileSize},
		"damaged":         {changed(100), size, digest, box.ErrOpen},
		"damaged tag":     {changed(sealed.Len() - 1), size, digest, box.ErrOpen},
		"another digest":  {sealed.Bytes(), size, Digest{}, ErrDigest},
		"cut":             {sealed.Bytes()[:pieceSize], size, digest, ErrFileSize},
		"cut in the head": {sealed.Bytes()[:3], size, digest, ErrFileSize},
		"cut in the tag":  {sealed.Bytes()[:sealed.Len()-1], size, digest, ErrFileSize},
	} {
		_, in := attachments(t)
		var got bytes.Buffer
		err := in.OpenFile(&got, bytes.NewReader(c.sealed), c.size, c.digest)
		if !errors.Is(err, c.want) || c.want == nil && !bytes.Equal(got.Bytes(), content) {
			t.Errorf("%s: %v", name, err)
		}
	}
	out, _ = attachments(t)
	if err := out.SealFile(io.Discard, bytes.NewReader(content), size+1); !errors.Is(err, ErrFileSize) {
		t.Error(err)
	}
	if err := out.SealFile(io.Discard, nil, MaxFile+1); !errors.Is(err, ErrFileSize) {
		t.Error(err)
	}
}

// A reader of any appetite gets what is written elsewhere.
func TestFileReaderInPieces(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		content := vectors.Seeded([]byte("a"), rapid.IntRange(0, 2*pieceSize+100).Draw(rt, "size"))
		a, _ := attachments(t)
		b, _ := attachments(t)
		var want, got bytes.Buffer
		if err := a.SealFile(&want, bytes.NewReader(content), uint32(len(content))); err != nil {
			rt.Fatal(err)
		}
		// Both keys are of the same chain at the same step.
		r := b.FileReader(bytes.NewReader(content), uint32(len(content)))
		buf := make([]byte, rapid.IntRange(1, 100000).Draw(rt, "buffer"))
		if _, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{r}, buf); err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(want.Bytes(), got.Bytes()) {
			rt.Error("other bytes")
		}
	})
}
