package pack

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// workingSet bounds the objects that are held while the deltas on them are
// resolved.
const workingSet = 256 << 20

// frame is an object whose deltas are being resolved.
type frame struct {
	id   commit.ObjectID
	t    commit.Type
	data []byte
	todo []int32
}

// resolve resolves all deltas, from the objects that are whole outwards. A
// delta that is not reached has no base here, or is part of a circle.
func (d *receiver) resolve() error {
	if len(d.byAt) == 0 && len(d.byBase) == 0 {
		return nil
	}
	for i := range d.objects {
		o := &d.objects[i]
		if !o.done || o.Type == ofsDelta || o.Type == refDelta {
			continue
		}
		todo := d.children(o.ID, o.Offset)
		if len(todo) == 0 {
			continue
		}
		if d.ctx.Err() != nil {
			return context.Cause(d.ctx)
		}
		data, err := d.inflate(o)
		if err != nil {
			return err
		}
		if err := d.tree(frame{o.ID, o.Type, data, todo}); err != nil {
			return err
		}
	}
	for i := range d.objects {
		if !d.objects[i].done {
			return fmt.Errorf("object %d of %d: %w", i+1, len(d.objects), ErrBase)
		}
	}
	return nil
}

// children takes the deltas on a base.
func (d *receiver) children(id commit.ObjectID, at int64) []int32 {
	todo := append(d.byAt[at], d.byBase[id]...)
	delete(d.byAt, at)
	delete(d.byBase, id)
	return todo
}

func (d *receiver) inflate(o *received) ([]byte, error) {
	e, err := openEntry(d.f, o.Offset, d.in.n-trailerSize)
	if err != nil {
		return nil, err
	}
	defer e.close()
	return Inflate(e.r, o.inflated)
}

// tree resolves all that stands on one object.
func (d *receiver) tree(root frame) error {
	stack, held := []frame{root}, len(root.data)
	for n := 0; len(stack) > 0; n++ {
		if n%256 == 0 && d.ctx.Err() != nil {
			return context.Cause(d.ctx)
		}
		top := &stack[len(stack)-1]
		if len(top.todo) == 0 {
			held -= len(top.data)
			stack = stack[:len(stack)-1]
			continue
		}
		i := top.todo[0]
		top.todo = top.todo[1:]
		next, err := d.delta(top, i, len(stack))
		if err != nil {
			return fmt.Errorf("object %d of %d: %w", i+1, len(d.objects), err)
		}
		if len(next.todo) > 0 {
			if held += len(next.data); held > workingSet {
				return fmt.Errorf("bases of deltas: %w", ErrTooLarge)
			}
			stack = append(stack, next)
		}
	}
	return nil
}

// delta makes object i of its base.
func (d *receiver) delta(base *frame, i int32, depth int) (frame, error) {
	if depth > d.l.Depth {
		return frame{}, fmt.Errorf("more than %d deltas: %w", d.l.Depth, ErrTooLarge)
	}
	o := &d.objects[i]
	delta, err := d.inflate(o)
	if err != nil {
		return frame{}, err
	}
	_, size, _, err := deltaSizes(delta)
	if err != nil {
		return frame{}, err
	}
	if size > uint64(d.l.Object) {
		return frame{}, fmt.Errorf("object of %d bytes: %w", size, ErrTooLarge)
	}
	if err := d.spend(int64(size)); err != nil {
		return frame{}, err
	}
	data, err := applyDelta(base.data, delta, d.l.Object)
	if err != nil {
		return frame{}, err
	}
	o.Type, o.Size, o.ID, o.done = base.t, int64(len(data)), commit.Hash(base.t, data), true
	if err := d.each(o.ID, o.Type, data); err != nil {
		return frame{}, err
	}
	return frame{o.ID, o.Type, data, d.children(o.ID, o.Offset)}, nil
}

// finish looks for objects that come twice and sums up the entries.
func (d *receiver) finish(p *Received) error {
	order := make([]int32, len(p.Entries))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return bytes.Compare(p.Entries[a].ID[:], p.Entries[b].ID[:]) })
	for i := 1; i < len(order); i++ {
		if p.Entries[order[i]].ID == p.Entries[order[i-1]].ID {
			return fmt.Errorf("%v: %w", p.Entries[order[i]].ID, ErrDuplicate)
		}
	}
	r := bufio.NewReaderSize(io.NewSectionReader(d.f, headerSize, p.Bytes-headerSize-trailerSize), 64<<10)
	for i := range p.Entries {
		end := p.Bytes - trailerSize
		if i+1 < len(p.Entries) {
			end = p.Entries[i+1].Offset
		}
		h := crc32.NewIEEE()
		if _, err := io.CopyN(h, r, end-p.Entries[i].Offset); err != nil {
			return err
		}
		p.Entries[i].CRC = h.Sum32()
	}
	return nil
}
