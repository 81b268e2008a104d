package xrcp

import (
	"bytes"
	"crypto/sha512"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/wire"
)

var (
	// ErrNoFile is returned where an attachment should follow and does not.
	ErrNoFile = errors.New("xrcp: no attachment")
	// ErrFileSize is returned for a file of another size than was said, or one
	// too large to send.
	ErrFileSize = errors.New("xrcp: wrong size of an attachment")
	// ErrDigest is returned for a file with another digest than was said.
	ErrDigest = errors.New("xrcp: wrong digest of an attachment")
)

// MaxFile is the size of the largest attachment, in bytes.
const MaxFile = math.MaxUint32 - box.Overhead

// Digest is the SHA-512 of a file; base64url in JSON.
type Digest [sha512.Size]byte

// MarshalJSON writes base64url.
func (d Digest) MarshalJSON() ([]byte, error) { return json.Marshal(wire.Base64(d[:])) }

// UnmarshalJSON reads base64url.
func (d *Digest) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	raw, err := wire.ParseBase64(s)
	if err != nil || len(raw) != len(d) {
		return fmt.Errorf("%w: not of 64 bytes", ErrDigest)
	}
	*d = Digest(raw)
	return nil
}

// DigestOf reads a file to its end: its digest and size. The error is
// [ErrFileSize] or r's.
func DigestOf(r io.Reader) (d Digest, size uint32, err error) {
	h := sha512.New()
	n, err := io.Copy(h, r)
	if err != nil {
		return d, 0, err
	}
	if n > MaxFile {
		return d, 0, fmt.Errorf("%w: %d bytes", ErrFileSize, n)
	}
	return Digest(h.Sum(nil)), uint32(n), nil
}

// pieceSize is how much of a file is sealed at a time.
const pieceSize = 4 * BlockSize

// SealFile writes an attachment of size bytes from r. The error is
// [ErrFileSize] if r ends early, or that of r or w.
func (k SealKey) SealFile(w io.Writer, r io.Reader, size uint32) error {
	_, err := k.FileReader(r, size).(io.WriterTo).WriteTo(w)
	return err
}

// FileReader reads an attachment of size bytes from r, for a body that is
// read and not written. Its errors are those of SealFile. The key is used up.
func (k SealKey) FileReader(r io.Reader, size uint32) io.Reader {
	f := &fileReader{src: r, left: size, out: make([]byte, 0, pieceSize+5+box.Overhead)}
	if size > MaxFile {
		f.err = fmt.Errorf("%w: %d bytes", ErrFileSize, size)
		return f
	}
	f.stream = k.key.NewStream(k.nonce)
	k.key.Wipe()
	f.in = make([]byte, min(pieceSize, size))
	f.rest = wire.AppendUint32(append(f.out, 1), size+box.Overhead)
	return f
}

// fileReader seals a file piece by piece.
type fileReader struct {
	src    io.Reader
	left   uint32 // of the file
	stream *box.Stream
	in     []byte
	out    []byte // room for a piece
	rest   []byte // sealed, not yet read
	err    error  // after rest
}

func (f *fileReader) fill() {
	if f.err != nil || len(f.rest) > 0 {
		return
	}
	if f.left == 0 {
		f.rest, f.err = f.stream.Tag(f.out[:0]), io.EOF
		return
	}
	piece := f.in[:min(uint32(len(f.in)), f.left)]
	if _, err := io.ReadFull(f.src, piece); err != nil {
		f.err = endsEarly(err)
		return
	}
	f.left -= uint32(len(piece))
	f.rest = f.stream.Seal(f.out[:0], piece)
}

// Read gives sealed bytes.
func (f *fileReader) Read(b []byte) (int, error) {
	f.fill()
	n := copy(b, f.rest)
	if f.rest = f.rest[n:]; n == 0 && len(b) > 0 {
		return 0, f.err
	}
	return n, nil
}

// WriteTo gives all sealed bytes.
func (f *fileReader) WriteTo(w io.Writer) (n int64, err error) {
	for {
		f.fill()
		if len(f.rest) == 0 {
			if f.err == io.EOF {
				return n, nil
			}
			return n, f.err
		}
		m, err := w.Write(f.rest)
		n += int64(m)
		if f.rest = f.rest[m:]; err != nil {
			return n, err
		}
	}
}

// OpenFile reads an attachment of size bytes and writes the file to w: to a
// temporary one, as nothing is known to be true before OpenFile has returned
// nil. The errors are [ErrNoFile], [ErrFileSize], [ErrDigest], box.ErrOpen and
// those of r and w.
func (k SealKey) OpenFile(w io.Writer, r io.Reader, size uint32, digest Digest) error {
	h := sha512.New()
	if err := k.OpenFileTo(io.MultiWriter(h, w), r, size); err != nil {
		return err
	}
	return digest.Check(h)
}

// Check compares the digest with what was written to a hash. The error is
// [ErrDigest].
func (d Digest) Check(h hash.Hash) error {
	if !bytes.Equal(h.Sum(nil), d[:]) {
		return ErrDigest
	}
	return nil
}

// OpenFileTo is OpenFile for a writer that takes the digest itself, to be
// compared with [Digest.Check] when this has returned nil.
func (k SealKey) OpenFileTo(w io.Writer, r io.Reader, size uint32) error {
	var head [5]byte
	if n, err := io.ReadFull(r, head[:]); err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			return ErrNoFile
		}
		return endsEarly(err)
	}
	if head[0] != 1 {
		return ErrNoFile
	}
	if n := binary.BigEndian.Uint32(head[1:]); size > MaxFile || n != size+box.Overhead {
		return fmt.Errorf("%w: %d bytes, expected %d", ErrFileSize, n, uint64(size)+box.Overhead)
	}
	defer k.key.Wipe()
	s := k.key.NewStream(k.nonce)
	in, out := make([]byte, min(pieceSize, max(size, box.Overhead))), make([]byte, 0, pieceSize)
	for left := size; left > 0; {
		piece := in[:min(uint32(len(in)), left)]
		if _, err := io.ReadFull(r, piece); err != nil {
			return endsEarly(err)
		}
		left -= uint32(len(piece))
		out = s.Open(out[:0], piece)
		if _, err := w.Write(out); err != nil {
			return err
		}
	}
	tag := in[:box.Overhead]
	if _, err := io.ReadFull(r, tag); err != nil {
		return endsEarly(err)
	}
	return s.Verify(tag)
}

func endsEarly(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends early", ErrFileSize)
	}
	return err
}
