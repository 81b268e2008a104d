package pack

import (
	"bufio"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// maxChain is how many deltas in a row an object on disk may need; git writes
// at most 4095.
const maxChain = 4096

// maxObject is the size above which an object on disk is not read.
const maxObject = 1 << 30

// File is a pack on disk with its index. Its methods may be called from several
// goroutines.
type File struct {
	// Index finds objects.
	*Index
	// Path is the pack's, which ends in .pack.
	Path string
	// Size is the pack's in bytes.
	Size int64

	f, idx *os.File
	mu     sync.Mutex
	order  []Entry // by offset, read at the first need; guarded by mu
	raws   int     // calls of Raw; guarded by mu
}

// OpenFile opens the pack at path, which ends in .pack, and the index beside it.
func OpenFile(path string) (p *File, err error) {
	p = &File{Path: path}
	if p.f, err = os.Open(path); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = p.Close()
		}
	}()
	if p.idx, err = os.Open(strings.TrimSuffix(path, ".pack") + ".idx"); err != nil {
		return nil, err
	}
	info, err := p.f.Stat()
	if err != nil {
		return nil, err
	}
	p.Size = info.Size()
	if info, err = p.idx.Stat(); err != nil {
		return nil, err
	}
	p.Index, err = OpenIndex(p.idx, info.Size())
	return p, err
}

// Close closes the files.
func (p *File) Close() error {
	err := p.f.Close()
	if p.idx != nil {
		err = errors.Join(err, p.idx.Close())
	}
	return err
}

