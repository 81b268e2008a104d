package xmsg

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/simplexkit/simplexkit/lib/wire"
)

// Limits of bodies, in bytes.
const (
	// MaxBody is the largest message, before compression, that may be sent to
	// a contact; room for forwarding it in a group is left.
	MaxBody = 15602
	// MaxInfo is the same for connection information.
	MaxInfo = 14694
	// MaxExpanded is what the parts of a compressed body may amount to.
	MaxExpanded = 65536
	// MaxPQBody and MaxPQInfo are what post-quantum connections carry.
	MaxPQBody = 13380
	MaxPQInfo = 10968
)

const minCompressed = 181 // shorter parts are sent as they are

// Part is one thing in a body: a message, a piece of a file, or something that
// could not be read.
type Part struct {
	Message Message
	File    *FileChunk // a piece of a file; Message is empty
	Err     error      // why this part could not be read; the others can
}

// FileChunk is a piece of a file sent through a connection, as the oldest
// releases did. Its bytes are not looked into.
type FileChunk struct{ Body []byte }

// Parse reads a body. It returns at least one part.
func Parse(b []byte) []Part {
	if len(b) == 0 {
		return failed(fmt.Errorf("xmsg: parse body: empty: %w", ErrSyntax))
	}
	if b[0] != 'X' {
		return parsePlain(b)
	}
	bodies, err := expand(b[1:])
	if err != nil {
		return failed(err)
	}
	var parts []Part
	for _, b := range bodies {
		parts = append(parts, parsePlain(b)...)
	}
	return parts
}

func failed(err error) []Part { return []Part{{Err: err}} }

func parsePlain(b []byte) []Part {
	if len(b) == 0 {
		return failed(fmt.Errorf("xmsg: parse body: empty: %w", ErrSyntax))
	}
	switch b[0] {
	case '[':
		return parseArray(b)
	case '=':
		return parseBinaryBatch(b[1:])
	}
	return []Part{parseElement(b)}
}

func parseArray(b []byte) []Part {
	var items []json.RawMessage
	if err := json.Unmarshal(b, &items); err != nil {
		return failed(fmt.Errorf("xmsg: parse batch: %w: %v", ErrSyntax, err))
	}
	if len(items) == 0 {
		return failed(fmt.Errorf("xmsg: parse batch: empty: %w", ErrSyntax))
	}
	parts := make([]Part, 0, len(items))
	for _, it := range items {
		m, err := ParseMessage(it)
		parts = append(parts, Part{Message: m, Err: err})
	}
	return parts
}

func parseBinaryBatch(b []byte) []Part {
	d := wire.NewDecoder(b)
	n := d.ListLen(1)
	var parts []Part
	for range n {
		e := d.Large()
		if d.Err() != nil {
			break
		}
		parts = append(parts, parseElement(e))
	}
	if err := d.Done(); err != nil {
		return failed(fmt.Errorf("xmsg: parse binary batch: %w: %v", ErrSyntax, err))
	}
	return parts
}

func parseElement(b []byte) Part {
	if len(b) == 0 {
		return Part{Err: fmt.Errorf("xmsg: parse element: empty: %w", ErrSyntax)}
	}
	switch b[0] {
	case '{':
		m, err := ParseMessage(b)
		return Part{Message: m, Err: err}
	case 'F':
		return Part{File: &FileChunk{Body: b[1:]}}
	case '/', '>':
		return Part{Err: fmt.Errorf("xmsg: parse element: %w", ErrUnsupported)}
	}
	return Part{Err: fmt.Errorf("xmsg: parse element: first byte %#x: %w", b[0], ErrSyntax)}
}

var decoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxExpanded))
	if err != nil {
		panic("xmsg: unreachable: constant options: " + err.Error())
	}
	return d
})

var encoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault),
		zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true)) // one segment: its size is in the frame
	if err != nil {
		panic("xmsg: unreachable: constant options: " + err.Error())
	}
	return e
})

// expand reads what follows 'X'. Sizes are checked before anything is
// allocated for them.
func expand(b []byte) ([][]byte, error) {
	d := wire.NewDecoder(b)
	var bodies [][]byte
	total := 0
	for range d.ListLen(1) {
		switch c := d.Byte(); c {
		case '0':
			s := d.Short()
			bodies, total = append(bodies, s), total+len(s)
		case '1':
			s, err := expandFrame(d.Large(), MaxExpanded-total)
			if d.Err() == nil && err != nil {
				return nil, err
			}
			bodies, total = append(bodies, s), total+len(s)
		default:
			d.Expected("'0' or '1'")
		}
		if d.Err() != nil {
			break
		}
		if total > MaxExpanded {
			return nil, fmt.Errorf("xmsg: expand: %w", ErrTooLarge)
		}
	}
	if err := d.Done(); err != nil {
		return nil, fmt.Errorf("xmsg: expand: %w: %v", ErrSyntax, err)
	}
	return bodies, nil
}

func expandFrame(frame []byte, left int) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(frame); err != nil || h.Skippable {
		return nil, fmt.Errorf("xmsg: expand: bad frame: %w", ErrSyntax)
	}
	if !h.HasFCS {
		return nil, fmt.Errorf("xmsg: expand: frame without its size: %w", ErrSyntax)
	}
	if h.FrameContentSize > uint64(left) {
		return nil, fmt.Errorf("xmsg: expand: %w", ErrTooLarge)
	}
	out, err := decoder().DecodeAll(frame, make([]byte, 0, h.FrameContentSize))
	if err != nil {
		return nil, fmt.Errorf("xmsg: expand: %w: %v", ErrSyntax, err)
	}
	return out, nil
}

// Compress makes a compressed body of b.
func Compress(b []byte) []byte {
	out := []byte{'X', 1}
	if len(b) < minCompressed {
		out = append(out, '0', byte(len(b)))
		return append(out, b...)
	}
	frame := encoder().EncodeAll(b, nil)
	out = append(out, '1', byte(len(frame)>>8), byte(len(frame)))
	return append(out, frame...)
}

// Encode makes a body of one message. fit is what the connection carries in
// bytes, at most; a message that is larger is compressed if that makes it fit.
// [ErrTooLarge] if it does not, or if the message is over max to begin with:
// [MaxBody] or [MaxInfo].
func Encode(m Message, max, fit int) ([]byte, error) {
	b, err := m.AppendJSON(nil)
	if err != nil {
		return nil, err
	}
	if len(b) > max {
		return nil, fmt.Errorf("xmsg: write %s: %d bytes of %d: %w", tagText(m.Event), len(b), max, ErrTooLarge)
	}
	if len(b) <= fit {
		return b, nil
	}
	if c := Compress(b); len(c) <= fit {
		return c, nil
	}
	return nil, fmt.Errorf("xmsg: write %s: %d bytes, %d fit: %w", tagText(m.Event), len(b), fit, ErrTooLarge)
}

// EncodeBatch makes a body of several messages.
func EncodeBatch(msgs []Message) ([]byte, error) {
	b := []byte{'['}
	for i, m := range msgs {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = m.AppendJSON(b); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

// BatchFits tells whether messages are one body of at most fit bytes.
func BatchFits(msgs []Message, fit int) bool {
	b, err := EncodeBatch(msgs)
	return err == nil && len(b) <= fit
}
