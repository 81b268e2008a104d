package pack

import (
	"bufio"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// Raw is an entry as it lies in a pack: to be passed on without being
// compressed again.
type Raw struct {
	// Type is the object's, or a delta's if Base is set.
	Type commit.Type
	Base commit.ObjectID
	Size int64  // inflated, of the object or the delta
	Z    []byte // the zlib stream
}

// IsDelta tells whether the entry needs another.
func (r *Raw) IsDelta() bool { return r.Type == refDelta }

// NewRaw is an entry that holds an object whole.
func NewRaw(t commit.Type, data []byte, level int) *Raw {
	return &Raw{Type: t, Size: int64(len(data)), Z: Deflate(nil, data, level)}
}

// NewDelta is an entry that holds target as what changed since base, or nil if
// that is not much shorter than target itself.
func NewDelta(base commit.ObjectID, from, target []byte) *Raw {
	d := makeDelta(from, target, len(target)/2)
	if d == nil {
		return nil
	}
	return &Raw{Type: refDelta, Base: base, Size: int64(len(d)), Z: Deflate(nil, d, Small)}
}

// Writer writes a pack.
type Writer struct {
	w       *bufio.Writer
	sum     hash.Hash
	at      int64
	left    int
	entries []Entry
	head    []byte
}

// NewWriter begins a pack of n objects.
func NewWriter(w io.Writer, n int) (*Writer, error) {
	p := &Writer{sum: sha1.New(), left: n}
	p.w = bufio.NewWriterSize(io.MultiWriter(w, p.sum), 64<<10)
	head := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), uint32(n))
	p.at = int64(len(head))
	_, err := p.w.Write(head)
	return p, err
}

// Add writes the entry of object id.
func (p *Writer) Add(id commit.ObjectID, r *Raw) error {
	if p.left == 0 {
		return fmt.Errorf("pack: more objects than announced: %w", ErrFormat)
	}
	p.left--
	p.head = appendHead(p.head[:0], r.Type, r.Size)
	if r.Type == refDelta {
		p.head = append(p.head, r.Base[:]...)
	}
	crc := crc32.Update(crc32.ChecksumIEEE(p.head), crc32.IEEETable, r.Z)
	p.entries = append(p.entries, Entry{ID: id, Type: r.Type, Size: r.Size, Offset: p.at, CRC: crc})
	p.at += int64(len(p.head) + len(r.Z))
	if _, err := p.w.Write(p.head); err != nil {
		return err
	}
	_, err := p.w.Write(r.Z)
	return err
}

// Close writes the end. The entries are for WriteIndex.
func (p *Writer) Close(w io.Writer) (entries []Entry, sum commit.ObjectID, err error) {
	if p.left != 0 {
		return nil, sum, fmt.Errorf("pack: %d objects fewer than announced: %w", p.left, ErrFormat)
	}
	if err := p.w.Flush(); err != nil {
		return nil, sum, err
	}
	p.sum.Sum(sum[:0])
	_, err = w.Write(sum[:])
	return p.entries, sum, err
}
