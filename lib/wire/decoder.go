package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// ErrSyntax is wrapped by every error of a [Decoder].
var ErrSyntax = errors.New("wire: bad encoding")

// SyntaxError says what was expected at which byte of the input.
type SyntaxError struct {
	Offset   int    // where the element begins, in bytes from the start
	Expected string // the element and, where known, what stood there instead
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("wire: at byte %d: expected %s", e.Offset, e.Expected)
}

// Unwrap makes errors.Is(err, ErrSyntax) true.
func (e *SyntaxError) Unwrap() error { return ErrSyntax }

// Decoder reads elements off a byte slice. After the first error every method
// returns a zero value and the error stays. Byte slices that it returns alias
// the input. Not for concurrent use.
type Decoder struct {
	buf []byte
	off int
	err error
}

// NewDecoder reads b, which must not change while results are in use.
func NewDecoder(b []byte) *Decoder { return &Decoder{buf: b} }

// Err is the first error, a *[SyntaxError] or what [Decoder.Fail] was given.
func (d *Decoder) Err() error { return d.err }

// Offset is the number of bytes read.
func (d *Decoder) Offset() int { return d.off }

// Len is the number of bytes left; zero after an error.
func (d *Decoder) Len() int {
	if d.err != nil {
		return 0
	}
	return len(d.buf) - d.off
}

// Done is the first error, or an error if bytes are left over.
func (d *Decoder) Done() error {
	if d.err == nil && d.off != len(d.buf) {
		d.expected(d.off, "end of input, %d bytes are left", len(d.buf)-d.off)
	}
	return d.err
}

// Fail records err if it is the first one; later reads return zeros.
func (d *Decoder) Fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *Decoder) expected(at int, format string, args ...any) {
	d.Fail(&SyntaxError{Offset: at, Expected: fmt.Sprintf(format, args...)})
}

// Expected records a [SyntaxError] at the current offset.
func (d *Decoder) Expected(format string, args ...any) { d.expected(d.off, format, args...) }

// Bytes reads exactly n bytes.
func (d *Decoder) Bytes(n int) []byte { return d.take(n, "%d bytes", n) }

func (d *Decoder) take(n int, format string, args ...any) []byte {
	if d.err != nil {
		return nil
	}
	if n < 0 || n > len(d.buf)-d.off {
		d.expected(d.off, format+", %d are left", append(args, len(d.buf)-d.off)...)
		return nil
	}
	b := d.buf[d.off : d.off+n : d.off+n]
	d.off += n
	return b
}

// Byte reads one byte.
func (d *Decoder) Byte() byte {
	if b := d.take(1, "a byte"); b != nil {
		return b[0]
	}
	return 0
}

// Peek is the next byte without reading it; ok is false at the end or after
// an error.
func (d *Decoder) Peek() (c byte, ok bool) {
	if d.Len() == 0 {
		return 0, false
	}
	return d.buf[d.off], true
}

// Uint16 reads a word16.
func (d *Decoder) Uint16() uint16 {
	if b := d.take(2, "a word16"); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// Uint32 reads a word32.
func (d *Decoder) Uint32() uint32 {
	if b := d.take(4, "a word32"); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// Uint64 reads a word64.
func (d *Decoder) Uint64() uint64 {
	if b := d.take(8, "a word64"); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Int64 reads an int64.
func (d *Decoder) Int64() int64 { return int64(d.Uint64()) }

// Time reads a time in whole seconds, UTC.
func (d *Decoder) Time() time.Time {
	s := d.Int64()
	if d.err != nil {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}

// Bool reads 'T' or 'F'.
func (d *Decoder) Bool() bool {
	at := d.off
	switch c := d.Byte(); {
	case d.err != nil:
	case c == 'T':
		return true
	case c != 'F':
		d.expected(at, "'T' or 'F', found 0x%02x", c)
	}
	return false
}

// Maybe reads the '0' or '1' before an optional value; true means that the
// value follows.
func (d *Decoder) Maybe() bool {
	at := d.off
	switch c := d.Byte(); {
	case d.err != nil:
	case c == '1':
		return true
	case c != '0':
		d.expected(at, "'0' or '1' before an optional value, found 0x%02x", c)
	}
	return false
}

// Short reads a short string.
func (d *Decoder) Short() []byte {
	at := d.off
	n := int(d.Byte())
	if d.err != nil {
		return nil
	}
	b := d.take(n, "short string of %d bytes", n)
	if d.err != nil {
		d.off = at
	}
	return b
}

// Large reads a large string.
func (d *Decoder) Large() []byte {
	at := d.off
	n := int(d.Uint16())
	if d.err != nil {
		return nil
	}
	b := d.take(n, "large string of %d bytes", n)
	if d.err != nil {
		d.off = at
	}
	return b
}

// Tail reads all that is left, which may be nothing.
func (d *Decoder) Tail() []byte {
	if d.err != nil {
		return nil
	}
	return d.take(len(d.buf)-d.off, "tail")
}

// ListLen reads the count byte of a list; min is the smallest count allowed
// (1 for the lists that must not be empty).
func (d *Decoder) ListLen(min int) int {
	at := d.off
	n := int(d.Byte())
	if d.err == nil && n < min {
		d.expected(at, "a list of at least %d items, found %d", min, n)
		return 0
	}
	return n
}

// Word reads up to the next space, or to the end: the tag of a command. The
// space stays unread.
func (d *Decoder) Word() string {
	if d.err != nil {
		return ""
	}
	end := d.off
	for end < len(d.buf) && d.buf[end] != ' ' {
		end++
	}
	w := string(d.buf[d.off:end])
	d.off = end
	return w
}

// Lit reads exactly the bytes of s.
func (d *Decoder) Lit(s string) {
	if d.err != nil {
		return
	}
	if d.Len() < len(s) || string(d.buf[d.off:d.off+len(s)]) != s {
		d.expected(d.off, "%q", s)
		return
	}
	d.off += len(s)
}

// TryLit reads s if it is next and tells whether it was.
func (d *Decoder) TryLit(s string) bool {
	if d.err != nil || d.Len() < len(s) || string(d.buf[d.off:d.off+len(s)]) != s {
		return false
	}
	d.off += len(s)
	return true
}
