package swarmtest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

const (
	offsetDelta = 6
	refDelta    = 7
)

// readBundle reads a git bundle: a head, refs, a pack. It is for files of ours
// and knows no limits.
func readBundle(b []byte) (commit.Mem, map[string]commit.ObjectID, error) {
	refs := map[string]commit.ObjectID{}
	head, pack, ok := bytes.Cut(b, []byte("\n\n"))
	if !ok || !bytes.HasPrefix(head, []byte("# v")) {
		return nil, nil, errors.New("no bundle")
	}
	for _, line := range strings.Split(string(head), "\n") {
		id, name, ok := strings.Cut(line, " ")
		if !ok || line[0] == '#' || line[0] == '@' || line[0] == '-' {
			continue
		}
		oid, err := commit.ParseObjectID(id)
		if err != nil {
			return nil, nil, err
		}
		refs[name] = oid
	}
	objects, err := readPack(pack)
	return objects, refs, err
}

func readPack(b []byte) (commit.Mem, error) {
	if len(b) < 12 || string(b[:4]) != "PACK" {
		return nil, errors.New("no pack")
	}
	out := commit.Mem{}
	at := map[int]commit.Object{}
	pos := 12
	for range binary.BigEndian.Uint32(b[8:]) {
		o, n, err := readEntry(b, pos, at, out)
		if err != nil {
			return nil, fmt.Errorf("pack at %d: %w", pos, err)
		}
		at[pos] = o
		out.Add(o)
		pos += n
	}
	return out, nil
}

// readEntry reads the entry at pos; its base, if it is a delta, came before.
func readEntry(b []byte, pos int, at map[int]commit.Object, have commit.Mem) (commit.Object, int, error) {
	p := pos
	kind := b[p] >> 4 & 7
	for ; b[p]&0x80 != 0; p++ {
	}
	p++
	var base commit.Object
	switch kind {
	case offsetDelta:
		off := int(b[p] & 0x7f)
		for ; b[p]&0x80 != 0; p++ {
			off = (off+1)<<7 | int(b[p+1]&0x7f)
		}
		p++
		base = at[pos-off]
	case refDelta:
		base = have[commit.ObjectID(b[p:p+20])]
		p += 20
	}
	r := bytes.NewReader(b[p:])
	z, err := zlib.NewReader(r)
	if err != nil {
		return base, 0, err
	}
	data, err := io.ReadAll(z)
	if err != nil {
		return base, 0, err
	}
	used := p - pos + len(b[p:]) - r.Len()
	if kind < offsetDelta {
		return commit.Object{Type: commit.Type(kind), Data: data}, used, nil
	}
	if base.Type == 0 {
		return base, 0, errors.New("delta without base")
	}
	return commit.Object{Type: base.Type, Data: applyDelta(base.Data, data)}, used, nil
}

func applyDelta(base, d []byte) []byte {
	for range 2 { // the sizes
		for ; d[0]&0x80 != 0; d = d[1:] {
		}
		d = d[1:]
	}
	var out []byte
	for len(d) > 0 {
		op := d[0]
		d = d[1:]
		if op&0x80 == 0 {
			out = append(out, d[:op]...)
			d = d[op:]
			continue
		}
		var v [7]int
		for i := range v {
			if op>>i&1 != 0 {
				v[i] = int(d[0])
				d = d[1:]
			}
		}
		off, n := v[0]|v[1]<<8|v[2]<<16|v[3]<<24, v[4]|v[5]<<8|v[6]<<16
		if n == 0 {
			n = 0x10000
		}
		out = append(out, base[off:off+n]...)
	}
	return out
}