// entry is the head of an entry, and a reader at its zlib stream.
type entry struct {
	t      commit.Type
	size   int64
	base   commit.ObjectID // of a reference delta
	baseAt int64           // of an offset delta
	dataAt int64
	r      *bufio.Reader
	src    *io.SectionReader
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

func (e *entry) close() {
	e.r.Reset(nil)
	readers.Put(e.r)
}

// at is where the reader is in the pack.
func (e *entry) pos(from int64) int64 {
	n, _ := e.src.Seek(0, io.SeekCurrent)
	return from + n - int64(e.r.Buffered())
}

// open reads the head of the entry at offset; the caller closes it.
func (p *File) open(offset int64) (*entry, error) {
	return openEntry(p.f, offset, p.Size-trailerSize)
}

func openEntry(f io.ReaderAt, offset, end int64) (*entry, error) {
	if offset < headerSize || offset >= end {
		return nil, fmt.Errorf("pack: entry at %d: %w", offset, ErrFormat)
	}
	e := &entry{src: io.NewSectionReader(f, offset, end-offset), r: readers.Get().(*bufio.Reader)}
	e.r.Reset(e.src)
	if err := e.readHead(offset); err != nil {
		e.close()
		return nil, fmt.Errorf("pack: entry at %d: %w", offset, err)
	}
	e.dataAt = e.pos(offset)
	return e, nil
}

func (e *entry) readHead(offset int64) (err error) {
	if e.t, e.size, err = readHead(e.r); err != nil {
		return noEOF(err)
	}
	switch e.t {
	case commit.TypeCommit, commit.TypeTree, commit.TypeBlob, commit.TypeTag:
	case ofsDelta:
		d, err := readDistance(e.r)
		if err != nil {
			return err
		}
		if e.baseAt = offset - d; d <= 0 || e.baseAt < headerSize {
			return fmt.Errorf("offset of a base: %w", ErrFormat)
		}
	case refDelta:
		if _, err := io.ReadFull(e.r, e.base[:]); err != nil {
			return noEOF(err)
		}
	default:
		return fmt.Errorf("entry of %v: %w", e.t, ErrFormat)
	}
	return nil
}

// Get reads an object; the error wraps [commit.ErrNotFound] if it is not in
// this pack.
func (p *File) Get(id commit.ObjectID) (commit.Type, []byte, error) {
	at, ok, err := p.Find(id)
	if err != nil {
		return 0, nil, err
	}
	if !ok {
		return 0, nil, fmt.Errorf("pack: %v: %w", id, commit.ErrNotFound)
	}
	var deltas [][]byte
	for len(deltas) < maxChain {
		e, err := p.open(at)
		if err != nil {
			return 0, nil, err
		}
		data, err := e.read()
		if err != nil {
			return 0, nil, fmt.Errorf("pack: %v: %w", id, err)
		}
		if e.t != ofsDelta && e.t != refDelta {
			return resolve(e.t, data, deltas)
		}
		deltas = append(deltas, data)
		if at = e.baseAt; e.t == refDelta {
			if at, ok, err = p.Find(e.base); err != nil {
				return 0, nil, err
			} else if !ok {
				return 0, nil, fmt.Errorf("pack: %v: %w", id, ErrBase)
			}
		}
	}
	return 0, nil, fmt.Errorf("pack: %v: more than %d deltas: %w", id, maxChain, ErrBase)
}

// read inflates the entry and closes it.
func (e *entry) read() ([]byte, error) {
	defer e.close()
	if e.size > maxObject {
		return nil, fmt.Errorf("object of %d bytes: %w", e.size, ErrTooLarge)
	}
	return Inflate(e.r, e.size)
}

func resolve(t commit.Type, data []byte, deltas [][]byte) (commit.Type, []byte, error) {
	var err error
	for i := len(deltas) - 1; i >= 0; i-- {
		if data, err = applyDelta(data, deltas[i], maxObject); err != nil {
			return 0, nil, fmt.Errorf("pack: %w", err)
		}
	}
	return t, data, nil
}

// Raw reads the entry of an object as it lies here; an offset delta becomes a
// reference delta. The error wraps [commit.ErrNotFound] as Get's.
func (p *File) Raw(id commit.ObjectID) (*Raw, error) {
	at, ok, err := p.Find(id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("pack: %v: %w", id, commit.ErrNotFound)
	}
	e, err := p.open(at)
	if err != nil {
		return nil, err
	}
	r := &Raw{Type: e.t, Base: e.base, Size: e.size}
	end, err := p.end(at, e, r)
	e.close()
	if err != nil {
		return nil, fmt.Errorf("pack: %v: %w", id, err)
	}
	r.Z = make([]byte, end-e.dataAt)
	if _, err := p.f.ReadAt(r.Z, e.dataAt); err != nil {
		return nil, fmt.Errorf("pack: %v: %w", id, noEOF(err))
	}
	return r, nil
}

// few is for how many entries it is quicker to inflate them than to read the
// whole index.
const few = 128

// end is where the entry at at ends. Of an offset delta it names the base in r.
func (p *File) end(at int64, e *entry, r *Raw) (int64, error) {
	p.mu.Lock()
	p.raws++
	whole := p.order != nil || p.raws > few || e.t == ofsDelta
	p.mu.Unlock()
	if !whole {
		if _, err := Inflate(e.r, e.size); err != nil {
			return 0, err
		}
		return e.pos(at), nil
	}
	order, err := p.offsets()
	if err != nil {
		return 0, err
	}
	if e.t == ofsDelta {
		base, ok := entryAt(order, e.baseAt)
		if !ok {
			return 0, ErrBase
		}
		r.Type, r.Base = refDelta, base.ID
	}
	end := p.Size - trailerSize
	if i := sort.Search(len(order), func(i int) bool { return order[i].Offset > at }); i < len(order) {
		end = order[i].Offset
	}
	if end < e.dataAt {
		return 0, ErrFormat
	}
	return end, nil
}

// Check compares the sum at the end of the pack with its bytes and with the one
// in the index.
func (p *File) Check() error {
	_, want, err := p.Index.Entries()
	if err != nil {
		return err
	}
	h := sha1.New()
	if _, err := io.Copy(h, io.NewSectionReader(p.f, 0, p.Size-trailerSize)); err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	var sum commit.ObjectID
	if _, err := p.f.ReadAt(sum[:], p.Size-trailerSize); err != nil {
		return fmt.Errorf("pack: %w", noEOF(err))
	}
	if sum != want || commit.ObjectID(h.Sum(nil)) != sum {
		return fmt.Errorf("pack: %s: %w", filepath.Base(p.Path), ErrChecksum)
	}
	return nil
}

// Entries are the objects in the order of the pack.
func (p *File) Entries() ([]Entry, error) { return p.offsets() }

func (p *File) offsets() ([]Entry, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.order == nil {
		order, _, err := p.Index.Entries()
		if err != nil {
			return nil, err
		}
		p.order = order
	}
	return p.order, nil
}

func entryAt(order []Entry, at int64) (Entry, bool) {
	i := sort.Search(len(order), func(i int) bool { return order[i].Offset >= at })
	if i == len(order) || order[i].Offset != at {
		return Entry{}, false
	}
	return order[i], true
}
