package wire

import (
	"fmt"
	"strconv"
	"strings"
)

// Version is the number of a protocol's version on the wire.
type Version uint16

// VersionRange is what one side speaks, both ends included. Min ≤ Max.
type VersionRange struct{ Min, Max Version }

// Compatible is the highest version in both ranges; ok is false if there is
// none.
func (r VersionRange) Compatible(peer VersionRange) (v Version, ok bool) {
	v = min(r.Max, peer.Max)
	return v, v >= max(r.Min, peer.Min)
}

// Contains tells whether v lies in r.
func (r VersionRange) Contains(v Version) bool { return r.Min <= v && v <= r.Max }

// Append appends the two words of the range.
func (r VersionRange) Append(b []byte) []byte {
	return AppendUint16(AppendUint16(b, uint16(r.Min)), uint16(r.Max))
}

// String is "min-max", or one number where both are the same.
func (r VersionRange) String() string {
	if r.Min == r.Max {
		return strconv.Itoa(int(r.Min))
	}
	return fmt.Sprintf("%d-%d", r.Min, r.Max)
}

// ParseVersionRange parses "min-max" or a single number.
func ParseVersionRange(s string) (VersionRange, error) {
	lo, hi, found := strings.Cut(s, "-")
	if !found {
		hi = lo
	}
	a, err1 := strconv.ParseUint(lo, 10, 16)
	b, err2 := strconv.ParseUint(hi, 10, 16)
	if err1 != nil || err2 != nil || a > b {
		return VersionRange{}, fmt.Errorf("wire: bad version range %q", s)
	}
	return VersionRange{Version(a), Version(b)}, nil
}

// Version reads a version.
func (d *Decoder) Version() Version { return Version(d.Uint16()) }

// VersionRange reads two versions; the first must not be over the second.
func (d *Decoder) VersionRange() VersionRange {
	at := d.off
	r := VersionRange{d.Version(), d.Version()}
	if d.err == nil && r.Min > r.Max {
		d.expected(at, "a version range, found %d-%d", r.Min, r.Max)
		return VersionRange{}
	}
	return r
}
