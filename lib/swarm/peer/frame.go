package peer

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// maxHeader is the size of the frames that open streams and answer.
const maxHeader = 8 << 10

func writeFrame(w io.Writer, b []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(b)), uint32(len(b))), b...))
	return err
}

// readFrame reads a frame of at most limit bytes. What a length promises is
// allocated only as it comes.
func readFrame(r io.Reader, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n > limit {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrFrame, n, limit)
	}
	var b []byte
	for len(b) < n {
		b = slices.Grow(b, min(n-len(b), 64<<10))
		m, err := io.ReadFull(r, b[len(b):min(n, cap(b))])
		b = b[:len(b)+m]
		if err != nil {
			return nil, unexpected(err)
		}
	}
	return b, nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func writeJSON(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeFrame(w, b)
}

func readJSON(r io.Reader, limit int, v any) error {
	b, err := readFrame(r, limit)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %v", ErrFrame, err)
	}
	return nil
}

// answer is what the accepting side says first. Error is one of the words
// below; anything else is "failed".
type answer struct {
	Error string `json:"error,omitempty"`
	Size  int64  `json:"size,omitempty"`
	Has   bool   `json:"has,omitempty"`
}

var words = map[string]error{"unknown": ErrUnknown, "ignored": ErrIgnored, "banned": ErrBanned, "busy": errBusy}

// errBusy means that the peer is asked too much at once.
var errBusy = errors.New("peer: too much at once")

// wordOf is how an error is told to a peer, who learns no more of it.
func wordOf(err error) string {
	for word, is := range words {
		if errors.Is(err, is) {
			return word
		}
	}
	return "failed"
}

// refuse answers with an error and returns nil: the stream ends in order.
func refuse(s Stream, err error) error { return writeJSON(s, answer{Error: wordOf(err)}) }

// readAnswer reads the answer; an error in it is ErrRemote, and that which its
// word stands for.
func readAnswer(s Stream) (answer, error) {
	var a answer
	if err := readJSON(s, maxHeader, &a); err != nil {
		return a, err
	}
	if a.Error == "" {
		return a, nil
	}
	if is := words[a.Error]; is != nil {
		return a, fmt.Errorf("%w: %w", ErrRemote, is)
	}
	return a, ErrRemote
}
