package xrcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// ErrApp is returned for programs that do not fit together.
var ErrApp = errors.New("xrcp: the programs do not fit together")

// CtrlApp is the app information of an invitation, as SimpleX Chat writes it.
type CtrlApp struct {
	AppVersionRange AppVersionRange `json:"appVersionRange"`
	DeviceName      string          `json:"deviceName"`
	Compression     bool            `json:"compression,omitempty"`
}

// HostApp is the app information of a host's hello.
type HostApp struct {
	AppVersion   string `json:"appVersion"`
	DeviceName   string `json:"deviceName"`
	Encoding     string `json:"encoding"` // how sums are written: "kotlin", or "swift"
	EncryptFiles bool   `json:"encryptFiles"`
	Compression  bool   `json:"compression,omitempty"`
	// ZstdDicts names the dictionaries that the host can unpack with; see
	// package apidict.
	ZstdDicts []string `json:"zstdDicts,omitempty"`
	// Resume tells that the host numbers its events and runs a command with an
	// ID once; see [Send] and [Recv].
	Resume bool `json:"resume,omitempty"`
	// Listen is host:port where the host can be called by a controller that it
	// knows, or empty.
	Listen string `json:"listen,omitempty"`
}

// EncodingTagged is HostApp.Encoding of all programs but Apple's.
const EncodingTagged = "kotlin"

// AppVersionRange are dotted versions of a program, both ends included.
type AppVersionRange struct {
	Min string `json:"minVersion"`
	Max string `json:"maxVersion"`
}

// ParseCtrlApp reads the app information of an invitation. The error is
// [ErrApp].
func ParseCtrlApp(raw json.RawMessage) (a CtrlApp, err error) {
	if err := json.Unmarshal(raw, &a); err != nil {
		return a, fmt.Errorf("%w: %v", ErrApp, err)
	}
	for _, v := range []string{a.AppVersionRange.Min, a.AppVersionRange.Max} {
		if _, err := appVersion(v); err != nil {
			return a, err
		}
	}
	a.DeviceName = printable([]byte(a.DeviceName))
	return a, nil
}

// ParseHostApp reads the app information of a hello. The error is [ErrApp].
func ParseHostApp(raw json.RawMessage) (a HostApp, err error) {
	if err := json.Unmarshal(raw, &a); err != nil {
		return a, fmt.Errorf("%w: %v", ErrApp, err)
	}
	if _, err := appVersion(a.AppVersion); err != nil {
		return a, err
	}
	a.DeviceName = printable([]byte(a.DeviceName))
	return a, nil
}

// JSON is the app information for an invitation, with a name that survives the
// reference's reading of it: see the package comment.
func (a CtrlApp) JSON() (json.RawMessage, error) {
	a.DeviceName = strings.NewReplacer("+", " ", "%", " ").Replace(a.DeviceName)
	return marshal(a)
}

// JSON is the app information for a hello.
func (a HostApp) JSON() (json.RawMessage, error) { return marshal(a) }

// Compatible is the highest version in both ranges. The error is [ErrApp].
func (r AppVersionRange) Compatible(o AppVersionRange) (string, error) {
	var v [4][]int
	for i, s := range []string{r.Min, r.Max, o.Min, o.Max} {
		n, err := appVersion(s)
		if err != nil {
			return "", err
		}
		v[i] = n
	}
	if compareVersions(v[0], v[3]) > 0 || compareVersions(v[2], v[1]) > 0 {
		return "", fmt.Errorf("%w: %s to %s and %s to %s", ErrApp, r.Min, r.Max, o.Min, o.Max)
	}
	if compareVersions(v[1], v[3]) < 0 {
		return r.Max, nil
	}
	return o.Max, nil
}

// Contains tells whether a version is in the range. The error is [ErrApp].
func (r AppVersionRange) Contains(version string) error {
	_, err := r.Compatible(AppVersionRange{version, version})
	return err
}

func appVersion(s string) (out []int, err error) {
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil || len(out) >= 8 {
			return nil, fmt.Errorf("%w: bad version", ErrApp)
		}
		out = append(out, int(n))
	}
	return out, nil
}

// compareVersions compares as lists: 6.5 is before 6.5.0.
func compareVersions(a, b []int) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return a[i] - b[i]
		}
	}
	return len(a) - len(b)
}

// Zstd is the codec of programs that both have said "compression".
type Zstd struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

// NewZstd makes the codec, safe for concurrent use, for bodies of at most
// [DefaultMaxBody] bytes.
func NewZstd() *Zstd {
	// One segment: the frame carries the size of its content.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithSingleSegment(true), zstd.WithZeroFrames(true))
	if err != nil {
		panic("xrcp: " + err.Error()) // unreachable: the options are right
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(DefaultMaxBody))
	if err != nil {
		panic("xrcp: " + err.Error()) // unreachable: the options are right
	}
	return &Zstd{enc, dec}
}

// Pack appends a frame.
func (z *Zstd) Pack(dst, src []byte) []byte { return z.enc.EncodeAll(src, dst) }

// Unpack appends the content of one frame. A frame that says nothing of its
// content's size, or a size over the limit, is refused.
func (z *Zstd) Unpack(dst, src []byte, limit int) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(src); err != nil {
		return nil, err
	}
	if h.Skippable || !h.HasFCS || h.FrameContentSize > uint64(limit) {
		return nil, fmt.Errorf("%w: unpacked", ErrBodySize)
	}
	out, err := z.dec.DecodeAll(src, dst)
	if err == nil && uint64(len(out)-len(dst)) != h.FrameContentSize {
		err = fmt.Errorf("%w: more than one frame", ErrBody)
	}
	return out, err
}
