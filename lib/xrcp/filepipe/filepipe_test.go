package filepipe_test

import (
	"bytes"
	"crypto/sha512"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/filepipe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func content(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{3}).Read(b)
	return b
}

// keys are an attachment's key for each side.
func keys(t *testing.T) (send, recv xrcp.SealKey) {
	t.Helper()
	a, b := bodies(t)
	sealed, send, err := a.Seal([]byte("{}"))
	if err == nil {
		_, recv, err = b.Open(bytes.NewReader(sealed))
	}
	if err != nil {
		t.Fatal(err)
	}
	return send, recv
}

var sizes = []int{0, 1, 128<<10 - 1, 128 << 10, 128<<10 + 1, 3_000_000}

func TestThrough(t *testing.T) {
	for _, size := range sizes {
		send, recv := keys(t)
		in := content(size)
		r := filepipe.Ahead(send.FileReader(bytes.NewReader(in), uint32(size)))
		var out bytes.Buffer
		err := filepipe.Open(recv, &out, iotest.HalfReader(r), uint32(size), sha512.Sum512(in))
		if err != nil || !bytes.Equal(out.Bytes(), in) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("%d bytes, and %d more: %v", size, n, err)
		}
		_ = r.Close()
	}
}

func TestBadFiles(t *testing.T) {
	const size = 1 << 20
	in := content(size)
	seal := func(k xrcp.SealKey) []byte {
		var b bytes.Buffer
		if err := k.SealFile(&b, bytes.NewReader(in), size); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for name, b := range map[string]struct {
		change func([]byte) []byte
		digest xrcp.Digest
		want   error
	}{
		"another digest": {func(b []byte) []byte { return b }, xrcp.Digest{1}, xrcp.ErrDigest},
		"altered":        {func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, sha512.Sum512(in), nil},
		"cut":            {func(b []byte) []byte { return b[:len(b)/2] }, sha512.Sum512(in), xrcp.ErrFileSize},
		"empty":          {func([]byte) []byte { return nil }, sha512.Sum512(in), xrcp.ErrNoFile},
	} {
		send, recv := keys(t)
		err := filepipe.Open(recv, io.Discard, bytes.NewReader(b.change(seal(send))), size, b.digest)
		if err == nil || b.want != nil && !errors.Is(err, b.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	send, recv := keys(t)
	full := errors.New("disk full")
	w := writerFunc(func(b []byte) (int, error) { return 0, full })
	if err := filepipe.Open(recv, w, bytes.NewReader(seal(send)), size, sha512.Sum512(in)); !errors.Is(err, full) {
		t.Error(err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestAheadFails(t *testing.T) {
	broken := errors.New("broken")
	r := filepipe.Ahead(io.MultiReader(bytes.NewReader(content(300_000)), iotest.ErrReader(broken)))
	if got, err := io.ReadAll(r); !errors.Is(err, broken) || !bytes.Equal(got, content(300_000)) {
		t.Error(len(got), err)
	}
	_ = r.Close()
}

func TestAheadIsGivenUp(t *testing.T) {
	r := filepipe.Ahead(rand.NewChaCha8([32]byte{}))
	if _, err := io.CopyN(io.Discard, r, 1_000_000); err != nil {
		t.Error(err)
	}
	_ = r.Close()
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	_ = r.Close()
}

// counting tells how much of a file is read.
type counting struct {
	f *os.File // not embedded: io.Copy would read past us
	n int
}

func (c *counting) Seek(offset int64, whence int) (int64, error) { return c.f.Seek(offset, whence) }

func (c *counting) Stat() (os.FileInfo, error) { return c.f.Stat() }

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.f.Read(b)
	c.n += n
	return n, err
}

func TestDigestsAreRemembered(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	var d filepipe.Digests
	write := func(b []byte, age time.Duration) {
		at := time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(name, b, 0o600), os.Chtimes(name, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	of := func(want []byte, read int) {
		t.Helper()
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		c := &counting{f: f}
		digest, size, err := d.Of(c)
		if err != nil || digest != sha512.Sum512(want) || int(size) != len(want) || c.n != read {
			t.Errorf("%d bytes, %d read: %v", size, c.n, err)
		}
		if at, err := f.Seek(0, io.SeekCurrent); at != 0 || err != nil {
			t.Error("left at", at, err)
		}
	}
	write([]byte("one"), time.Hour)
	of([]byte("one"), 3)
	of([]byte("one"), 0)
	write([]byte("two"), time.Minute)
	of([]byte("two"), 3)
	of([]byte("two"), 0)
	write([]byte("new"), 0) // may change again within a tick
	of([]byte("new"), 3)
	of([]byte("new"), 3)
	if digest, _, err := d.Of(bytes.NewReader([]byte("memory"))); err != nil || digest != sha512.Sum512([]byte("memory")) {
		t.Error(err)
	}
}
