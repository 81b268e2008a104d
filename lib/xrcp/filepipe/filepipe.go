// Package filepipe moves the attachments of remote control on several cores:
// what package xrcp does piece after piece, each step of it a goroutine.
//
//	sender    read and seal │ HTTP/2 and TLS
//	receiver  TLS and HTTP/2 │ open and write │ digest
//
// The digest of a file goes before the file. Those of files that are sent again
// are remembered, see [Digests].
//
// xrcp: Controller/host session operation
package filepipe

import (
	"crypto/sha512"
	"hash"
	"io"
	"sync"

	"github.com/simplexkit/simplexkit/lib/xrcp"
)

// Pieces between two goroutines: their size in bytes and how many there are.
const (
	pieceSize = 128 << 10
	pieces    = 4
)

// Open is k.OpenFile with the digest taken beside.
func Open(k xrcp.SealKey, w io.Writer, r io.Reader, size uint32, digest xrcp.Digest) error {
	if size <= pieceSize {
		return k.OpenFile(w, r, size, digest)
	}
	h := newHasher()
	err := k.OpenFileTo(io.MultiWriter(h, w), r, size)
	sum := h.end()
	if err != nil {
		return err
	}
	return digest.Check(sum)
}

// hasher is a SHA-512 in a goroutine of its own.
type hasher struct {
	h    hash.Hash
	buf  []byte // what is not handed over yet
	full chan []byte
	free chan []byte
	done chan struct{}
}

func newHasher() *hasher {
	h := &hasher{h: sha512.New(), full: make(chan []byte, pieces), free: make(chan []byte, pieces), done: make(chan struct{})}
	for range pieces {
		h.free <- make([]byte, 0, pieceSize)
	}
	h.buf = <-h.free
	go func() {
		defer close(h.done)
		for b := range h.full {
			_, _ = h.h.Write(b) // a hash never returns an error
			h.free <- b[:0]
		}
	}()
	return h
}

// Write copies.
func (h *hasher) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		m := min(len(p), cap(h.buf)-len(h.buf))
		h.buf = append(h.buf, p[:m]...)
		p = p[m:]
		if len(h.buf) == cap(h.buf) {
			h.full <- h.buf
			h.buf = <-h.free
		}
	}
	return n, nil
}

// end waits for the rest; nothing may be written afterwards.
func (h *hasher) end() hash.Hash {
	h.full <- h.buf
	close(h.full)
	<-h.done
	return h.h
}

// Ahead reads from r in a goroutine of its own, some pieces ahead. Close must be
// called; it waits until r is not used any more.
func Ahead(r io.Reader) io.ReadCloser {
	a := &ahead{full: make(chan piece, pieces), free: make(chan []byte, pieces), quit: make(chan struct{}), done: make(chan struct{})}
	for range pieces {
		a.free <- nil // made when needed
	}
	go a.run(r)
	return a
}

type piece struct {
	b   []byte
	err error
}

type ahead struct {
	full chan piece
	free chan []byte
	quit chan struct{}
	done chan struct{}
	once sync.Once

	now  []byte // owned by the reader, as is what follows
	rest []byte // of now
	err  error
}

func (a *ahead) run(r io.Reader) {
	defer close(a.done)
	for {
		var b []byte
		select {
		case b = <-a.free:
		case <-a.quit:
			return
		}
		if b == nil {
			b = make([]byte, pieceSize)
		}
		n, err := io.ReadFull(r, b)
		if err == io.ErrUnexpectedEOF {
			err = io.EOF
		}
		select {
		case a.full <- piece{b[:n], err}:
		case <-a.quit:
			return
		}
		if err != nil {
			return
		}
	}
}

// Read reads.
func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.err != nil {
			return 0, a.err
		}
		if a.now != nil {
			a.free <- a.now[:pieceSize]
			a.now = nil
		}
		select {
		case next := <-a.full:
			a.now, a.rest, a.err = next.b, next.b, next.err
			if len(a.now) == 0 {
				a.now = nil
			}
		case <-a.quit:
			return 0, io.ErrClosedPipe
		}
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close ends the reading.
func (a *ahead) Close() error {
	a.once.Do(func() { close(a.quit) })
	<-a.done
	return nil
}
