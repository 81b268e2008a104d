package xmsg

import (
	"fmt"
	"strconv"
	"strings"
)

// Version is a version of the chat protocol.
type Version int

// The versions that decide something here.
const (
	VersionBatch Version = 9 // batches in direct connections are understood
	VersionZstd  Version = 8 // compressed bodies are understood
)

// VersionRange is a range of versions, "1-16", or "16" for one alone.
type VersionRange struct{ Min, Max Version }

// Supported is the range that we announce: that of the releases most people
// run. All that a contact of that range sends to a contact is read. Above it
// are only changes of groups (17 host's voice messages, 18 relay capabilities,
// 19 rosters), which a program that announces them has to follow.
var Supported = VersionRange{1, 16}

// ParseVersionRange reads "MIN-MAX" or "N". [ErrSyntax].
func ParseVersionRange(s string) (VersionRange, error) {
	lo, hi, ok := strings.Cut(s, "-")
	if !ok {
		hi = lo
	}
	a, err1 := strconv.ParseUint(lo, 10, 16)
	b, err2 := strconv.ParseUint(hi, 10, 16)
	if err1 != nil || err2 != nil || a > b || a == 0 {
		return VersionRange{}, fmt.Errorf("xmsg: parse version range: %w", ErrSyntax)
	}
	return VersionRange{Version(a), Version(b)}, nil
}

// String is the range as it is written in messages.
func (r VersionRange) String() string {
	if r.Min == r.Max {
		return strconv.Itoa(int(r.Min))
	}
	return strconv.Itoa(int(r.Min)) + "-" + strconv.Itoa(int(r.Max))
}

// Common is the highest version in both ranges; ok is false if there is none.
func (r VersionRange) Common(o VersionRange) (v Version, ok bool) {
	v = min(r.Max, o.Max)
	return v, v >= max(r.Min, o.Min)
}
