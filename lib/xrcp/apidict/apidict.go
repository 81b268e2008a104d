// Package apidict compresses the bodies of remote control with a dictionary of
// what the chat API says again and again: names of members, whole objects with
// their defaults. A recorded session becomes a seventh of its size, where
// compression without the dictionary makes it a quarter.
//
// Only programs that both have the dictionary use it, and the reference is not
// bothered with it:
//
//	host        its hello's app information lists, beside "compression", the
//	            dictionaries that it has: "zstdDicts":["a1b2…"]
//	controller  knows from that, and compresses its commands with one of them
//	host        finds the dictionary's number in the frame of a command, and
//	            from then on uses it for its answers
//
// So the invitation does not grow, for its QR code is large enough, and a
// controller that has never sent such a frame is never sent one.
//
// A dictionary's name is the beginning of its digest: another dictionary is
// another name, and two programs with no name in common compress without. It is
// made by scripts/apidict from recorded sessions.
//
// Frames say how long their content is, and those that say nothing, or more
// than a body may have, are refused before anything is unpacked.
//
// Spec: RFC 8878, sections 3.1.1 and 5; protocol/xrcp.md, Controller/host
// session operation.
package apidict

import (
	"crypto/sha256"
	_ "embed" // the dictionary
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"github.com/simplexkit/simplexkit/lib/xrcp"
)

//go:embed api.dict
var dictionary []byte

// Name names the dictionary in app information.
var Name = name(dictionary)

func name(dict []byte) string {
	sum := sha256.Sum256(dict)
	return hex.EncodeToString(sum[:8])
}

// Offer makes the app information of a host say that it has the dictionary, and
// that it can compress.
func Offer(app *xrcp.HostApp) {
	app.Compression = true
	app.ZstdDicts = []string{Name}
}

// ForHost is the codec of a host for a controller with that app information,
// for xrcphost.Config; nil if that does not compress.
func ForHost(app json.RawMessage) xrcp.Codec {
	a, err := xrcp.ParseCtrlApp(app)
	if err != nil || !a.Compression {
		return nil
	}
	return newCodec()
}

// ForController is the codec of a controller, which has said that it can
// compress, for a host with that app information, for xrcpctl.Config; nil if
// that does not compress.
func ForController(app json.RawMessage) xrcp.Codec {
	a, err := xrcp.ParseHostApp(app)
	if err != nil || !a.Compression {
		return nil
	}
	c := newCodec()
	c.both.Store(slices.Contains(a.ZstdDicts, Name))
	return c
}

// codec is that of one session.
type codec struct {
	*coders
	// both is set when the other side is known to have the dictionary.
	both atomic.Bool
}

var _ xrcp.Codec = (*codec)(nil)

// coders hold no state between calls, and some 10 MB of tables: sessions share
// them.
type coders struct {
	plain, dict *zstd.Encoder
	dec         *zstd.Decoder
	id          uint32
}

var shared = sync.OnceValue(func() *coders { return newCoders(dictionary) })

func newCodec() *codec { return &codec{coders: shared()} }

// newCoders panics only for a dictionary that is not one: the tests look at
// the one that there is.
func newCoders(dict []byte) *coders {
	options := []zstd.EOption{zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithSingleSegment(true), zstd.WithZeroFrames(true), zstd.WithEncoderLevel(zstd.SpeedBetterCompression)}
	inspected, err := zstd.InspectDictionary(dict)
	check(err)
	plain, err := zstd.NewWriter(nil, options...)
	check(err)
	with, err := zstd.NewWriter(nil, append(options, zstd.WithEncoderDict(dict))...)
	check(err)
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(xrcp.DefaultMaxBody), zstd.WithDecoderDicts(dict))
	check(err)
	return &coders{plain, with, dec, inspected.ID()}
}

func check(err error) {
	if err != nil {
		panic("apidict: " + err.Error()) // unreachable: the options and the dictionary are right
	}
}

// Pack appends a frame, made with the dictionary if the other side has it.
func (c *codec) Pack(dst, src []byte) []byte {
	if c.both.Load() {
		return c.dict.EncodeAll(src, dst)
	}
	return c.plain.EncodeAll(src, dst)
}

// Unpack appends the content of one frame. The errors wrap [xrcp.ErrBodySize]
// and [xrcp.ErrBody].
func (c *codec) Unpack(dst, src []byte, limit int) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(src); err != nil {
		return nil, fmt.Errorf("%w: %v", xrcp.ErrBody, err)
	}
	if h.Skippable || !h.HasFCS || h.FrameContentSize > uint64(limit) {
		return nil, fmt.Errorf("%w: unpacked", xrcp.ErrBodySize)
	}
	out, err := c.dec.DecodeAll(src, dst)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", xrcp.ErrBody, err)
	}
	if uint64(len(out)-len(dst)) != h.FrameContentSize {
		return nil, fmt.Errorf("%w: more than one frame", xrcp.ErrBody)
	}
	if h.DictionaryID == c.id {
		c.both.Store(true)
	}
	return out, nil
}
