package pack

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sort"
	"sync"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// Entry is one object of a pack.
type Entry struct {
	ID     commit.ObjectID
	Type   commit.Type
	Size   int64 // of the object
	Offset int64
	CRC    uint32
}

const (
	indexMark    = "\xfftOc\x00\x00\x00\x02"
	tableAt      = 8
	namesAt      = tableAt + 4*256
	idSize       = 20
	largeOffset  = 1 << 31
	maxIndexSize = 1 << 31
)

// WriteIndex writes the index of a pack with trailer sum. It puts entries in
// the order of their ids.
func WriteIndex(w io.Writer, entries []Entry, sum commit.ObjectID) error {
	slices.SortFunc(entries, func(a, b Entry) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	h := sha1.New()
	out := bufio.NewWriter(io.MultiWriter(w, h))
	_, _ = out.WriteString(indexMark)
	var b [8]byte
	put := func(v uint32) {
		binary.BigEndian.PutUint32(b[:], v)
		_, _ = out.Write(b[:4])
	}
	n := 0
	for i := range 256 {
		for n < len(entries) && int(entries[n].ID[0]) <= i {
			n++
		}
		put(uint32(n))
	}
	for i := range entries {
		_, _ = out.Write(entries[i].ID[:])
	}
	for i := range entries {
		put(entries[i].CRC)
	}
	var large []int64
	for i := range entries {
		if o := entries[i].Offset; o < largeOffset {
			put(uint32(o))
		} else {
			put(largeOffset | uint32(len(large)))
			large = append(large, o)
		}
	}
	for _, o := range large {
		binary.BigEndian.PutUint64(b[:], uint64(o))
		_, _ = out.Write(b[:])
	}
	_, _ = out.Write(sum[:])
	if err := out.Flush(); err != nil {
		return err
	}
	_, err := w.Write(h.Sum(nil))
	return err
}

// Index finds entries by id. It reads from its file what is asked for, and
// keeps that: opening one is quick and a few lookups are too, however large it
// is.
type Index struct {
	r      io.ReaderAt
	size   int64
	n      int
	fanout [257]uint32 // fanout[i] ids begin with less than i

	mu    sync.Mutex
	names [256][]byte // ids that begin with i; guarded by mu
}

// OpenIndex opens an index of size bytes.
func OpenIndex(r io.ReaderAt, size int64) (*Index, error) {
	x := &Index{r: r, size: size}
	head := make([]byte, namesAt)
	if size > maxIndexSize {
		return nil, fmt.Errorf("pack: index of %d bytes: %w", size, ErrTooLarge)
	}
	if _, err := r.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("pack: index: %w", noEOF(err))
	}
	if string(head[:len(indexMark)]) != indexMark {
		return nil, fmt.Errorf("pack: index: mark or version: %w", ErrFormat)
	}
	for i := range 256 {
		x.fanout[i+1] = binary.BigEndian.Uint32(head[tableAt+4*i:])
		if x.fanout[i+1] < x.fanout[i] {
			return nil, fmt.Errorf("pack: index: table: %w", ErrFormat)
		}
	}
	x.n = int(x.fanout[256])
	least := int64(namesAt) + int64(x.n)*(idSize+8) + 2*trailerSize
	if size < least || (size-least)%8 != 0 || (size-least)/8 > int64(x.n) {
		return nil, fmt.Errorf("pack: index of %d bytes for %d objects: %w", size, x.n, ErrFormat)
	}
	return x, nil
}

// Len is the number of objects.
func (x *Index) Len() int { return x.n }

// bucket reads the ids that begin with c.
func (x *Index) bucket(c byte) ([]byte, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if b := x.names[c]; b != nil {
		return b, nil
	}
	from, to := int64(x.fanout[c]), int64(x.fanout[int(c)+1])
	b := make([]byte, (to-from)*idSize)
	if len(b) > 0 {
		if _, err := x.r.ReadAt(b, namesAt+from*idSize); err != nil {
			return nil, fmt.Errorf("pack: index: %w", noEOF(err))
		}
	}
	x.names[c] = b
	return b, nil
}

// find is the number of an id in the order of ids.
func (x *Index) find(id commit.ObjectID) (i int, ok bool, err error) {
	b, err := x.bucket(id[0])
	if err != nil {
		return 0, false, err
	}
	n := len(b) / idSize
	i = sort.Search(n, func(i int) bool { return bytes.Compare(b[i*idSize:(i+1)*idSize], id[:]) >= 0 })
	ok = i < n && bytes.Equal(b[i*idSize:(i+1)*idSize], id[:])
	return int(x.fanout[id[0]]) + i, ok, nil
}

// Find is where the entry of id begins.
func (x *Index) Find(id commit.ObjectID) (offset int64, ok bool, err error) {
	i, ok, err := x.find(id)
	if err != nil || !ok {
		return 0, false, err
	}
	var b [8]byte
	at := int64(namesAt) + int64(x.n)*(idSize+4)
	if _, err := x.r.ReadAt(b[:4], at+4*int64(i)); err != nil {
		return 0, false, fmt.Errorf("pack: index: %w", noEOF(err))
	}
	v := binary.BigEndian.Uint32(b[:])
	if v < largeOffset {
		return int64(v), true, nil
	}
	at += 4*int64(x.n) + 8*int64(v&^largeOffset)
	if at+8 > x.size-2*trailerSize {
		return 0, false, fmt.Errorf("pack: index: offset of %v: %w", id, ErrFormat)
	}
	if _, err := x.r.ReadAt(b[:], at); err != nil {
		return 0, false, fmt.Errorf("pack: index: %w", noEOF(err))
	}
	return int64(binary.BigEndian.Uint64(b[:]) &^ (1 << 63)), true, nil
}

// Entries reads the whole index: ids, offsets and CRCs in the order of the
// pack. It checks the sum at its end and returns the one of the pack.
func (x *Index) Entries() (entries []Entry, sum commit.ObjectID, err error) {
	b := make([]byte, x.size)
	if _, err := x.r.ReadAt(b, 0); err != nil && err != io.EOF {
		return nil, sum, fmt.Errorf("pack: index: %w", err)
	}
	end := len(b) - trailerSize
	if s := sha1.Sum(b[:end]); !bytes.Equal(s[:], b[end:]) {
		return nil, sum, fmt.Errorf("pack: index: %w", ErrChecksum)
	}
	sum = commit.ObjectID(b[end-trailerSize:])
	entries = make([]Entry, x.n)
	crcs := b[namesAt+x.n*idSize:]
	offsets := crcs[4*x.n:]
	large := offsets[4*x.n : len(offsets)-2*trailerSize]
	for i := range entries {
		e := &entries[i]
		e.ID = commit.ObjectID(b[namesAt+i*idSize:])
		e.CRC = binary.BigEndian.Uint32(crcs[4*i:])
		v := binary.BigEndian.Uint32(offsets[4*i:])
		if e.Offset = int64(v); v >= largeOffset {
			if v &^= largeOffset; int(v) >= len(large)/8 {
				return nil, sum, fmt.Errorf("pack: index: offset of %v: %w", e.ID, ErrFormat)
			}
			e.Offset = int64(binary.BigEndian.Uint64(large[8*v:]) &^ (1 << 63))
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Offset, b.Offset) })
	return entries, sum, nil
}
