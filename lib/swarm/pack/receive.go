package pack

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"hash"
	"io"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// Limits bound what a pack may cost.
type Limits struct {
	Bytes    int64 // of the pack
	Objects  int
	Object   int64 // of one object
	Inflated int64 // of all objects and deltas, inflated
	Depth    int   // deltas in a row
}

// Received is a pack that is whole.
type Received struct {
	Sum     commit.ObjectID
	Bytes   int64
	Entries []Entry // in the order of the pack
}

// Storage is where a pack is written while it comes, and read again.
type Storage interface {
	io.Writer
	io.ReaderAt
}

// Receive reads a pack from r to its end, writes it to f, which is empty, and
// resolves its deltas. each is called for every object, in no certain order;
// the data is its own only during the call. Nothing of what comes is believed:
// the errors are those of this package, of r, f and each.
func Receive(ctx context.Context, r io.Reader, f Storage, l Limits, each func(id commit.ObjectID, t commit.Type, data []byte) error) (*Received, error) {
	in := &intake{r: r, w: f, limit: l.Bytes, sum: sha1.New()}
	d := &receiver{ctx: ctx, in: in, buf: bufio.NewReaderSize(in, 64<<10), f: f, l: l, left: l.Inflated, each: each}
	if err := d.entries(); err != nil {
		return nil, fmt.Errorf("pack: receive: %w", err)
	}
	sum, err := d.trailer()
	if err != nil {
		return nil, fmt.Errorf("pack: receive: %w", err)
	}
	if err := d.resolve(); err != nil {
		return nil, fmt.Errorf("pack: receive: %w", err)
	}
	out := &Received{Sum: sum, Bytes: in.n, Entries: make([]Entry, len(d.objects))}
	for i := range d.objects {
		out.Entries[i] = d.objects[i].Entry
	}
	if err := d.finish(out); err != nil {
		return nil, fmt.Errorf("pack: receive: %w", err)
	}
	return out, nil
}

// intake passes on what comes, writes it down, counts and sums it. The sum
// stays behind by the last 20 bytes, which may be the trailer.
type intake struct {
	r     io.Reader
	w     io.Writer
	n     int64
	limit int64
	sum   hash.Hash
	tail  []byte
}

func (t *intake) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if n == 0 {
		return 0, err
	}
	if t.n += int64(n); t.n > t.limit {
		return 0, fmt.Errorf("more than %d bytes: %w", t.limit, ErrTooLarge)
	}
	if _, werr := t.w.Write(p[:n]); werr != nil {
		return 0, werr
	}
	if n >= trailerSize {
		t.sum.Write(t.tail)
		t.sum.Write(p[:n-trailerSize])
		t.tail = append(t.tail[:0], p[n-trailerSize:n]...)
	} else {
		t.tail = append(t.tail, p[:n]...)
		if over := len(t.tail) - trailerSize; over > 0 {
			t.sum.Write(t.tail[:over])
			t.tail = append(t.tail[:0], t.tail[over:]...)
		}
	}
	return n, err
}

// received is an object of the pack under way.
type received struct {
	Entry
	inflated int64 // of the entry: the delta's if it is one
	done     bool
}

type receiver struct {
	ctx  context.Context
	in   *intake
	buf  *bufio.Reader
	f    Storage
	l    Limits
	left int64 // of Inflated
	each func(commit.ObjectID, commit.Type, []byte) error

	objects []received
	byBase  map[commit.ObjectID][]int32
	byAt    map[int64][]int32
}

// at is how far the pack has been read.
func (d *receiver) at() int64 { return d.in.n - int64(d.buf.Buffered()) }

func (d *receiver) entries() error {
	var head [headerSize]byte
	if _, err := io.ReadFull(d.buf, head[:]); err != nil {
		return noEOF(err)
	}
	if string(head[:8]) != "PACK\x00\x00\x00\x02" {
		return fmt.Errorf("mark or version: %w", ErrFormat)
	}
	n := binary.BigEndian.Uint32(head[8:])
	if int64(n) > int64(d.l.Objects) {
		return fmt.Errorf("%d objects: %w", n, ErrTooLarge)
	}
	d.byBase, d.byAt = make(map[commit.ObjectID][]int32), make(map[int64][]int32)
	for i := range int32(n) {
		if i%256 == 0 && d.ctx.Err() != nil {
			return context.Cause(d.ctx)
		}
		if err := d.entry(i); err != nil {
			return fmt.Errorf("object %d of %d: %w", i+1, n, err)
		}
	}
	return nil
}

func (d *receiver) entry(i int32) error {
	at := d.at()
	e := entry{r: d.buf}
	if err := e.readHead(at); err != nil {
		return err
	}
	if err := d.spend(e.size); err != nil {
		return err
	}
	data, err := Inflate(d.buf, e.size)
	if err != nil {
		if d.in.n > d.l.Bytes {
			return fmt.Errorf("more than %d bytes: %w", d.l.Bytes, ErrTooLarge)
		}
		return err
	}
	o := received{Entry: Entry{Type: e.t, Size: e.size, Offset: at}, inflated: e.size}
	switch e.t {
	case ofsDelta:
		d.byAt[e.baseAt] = append(d.byAt[e.baseAt], i)
	case refDelta:
		d.byBase[e.base] = append(d.byBase[e.base], i)
	default:
		o.ID, o.done = commit.Hash(e.t, data), true
		if err := d.each(o.ID, e.t, data); err != nil {
			return err
		}
	}
	d.objects = append(d.objects, o)
	return nil
}

// spend takes an object's size off what may be inflated.
func (d *receiver) spend(size int64) error {
	if size > d.l.Object {
		return fmt.Errorf("object of %d bytes: %w", size, ErrTooLarge)
	}
	if d.left -= size; d.left < 0 {
		return fmt.Errorf("more than %d bytes inflated: %w", d.l.Inflated, ErrTooLarge)
	}
	return nil
}

func (d *receiver) trailer() (sum commit.ObjectID, err error) {
	if _, err := io.ReadFull(d.buf, sum[:]); err != nil {
		return sum, noEOF(err)
	}
	if _, err := d.buf.ReadByte(); err == nil {
		return sum, ErrTrailing
	} else if err != io.EOF {
		return sum, err
	}
	if commit.ObjectID(d.in.sum.Sum(nil)) != sum {
		return sum, ErrChecksum
	}
	return sum, nil
}
