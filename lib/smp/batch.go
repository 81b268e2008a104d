package smp

import "github.com/simplexkit/simplexkit/lib/wire"

// Batch is a block's content, or why an item cannot be sent.
type Batch struct {
	Block []byte // count byte and large transmissions, to be padded and sent
	First int    // index of the first item
	Count int    // items in this block; 1 with Err
	Err   error  // nil or [ErrTransportLargeMsg]
}

// Pack joins items to blocks of at most [MaxBatch] bytes and [MaxBatchCount]
// items, in order. Blocks are filled from the end of the list, as other
// implementations do, so it is the first block that may be short. A block
// with one item is that item, not copied. smp: SMP Transmission and transport block structure
func Pack(items []Item) []Batch {
	var rev []Batch
	end, size := len(items), 0
	flush := func(from int) {
		if from < end {
			rev = append(rev, Batch{First: from, Count: end - from, Block: join(items[from:end], size)})
		}
		end, size = from, 0
	}
	for i := len(items) - 1; i >= 0; i-- {
		n := len(items[i]) - 1
		if n > MaxBatch {
			flush(i + 1)
			rev = append(rev, Batch{First: i, Count: 1, Err: ErrTransportLargeMsg})
			end = i
			continue
		}
		if size+n > MaxBatch || end-i > MaxBatchCount {
			flush(i + 1)
		}
		size += n
	}
	flush(0)
	for i, j := 0, len(rev)-1; i < j; i, j = i+1, j-1 {
		rev[i], rev[j] = rev[j], rev[i]
	}
	return rev
}

func join(items []Item, size int) []byte {
	if len(items) == 1 {
		return items[0]
	}
	b := append(make([]byte, 0, size+1), byte(len(items)))
	for _, it := range items {
		b = append(b, it[1:]...)
	}
	return b
}

// unpack splits a block into transmissions; false for an empty list or bytes
// left over.
func unpack(b []byte) ([][]byte, bool) {
	d := wire.NewDecoder(b)
	n := d.ListLen(1)
	var items [][]byte
	for i := 0; i < n && d.Err() == nil; i++ {
		items = append(items, d.Large())
	}
	return items, d.Done() == nil
}
