package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// maxState is the size of a State, and maxItems how many of a kind it has.
const (
	maxState = 8 << 20
	maxItems = 20_000
)

// State is what devices of one account tell each other: a msgpack array of its
// fields, each item an array too. Times are milliseconds of Unix time, 0 if it
// did not happen; whatever was done later wins.
type State struct {
	Devices       []DeviceInfo
	Contacts      []Contact
	Conversations []ConvInfo
	Requests      []Request
	Preferences   []Preferences
	Displayed     []Displayed
}

// DeviceInfo is a device of the account.
type DeviceInfo struct {
	Name    string
	Chain   []byte // PEM: device, account, CA
	Revoked int64
	// CRL, of the account, DER; the one with the highest number wins.
	CRL []byte
}

// Contact is an account that was added or removed.
type Contact struct {
	URI          ident.URI
	Added        int64
	Removed      int64
	Banned       bool
	Conversation commit.ObjectID // the one to one
}

// ConvInfo is a conversation of the account.
type ConvInfo struct {
	ID      commit.ObjectID
	Created int64
	Removed int64
	Erased  int64
	Mode    int
	Members []ident.URI
	Invited []ident.URI
}

// Request is an invitation that was received.
type Request struct {
	ID       commit.ObjectID
	From     ident.URI
	Received int64
	Declined int64
	Accepted int64
	Metadata map[string]string
}

// Preferences are those of a conversation.
type Preferences struct {
	ID      commit.ObjectID
	Changed int64
	Values  map[string]string
}

// Displayed is up to where the account has read a conversation.
type Displayed struct {
	ID     commit.ObjectID
	Commit commit.ObjectID
	At     int64
}

// Append adds the state's bytes to b.
func (s *State) Append(b []byte) ([]byte, error) {
	buf := bytes.NewBuffer(b)
	enc := msgpack.NewEncoder(buf)
	enc.UseArrayEncodedStructs(true)
	if err := enc.Encode(s); err != nil {
		return nil, fmt.Errorf("peer: state: %w", err)
	}
	return buf.Bytes(), nil
}

// ParseState reads a state. It allocates no more than a small multiple of b.
func ParseState(b []byte) (*State, error) {
	if len(b) > maxState {
		return nil, fmt.Errorf("%w: state of %d bytes", ErrFrame, len(b))
	}
	values := 0
	rest, err := bounds(b, 0, &values)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: state with %d bytes after it", ErrFrame, len(rest))
	}
	s := &State{}
	if err := msgpack.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("%w: state: %v", ErrFrame, err)
	}
	for _, n := range []int{len(s.Devices), len(s.Contacts), len(s.Conversations), len(s.Requests), len(s.Preferences), len(s.Displayed)} {
		if n > maxItems {
			return nil, fmt.Errorf("%w: state with %d items", ErrFrame, n)
		}
	}
	return s, nil
}

// SyncWith exchanges states with another device of our account.
func (e *Engine) SyncWith(ctx context.Context, dev ident.DeviceID) error {
	if e.cfg.Sync == nil || !e.cfg.Sync.Same(dev) {
		return ErrBanned
	}
	s, done, err := e.open(ctx, dev, protoSync, exchangeTime)
	if err != nil {
		return err
	}
	defer done()
	if err := e.sendState(ctx, dev, s); err != nil {
		return err
	}
	return e.takeState(ctx, dev, s)
}

func (e *Engine) serveSync(ctx context.Context, from ident.DeviceID, s Stream) error {
	s.SetEnd(time.Now().Add(exchangeTime))
	if e.cfg.Sync == nil || !e.cfg.Sync.Same(from) {
		return ErrBanned
	}
	if err := e.takeState(ctx, from, s); err != nil {
		return err
	}
	return e.sendState(ctx, from, s)
}

func (e *Engine) sendState(ctx context.Context, to ident.DeviceID, s Stream) error {
	state, err := e.cfg.Sync.State(ctx, to)
	if err != nil {
		return err
	}
	b, err := state.Append(nil)
	if err != nil {
		return err
	}
	return writeFrame(s, b)
}

func (e *Engine) takeState(ctx context.Context, from ident.DeviceID, s Stream) error {
	b, err := readFrame(s, maxState)
	if err != nil {
		return err
	}
	state, err := ParseState(b)
	if err != nil {
		return err
	}
	return e.cfg.Sync.Merge(ctx, from, state)
}

const (
	maxValues = 500_000 // in a state, of all types
	maxNested = 16
)

// bounds looks at msgpack before it is decoded: what lengths promise must be
// there, since the decoder believes them. It returns the rest of b.
func bounds(b []byte, depth int, values *int) ([]byte, error) {
	bad := fmt.Errorf("%w: msgpack", ErrFrame)
	if *values++; len(b) == 0 || depth > maxNested || *values > maxValues {
		return nil, bad
	}
	c := b[0]
	b = b[1:]
	size, items := 0, 0
	switch {
	case c < 0x80, c >= 0xe0, c == 0xc0, c == 0xc2, c == 0xc3: // in the byte itself
	case c>>4 == 8:
		items = 2 * int(c&0x0f)
	case c>>4 == 9:
		items = int(c & 0x0f)
	case c>>5 == 5:
		size = int(c & 0x1f)
	case c == 0xca || c == 0xcb:
		size = 4 << (c - 0xca)
	case c >= 0xcc && c <= 0xcf:
		size = 1 << (c - 0xcc)
	case c >= 0xd0 && c <= 0xd3:
		size = 1 << (c - 0xd0)
	default:
		n, rest, ok := lengthOf(c, b)
		if !ok {
			return nil, bad
		}
		b = rest
		switch {
		case c >= 0xde:
			items = 2 * n
		case c >= 0xdc:
			items = n
		default:
			size = n
		}
	}
	if size > len(b) || items > len(b) {
		return nil, bad
	}
	b = b[size:]
	for range items {
		var err error
		if b, err = bounds(b, depth+1, values); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// lengthOf reads the length that follows the first byte of strings, binaries,
// arrays and maps; there are no other types in a state.
func lengthOf(c byte, b []byte) (n int, rest []byte, ok bool) {
	width := 0
	switch c {
	case 0xc4, 0xd9:
		width = 1
	case 0xc5, 0xda, 0xdc, 0xde:
		width = 2
	case 0xc6, 0xdb, 0xdd, 0xdf:
		width = 4
	}
	if width == 0 || len(b) < width {
		return 0, nil, false
	}
	var v [4]byte
	copy(v[4-width:], b)
	u := binary.BigEndian.Uint32(v[:])
	return int(u), b[width:], u <= maxState
}
