package drt

import (
	"math/rand/v2"
	"slices"
)

// BucketSize is how many links a bucket wants, and holds before it is split.
const BucketSize = 2

// bucket is a part of the range of IDs. Its lists are sorted; an ID is in one
// of them.
type bucket struct {
	lower                            ID
	nodes, connecting, known, mobile []ID
}

func (b *bucket) lists() [4]*[]ID {
	return [4]*[]ID{&b.nodes, &b.connecting, &b.known, &b.mobile}
}

// Table is a routing table. It is not safe for use by several goroutines.
type Table struct {
	me      ID
	buckets []*bucket // by lower limit, the first is zero
}

// NewTable is an empty table of the device me.
func NewTable(me ID) *Table {
	return &Table{me: me, buckets: []*bucket{{}}}
}

// at is the index of the bucket of id.
func (t *Table) at(id ID) int {
	i, found := slices.BinarySearchFunc(t.buckets, id, func(b *bucket, id ID) int { return b.lower.Compare(id) })
	if found {
		return i
	}
	return i - 1
}

func (t *Table) bucket(id ID) *bucket { return t.buckets[t.at(id)] }

// middle is where bucket i would be divided; false if it is too narrow.
func (t *Table) middle(i int) (ID, bool) {
	lower := t.buckets[i].lower
	bit := lower.deepest()
	if i+1 < len(t.buckets) {
		bit = max(bit, t.buckets[i+1].lower.deepest())
	}
	if bit++; bit >= 8*IDSize {
		return ID{}, false
	}
	return lower.with(bit), true
}

func (t *Table) split(i int) bool {
	mid, ok := t.middle(i)
	if !ok {
		return false
	}
	low, high := t.buckets[i], &bucket{lower: mid}
	to := high.lists()
	for k, l := range low.lists() {
		at, _ := slices.BinarySearchFunc(*l, mid, ID.Compare)
		*to[k] = slices.Clone((*l)[at:])
		*l = slices.Clip((*l)[:at])
	}
	t.buckets = slices.Insert(t.buckets, i+1, high)
	return true
}

// AddNode adds a device to which there is a channel; false if it was there, or
// is ourselves.
func (t *Table) AddNode(id ID) bool {
	if id == t.me {
		return false
	}
	i := t.at(id)
	if has(t.buckets[i].nodes, id) {
		return false
	}
	for len(t.buckets[i].nodes) == BucketSize && i == t.at(t.me) && t.split(i) {
		i = t.at(id)
	}
	b := t.buckets[i]
	b.drop(id)
	insert(&b.nodes, id)
	return true
}

// Closest are the connected nodes closest to id, itself excluded, at most n.
func (t *Table) Closest(id ID, n int) []ID {
	out := slices.DeleteFunc(t.Nodes(), func(x ID) bool { return x == id })
	slices.SortFunc(out, func(a, b ID) int { return a.xor(id).Compare(b.xor(id)) })
	return out[:min(max(n, 0), len(out))]
}

// Nodes are the connected nodes, in order.
func (t *Table) Nodes() []ID {
	var out []ID
	for _, b := range t.buckets {
		out = append(out, b.nodes...)
	}
	return out
}

// Mobiles are the mobile devices, in order.
func (t *Table) Mobiles() []ID {
	var out []ID
	for _, b := range t.buckets {
		out = append(out, b.mobile...)
	}
	return out
}

// Buckets are the connected nodes of each bucket, in order.
func (t *Table) Buckets() [][]ID {
	var out [][]ID
	for _, b := range t.buckets {
		out = append(out, slices.Clone(b.nodes))
	}
	return out
}

// missing are the IDs to open channels to: for each bucket as many random known
// ones that may be tried as it lacks of links. Nodes of our own bucket do not
// count, since it is split when more come.
func (t *Table) missing(r *rand.Rand, may func(ID) bool) []ID {
	var out []ID
	own := t.at(t.me)
	for i, b := range t.buckets {
		n := len(b.connecting)
		if i != own {
			n += len(b.nodes)
		}
		if n >= BucketSize {
			continue
		}
		var can []ID
		for _, id := range b.known {
			if may(id) {
				can = append(can, id)
			}
		}
		r.Shuffle(len(can), func(i, j int) { can[i], can[j] = can[j], can[i] })
		out = append(out, can[:min(BucketSize-n, len(can))]...)
	}
	return out
}

func (b *bucket) drop(id ID) {
	for _, l := range b.lists() {
		if i, found := slices.BinarySearchFunc(*l, id, ID.Compare); found {
			*l = slices.Delete(*l, i, i+1)
		}
	}
}

func insert(l *[]ID, id ID) {
	if i, found := slices.BinarySearchFunc(*l, id, ID.Compare); !found {
		*l = slices.Insert(*l, i, id)
	}
}

func has(l []ID, id ID) bool {
	_, found := slices.BinarySearchFunc(l, id, ID.Compare)
	return found
}
