package pack

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zlib"
)

// inflater is a zlib stream's reader that is used again and again.
type inflater struct{ z io.ReadCloser }

var inflaters = sync.Pool{New: func() any { return new(inflater) }}

func (f *inflater) reset(r io.Reader) (err error) {
	if f.z == nil {
		f.z, err = zlib.NewReader(r)
		return err
	}
	return f.z.(zlib.Resetter).Reset(r, nil)
}

// trusted is up to which size a buffer is made because an entry says so; a
// larger one grows as the bytes come.
const trusted = 1 << 20

// Inflate reads one zlib stream of exactly size bytes and leaves r behind its
// end. The stream ends in a sum, which is checked.
func Inflate(r *bufio.Reader, size int64) ([]byte, error) {
	f := inflaters.Get().(*inflater)
	defer inflaters.Put(f)
	if err := f.reset(r); err != nil {
		return nil, zerr(err)
	}
	var out []byte
	if size <= trusted {
		out = make([]byte, size)
		if _, err := io.ReadFull(f.z, out); err != nil {
			return nil, zerr(err)
		}
	} else {
		b := bytes.NewBuffer(make([]byte, 0, trusted))
		if _, err := io.CopyN(b, f.z, size); err != nil {
			return nil, zerr(err)
		}
		out = b.Bytes()
	}
	var more [1]byte
	if n, err := io.ReadFull(f.z, more[:]); n != 0 {
		return nil, fmt.Errorf("zlib stream longer than %d bytes: %w", size, ErrFormat)
	} else if err != io.EOF {
		return nil, zerr(err)
	}
	return out, nil
}

// zerr tells a stream that is cut off from one that is broken.
func zerr(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("zlib stream cut off: %w", ErrFormat)
	}
	if err == zlib.ErrChecksum {
		return fmt.Errorf("zlib stream: %w", ErrChecksum)
	}
	if err == zlib.ErrHeader || err == zlib.ErrDictionary {
		return fmt.Errorf("zlib stream: %v: %w", err, ErrFormat)
	}
	return fmt.Errorf("zlib stream: %w: %w", err, ErrFormat)
}

// The levels of Deflate.
const (
	Fast  = zlib.BestSpeed
	Small = zlib.DefaultCompression
)

var deflaters = [2]sync.Pool{}

// Deflate appends p as a zlib stream.
func Deflate(b, p []byte, level int) []byte {
	pool := &deflaters[0]
	if level == Small {
		pool = &deflaters[1]
	}
	out := bytes.NewBuffer(b)
	w, _ := pool.Get().(*zlib.Writer)
	if w == nil {
		w, _ = zlib.NewWriterLevel(out, level)
	} else {
		w.Reset(out)
	}
	_, _ = w.Write(p) // a buffer takes everything
	_ = w.Close()
	pool.Put(w)
	return out.Bytes()
}
