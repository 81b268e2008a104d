package smpserver

import (
	"context"
	"math"
	"sync"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// queue is what is known of a queue in memory. Its fields are guarded by
// table.mu.
type queue struct {
	rec  *queuestore.Queue
	dead bool // deleted

	size int  // messages, those of updates under way included
	full bool // the last of them is the quota marker
	// gone is the last message that was acknowledged or has expired; it may
	// still be in the store.
	gone queuestore.Seq
	// head is the first message, if it was sent just now; ready once it is
	// committed.
	head  *queuestore.Message
	ready bool

	// generation counts how often size was read from the store anew.
	generation int

	pins int    // users; not evicted above zero
	used uint64 // tick of the last use
	// In the table and without pins, it is in the table's list of those.
	cached       bool
	newer, older *queue
}

// sub is a subscription of a connection, or the state that GET leaves, or a
// subscription to notifications. Its fields are guarded by table.mu.
type sub struct {
	conn *conn
	id   smp.EntityID // recipient or notifier
	kind subKind
	// delivered is the message that waits for its ACK.
	delivered    queuestore.Seq
	deliveredID  smp.MsgID
	hasDelivered bool
	queued       bool // the connection's writer has been told to look

	prev, next *sub // of the connection's list
}

type subKind uint8

const (
	subRecipient subKind = iota
	subNotifier
	subGet
)

// table is the part of the store that is in memory, and all subscriptions.
type table struct {
	store queuestore.Store
	max   int // cached queues

	mu     sync.Mutex
	queues map[queuestore.Ref]*queue // under each of their IDs
	count  int                       // queues
	unused queue                     // head of the list of those without pins: newer is the first to go
	subs   map[smp.RecipientID]*sub
	nsubs  map[smp.NotifierID]*sub
	// nservices are the connections that have the notifications of services.
	nservices map[smp.ServiceID]*conn
	tick      uint64
	loads     map[uint64]struct{} // ticks at which loads under way began

	// Of stores that other relays use too.
	claims  map[queuestore.Ref][]*claim // subscriptions to be
	foreign uint64                      // how often others have changed something
}

func newTable(s queuestore.Store, max int) *table {
	t := &table{
		store: s, max: max,
		queues:    map[queuestore.Ref]*queue{},
		subs:      map[smp.RecipientID]*sub{},
		nsubs:     map[smp.NotifierID]*sub{},
		nservices: map[smp.ServiceID]*conn{},
		loads:     map[uint64]struct{}{},
		claims:    map[queuestore.Ref][]*claim{},
	}
	t.unused.newer, t.unused.older = &t.unused, &t.unused
	return t
}

func recipientRef(id smp.RecipientID) queuestore.Ref {
	return queuestore.Ref{Kind: queuestore.ByRecipient, ID: smp.EntityID(id)}
}

// maxRefs is how many IDs a queue has at most.
const maxRefs = 4

// refsOf are the IDs of a queue, added to r.
func refsOf(r []queuestore.Ref, q *queuestore.Queue) []queuestore.Ref {
	r = append(r, recipientRef(q.RecipientID), queuestore.Ref{Kind: queuestore.BySender, ID: smp.EntityID(q.SenderID)})
	if q.Notifier != nil {
		r = append(r, queuestore.Ref{Kind: queuestore.ByNotifier, ID: smp.EntityID(q.Notifier.ID)})
	}
	if q.LinkID != "" {
		r = append(r, queuestore.Ref{Kind: queuestore.ByLink, ID: smp.EntityID(q.LinkID)})
	}
	return r
}

// find gives queues in the order of refs, nil for those that are absent, and
// pins them; the caller unpins all that are not nil. A ref without an ID is
// nil.
func (t *table) find(ctx context.Context, refs []queuestore.Ref) ([]*queue, error) {
	out := make([]*queue, len(refs))
	var missing []queuestore.Ref
	var at []int
	absent := func(i int) {
		if missing == nil {
			missing, at = make([]queuestore.Ref, 0, len(refs)-i), make([]int, 0, len(refs)-i)
		}
		missing, at = append(missing, refs[i]), append(at, i)
	}
	t.mu.Lock()
	for i, r := range refs {
		if r.ID == "" {
			continue
		}
		if q := t.queues[r]; q != nil {
			t.pinLocked(q)
			out[i] = q
			continue
		}
		absent(i)
	}
	load, foreign := t.beginLoadLocked(len(missing) > 0), t.foreign
	t.mu.Unlock()
	if len(missing) == 0 {
		return out, nil
	}
	entries, err := t.store.Lookup(ctx, missing...)
	t.mu.Lock()
	defer t.mu.Unlock()
	for err == nil && t.foreign != foreign {
		// What was found may be older than a change by another relay.
		foreign = t.foreign
		t.mu.Unlock()
		entries, err = t.store.Lookup(ctx, missing...)
		t.mu.Lock()
	}
	delete(t.loads, load)
	if err != nil {
		for _, q := range out {
			t.unpinLocked(q)
		}
		return nil, err
	}
	for i, e := range entries {
		if e != nil {
			out[at[i]] = t.insertLocked(e, missing[i])
		}
	}
	return out, nil
}

// beginLoadLocked notes that a load begins. What was used since then is not
// evicted until it ends: a record that changes during the load stays in the
// table, and the load's old one is dropped.
func (t *table) beginLoadLocked(wanted bool) uint64 {
	t.tick++
	if wanted {
		t.loads[t.tick] = struct{}{}
	}
	return t.tick
}

// insertLocked puts a loaded queue into the table, unless it is there by now,
// and pins it. It is nil if the ID is no longer the queue's.
func (t *table) insertLocked(e *queuestore.Entry, r queuestore.Ref) *queue {
	if q := t.queues[recipientRef(e.Queue.RecipientID)]; q != nil {
		if t.queues[r] != q {
			return nil
		}
		t.pinLocked(q)
		return q
	}
	q := &queue{rec: e.Queue, size: e.Size, full: e.Full, pins: 1}
	t.addLocked(q)
	return q
}

func (t *table) addLocked(q *queue) {
	t.tick++
	q.used = t.tick
	for _, r := range refsOf(make([]queuestore.Ref, 0, maxRefs), q.rec) {
		t.queues[r] = q
	}
	t.count++
	q.cached = true
	if q.pins == 0 {
		t.listLocked(q)
	}
	t.evictLocked()
}

func (t *table) removeLocked(q *queue) {
	if !q.cached {
		return
	}
	for _, r := range refsOf(make([]queuestore.Ref, 0, maxRefs), q.rec) {
		delete(t.queues, r)
	}
	t.count--
	q.cached = false
	q.unlistLocked()
}

// listLocked makes q the last to go of those that nobody uses.
func (t *table) listLocked(q *queue) {
	q.older, q.newer = t.unused.older, &t.unused
	q.older.newer, t.unused.older = q, q
}

func (q *queue) unlistLocked() {
	if q.newer != nil {
		q.newer.older, q.older.newer = q.older, q.newer
		q.newer, q.older = nil, nil
	}
}

func (t *table) pinLocked(q *queue) {
	q.pins++
	q.unlistLocked()
}

// evictLocked makes room, by taking the least recently used.
func (t *table) evictLocked() {
	oldest := uint64(math.MaxUint64)
	for l := range t.loads {
		oldest = min(oldest, l)
	}
	for t.count > t.max && t.unused.newer != &t.unused && t.unused.newer.used < oldest {
		t.removeLocked(t.unused.newer)
	}
}

func (t *table) unpin(qs ...*queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, q := range qs {
		t.unpinLocked(q)
	}
	t.evictLocked()
}

func (t *table) unpinLocked(q *queue) {
	if q != nil {
		q.pins--
		t.tick++
		q.used = t.tick
		if q.pins == 0 && q.cached {
			t.listLocked(q)
		}
	}
}

// replaceLocked makes rec the queue's record.
func (t *table) replaceLocked(q *queue, rec *queuestore.Queue) {
	for _, r := range refsOf(make([]queuestore.Ref, 0, maxRefs), q.rec) {
		if t.queues[r] == q {
			delete(t.queues, r)
		}
	}
	q.rec = rec
	for _, r := range refsOf(make([]queuestore.Ref, 0, maxRefs), rec) {
		t.queues[r] = q
	}
}

// reload makes memory agree with the store again after a failed commit. If
// the store does not answer, the record stays as it is.
func (t *table) reload(ctx context.Context, q *queue) error {
	t.mu.Lock()
	id := q.rec.RecipientID
	t.mu.Unlock()
	e, err := t.store.Lookup(ctx, recipientRef(id))
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case e[0] == nil:
		t.removeLocked(q)
		q.dead = true
	case q.dead:
		q.dead = false
		q.rec = e[0].Queue
		t.addLocked(q)
	default:
		t.replaceLocked(q, e[0].Queue)
	}
	return nil
}
