package stdio

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// MaxLine is the longest line, without its end, in bytes.
const MaxLine = 4 << 20

// ErrLineTooLong is a line over [MaxLine]. It has been skipped, and reading
// goes on after it.
var ErrLineTooLong = fmt.Errorf("stdio: line is longer than %d bytes", MaxLine)

// ErrNotUTF8 is a line that is not UTF-8. It has been read, and reading goes
// on after it.
var ErrNotUTF8 = errors.New("stdio: line is not UTF-8")

// lineReader reads lines of bounded length.
type lineReader struct{ r *bufio.Reader }

func newLineReader(r io.Reader) *lineReader { return &lineReader{bufio.NewReaderSize(r, 64<<10)} }

// next reads a line without its end, LF or CRLF; the last one may have none.
// The slice is the caller's. After [ErrLineTooLong] and [ErrNotUTF8] it can be
// called again; after others, io.EOF among them, not.
func (l *lineReader) next() ([]byte, error) {
	var line []byte
	for {
		part, err := l.r.ReadSlice('\n')
		if len(line)+len(part) > MaxLine+2 {
			return nil, l.skip(err)
		}
		line = append(line, part...)
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil && (err != io.EOF || len(line) == 0) {
			return nil, err
		}
		break
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) > MaxLine {
		return nil, ErrLineTooLong
	}
	if !utf8.Valid(line) {
		return nil, ErrNotUTF8
	}
	return line, nil
}

// skip reads to the end of a line that is too long. err is that of its last
// part read.
func (l *lineReader) skip(err error) error {
	for err == bufio.ErrBufferFull {
		_, err = l.r.ReadSlice('\n')
	}
	if err != nil && err != io.EOF {
		return err
	}
	return ErrLineTooLong
}
