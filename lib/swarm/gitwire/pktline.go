package gitwire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
)

var (
	// ErrProtocol: the other side does not keep to the protocol.
	ErrProtocol = errors.New("git protocol error")
	// ErrTooMany: more refs, wants or haves than are allowed.
	ErrTooMany = errors.New("too many")
)

// RemoteError is what the other side says went wrong.
type RemoteError struct{ Text string }

// Error is the other side's text, which is only printable characters.
func (e *RemoteError) Error() string { return "remote: " + e.Text }

func remoteError(text []byte) *RemoteError {
	s := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, string(text[:min(len(text), 200)]))
	return &RemoteError{strings.TrimSpace(s)}
}

const (
	maxLine  = 65520           // with the four digits
	maxChunk = maxLine - 4 - 1 // of a pack in side-band-64k
	oldChunk = 1000 - 4 - 1    // in side-band
)

// lines reads and writes pkt-lines.
type lines struct {
	r   *bufio.Reader
	w   *bufio.Writer
	buf []byte
}

func newLines(rw io.ReadWriter) *lines {
	return &lines{r: bufio.NewReaderSize(rw, 16<<10), w: bufio.NewWriterSize(rw, maxLine), buf: make([]byte, maxLine)}
}

// read reads a line; flush is true for the one that is none. The bytes are
// good until the next call. io.EOF comes only before a line.
func (l *lines) read() (line []byte, flush bool, err error) {
	if _, err := io.ReadFull(l.r, l.buf[:4]); err != nil {
		return nil, false, err
	}
	n := 0
	for _, c := range l.buf[:4] {
		d := strings.IndexByte("0123456789abcdef", c|0x20)
		if d < 0 || c < '0' {
			return nil, false, fmt.Errorf("gitwire: line length %q: %w", l.buf[:4], ErrProtocol)
		}
		n = n<<4 | d
	}
	switch {
	case n == 0:
		return nil, true, nil
	case n < 4 || n > maxLine:
		return nil, false, fmt.Errorf("gitwire: line of %d bytes: %w", n, ErrProtocol)
	}
	line = l.buf[:n-4]
	if _, err := io.ReadFull(l.r, line); err != nil {
		return nil, false, noEOF(err)
	}
	return line, false, nil
}

// text reads a line of text, without the newline at its end. An ERR line is an
// error.
func (l *lines) text() (line string, flush bool, err error) {
	b, flush, err := l.read()
	if err != nil || flush {
		return "", flush, err
	}
	if s, ok := strings.CutPrefix(string(b), "ERR "); ok {
		return "", false, remoteError([]byte(s))
	}
	return strings.TrimSuffix(string(b), "\n"), false, nil
}

func (l *lines) write(parts ...string) {
	n := 4
	for _, p := range parts {
		n += len(p)
	}
	_, _ = fmt.Fprintf(l.w, "%04x", n)
	for _, p := range parts {
		_, _ = l.w.WriteString(p)
	}
}

// flushLine writes a flush and sends all; the error is that of any write
// before.
func (l *lines) flushLine() error {
	_, _ = l.w.WriteString("0000")
	return l.w.Flush()
}

// band writes to one side-band.
type band struct {
	l    *lines
	n    byte
	size int
}

func (b *band) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		k := min(len(p), b.size)
		if _, err := fmt.Fprintf(b.l.w, "%04x%c", k+5, b.n); err != nil {
			return n, err
		}
		if _, err := b.l.w.Write(p[:k]); err != nil {
			return n, err
		}
		n, p = n+k, p[k:]
	}
	return n, nil
}

// unband reads side-band 1 up to the flush.
type unband struct {
	l     *lines
	begun bool // the pack has
	rest  []byte
	err   error
}

// maxIdleLines is how many lines in a row may bring nothing of the pack.
const maxIdleLines = 10000

func (u *unband) Read(p []byte) (int, error) {
	for n := 0; len(u.rest) == 0 && u.err == nil; n++ {
		u.next()
		if n > maxIdleLines {
			u.err = fmt.Errorf("gitwire: progress without end: %w", ErrProtocol)
		}
	}
	if len(u.rest) == 0 {
		return 0, u.err
	}
	n := copy(p, u.rest)
	u.rest = u.rest[n:]
	return n, nil
}

func (u *unband) next() {
	line, flush, err := u.l.read()
	switch {
	case err != nil:
		u.err = noEOF(err)
	case flush:
		u.err = io.EOF
	case len(line) == 0:
		u.err = fmt.Errorf("gitwire: line without side-band: %w", ErrProtocol)
	case line[0] == 1:
		u.rest, u.begun = line[1:], true
	case !u.begun && bytes.HasPrefix(line, []byte("ACK ")):
		// git acknowledges the first of the haves, and again those that it
		// knew of through the first
	case line[0] == 2: // words for people
	case line[0] == 3:
		u.err = remoteError(line[1:])
	default:
		u.err = fmt.Errorf("gitwire: side-band %d: %w", line[0], ErrProtocol)
	}
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
