package peer

import (
	"context"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/p2p"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a network in memory.
type world struct {
	mu    sync.Mutex
	nodes map[ident.DeviceID]*memNet
	side  map[ident.DeviceID]int // devices of different sides cannot reach each other
	live  map[*memStream]bool
	// opened counts streams by protocol.
	opened map[string]int
}

func newWorld() *world {
	return &world{nodes: map[ident.DeviceID]*memNet{}, side: map[ident.DeviceID]int{}, live: map[*memStream]bool{}, opened: map[string]int{}}
}

// cut puts devices on sides and ends what runs between them.
func (w *world) cut(side func(i int, dev ident.DeviceID) int, devs []ident.DeviceID) {
	w.mu.Lock()
	var end []*memStream
	for i, dev := range devs {
		w.side[dev] = side(i, dev)
	}
	for s := range w.live {
		if w.side[s.from] != w.side[s.to] {
			end = append(end, s)
		}
	}
	w.mu.Unlock()
	for _, s := range end {
		s.Reset()
	}
}

func (w *world) count(proto string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.opened[proto]
}

type memNet struct {
	w        *world
	self     ident.DeviceID
	mu       sync.Mutex
	handlers map[string]func(context.Context, ident.DeviceID, Stream) error
	work     *sync.WaitGroup
}

func (w *world) add(dev ident.DeviceID) *memNet {
	n := &memNet{w: w, self: dev, handlers: map[string]func(context.Context, ident.DeviceID, Stream) error{}, work: &sync.WaitGroup{}}
	w.mu.Lock()
	w.nodes[dev] = n
	w.mu.Unlock()
	return n
}

func (n *memNet) Self() ident.DeviceID { return n.self }

func (n *memNet) Handle(proto string, fn func(context.Context, ident.DeviceID, Stream) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handlers[proto] = fn
}

func (n *memNet) Road(dev ident.DeviceID) p2p.Road {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	if n.w.nodes[dev] != nil && n.w.side[dev] == n.w.side[n.self] {
		return p2p.LAN
	}
	return p2p.None
}

func (n *memNet) Open(ctx context.Context, to ident.DeviceID, proto string) (Stream, error) {
	n.w.mu.Lock()
	other := n.w.nodes[to]
	ok := other != nil && n.w.side[to] == n.w.side[n.self]
	n.w.opened[proto]++
	n.w.mu.Unlock()
	if !ok {
		return nil, p2p.ErrNoRoad
	}
	other.mu.Lock()
	fn := other.handlers[proto]
	other.mu.Unlock()
	if fn == nil {
		return nil, p2p.ErrProtocol
	}
	a, b := net.Pipe()
	near, far := &memStream{Conn: a, w: n.w, from: n.self, to: to}, &memStream{Conn: b, w: n.w, from: to, to: n.self}
	near.other, far.other = far, near
	near.idle, far.idle = p2p.DefaultIdle, p2p.DefaultIdle
	n.w.mu.Lock()
	n.w.live[near], n.w.live[far] = true, true
	n.w.mu.Unlock()
	other.work.Go(func() {
		if fn(context.Background(), n.self, far) != nil {
			far.Reset()
		}
		far.Close()
	})
	return near, nil
}

// memStream is a net.Pipe with the deadlines of a p2p.Stream.
type memStream struct {
	net.Conn
	w        *world
	from, to ident.DeviceID
	other    *memStream
	mu       sync.Mutex
	idle     time.Duration
	end      time.Time
}

func (s *memStream) due() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := time.Now().Add(s.idle)
	if !s.end.IsZero() && s.end.Before(at) {
		return s.end
	}
	return at
}

func late(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return p2p.ErrIdle
	}
	return err
}

func (s *memStream) Read(p []byte) (int, error) {
	_ = s.SetReadDeadline(s.due())
	n, err := s.Conn.Read(p)
	return n, late(err)
}

func (s *memStream) Write(p []byte) (int, error) {
	_ = s.SetWriteDeadline(s.due())
	n, err := s.Conn.Write(p)
	return n, late(err)
}

func (s *memStream) CloseWrite() error { return nil }

func (s *memStream) Close() error {
	s.w.mu.Lock()
	delete(s.w.live, s)
	s.w.mu.Unlock()
	return s.Conn.Close()
}

func (s *memStream) Reset() {
	_ = s.Close()
	_ = s.other.Close()
}

func (s *memStream) SetIdle(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = d
}

func (s *memStream) SetEnd(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end = t
}

// history is a conversation as a set of commits with their parents.
type history map[commit.ObjectID][]commit.ObjectID

func (h history) below(a, b commit.ObjectID) bool { return h.all(b)[a] }

// all are the commits that head reaches.
func (h history) all(head commit.ObjectID) map[commit.ObjectID]bool {
	todo, seen := []commit.ObjectID{head}, map[commit.ObjectID]bool{head: true}
	for len(todo) > 0 {
		x := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, p := range h[x] {
			if !seen[p] {
				seen[p] = true
				todo = append(todo, p)
			}
		}
	}
	return seen
}

// memStore is a Store with one conversation, and an Inbox.
type memStore struct {
	self    ident.DeviceID
	conv    commit.ObjectID
	members []ident.DeviceID

	mu      sync.Mutex
	banned  map[ident.DeviceID]bool
	commits history
	head    commit.ObjectID
	heads   map[commit.ObjectID]bool // fetched, to be merged
	merges  int
	fetches atomic.Int64
	refuse  map[commit.ObjectID]bool
	invites []Invite
	wanted  int
	typing  int
	read    int
}

func newStore(self ident.DeviceID, conv commit.ObjectID, members []ident.DeviceID) *memStore {
	return &memStore{self: self, conv: conv, members: members, commits: history{conv: nil}, head: conv,
		heads: map[commit.ObjectID]bool{}, banned: map[ident.DeviceID]bool{}, refuse: map[commit.ObjectID]bool{}}
}

func (s *memStore) Allow(_ context.Context, conv commit.ObjectID, dev ident.DeviceID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if conv != s.conv {
		return ErrUnknown
	}
	if s.banned[dev] {
		return ErrBanned
	}
	return nil
}

func (s *memStore) Members(context.Context, commit.ObjectID) (out []ident.DeviceID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, dev := range s.members {
		if dev != s.self && !s.banned[dev] {
			out = append(out, dev)
		}
	}
	return out, nil
}

func (s *memStore) Head(context.Context, commit.ObjectID) (commit.ObjectID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head, nil
}

func (s *memStore) Has(_ context.Context, _, c commit.ObjectID) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.commits[c]
	return ok, nil
}

type wire struct {
	Head    commit.ObjectID
	Commits map[string][]commit.ObjectID
}

func (s *memStore) Serve(_ context.Context, _ commit.ObjectID, _ ident.DeviceID, st Stream) error {
	s.mu.Lock()
	out := wire{s.head, map[string][]commit.ObjectID{}}
	for id := range s.commits.all(s.head) {
		out.Commits[id.String()] = s.commits[id]
	}
	s.mu.Unlock()
	b, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return writeFrame(st, b)
}

func (s *memStore) Fetch(_ context.Context, _ commit.ObjectID, _ ident.DeviceID, st Stream) (Fetched, error) {
	s.fetches.Add(1)
	b, err := readFrame(st, 16<<20)
	if err != nil {
		return Fetched{}, err
	}
	var in wire
	if err := json.Unmarshal(b, &in); err != nil {
		return Fetched{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse[in.Head] {
		return Fetched{}, ErrRefused
	}
	for text, parents := range in.Commits {
		id, err := commit.ParseObjectID(text)
		if err != nil {
			return Fetched{}, err
		}
		s.commits[id] = parents
	}
	switch {
	case s.commits.below(in.Head, s.head):
		return Fetched{Head: in.Head}, nil
	case s.commits.below(s.head, in.Head):
		s.head = in.Head
		return Fetched{Head: in.Head}, nil
	}
	s.heads[in.Head] = true
	return Fetched{Head: in.Head, Diverged: true}, nil
}

func (s *memStore) Merge(context.Context, commit.ObjectID) (commit.ObjectID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	made := commit.ObjectID{}
	for theirs := range s.heads {
		delete(s.heads, theirs)
		if s.commits.below(theirs, s.head) {
			continue
		}
		made = s.newLocked(s.head, theirs)
		s.merges++
	}
	return made, nil
}

func (s *memStore) newLocked(parents ...commit.ObjectID) commit.ObjectID {
	h := sha1.New()
	h.Write(s.self[:])
	for _, p := range parents {
		h.Write(p[:])
	}
	id := commit.ObjectID(h.Sum(nil))
	s.commits[id] = parents
	s.head = id
	return id
}

// write makes a commit.
func (s *memStore) write() commit.ObjectID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newLocked(s.head)
}

func (s *memStore) Invited(_ context.Context, _ ident.DeviceID, in Invite) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.invites = append(s.invites, in)
	return nil
}

func (s *memStore) InviteWanted(context.Context, ident.DeviceID, commit.ObjectID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted++
	return nil
}

func (s *memStore) Typing(_ context.Context, _ ident.DeviceID, _ commit.ObjectID, active bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if active {
		s.typing++
	}
	return nil
}

func (s *memStore) Read(context.Context, ident.DeviceID, commit.ObjectID, commit.ObjectID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read++
	return nil
}

func (s *memStore) Delivered(context.Context, ident.DeviceID, commit.ObjectID, commit.ObjectID) {}

// device is a device of a world.
type device struct {
	*memStore
	*Engine
	net *memNet
}

// people makes devices that all are members, and runs them until the test ends.
func (w *world) people(t *testing.T, n int, set func(*Config)) []*device {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	ids := make([]ident.DeviceID, n)
	for i := range ids {
		for j := range ids[i] {
			ids[i][j] = byte(r.Uint32())
		}
	}
	conv := commit.ObjectID{1, 2, 3}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	var out []*device
	for _, id := range ids {
		d := &device{memStore: newStore(id, conv, ids), net: w.add(id)}
		cfg := Config{Net: d.net, Store: d.memStore, Inbox: d.memStore}
		if set != nil {
			set(&cfg)
		}
		d.Engine = New(cfg)
		d.Engine.Join(conv)
		out = append(out, d)
	}
	for _, d := range out {
		all.Go(func() { _ = d.Engine.Run(ctx) })
	}
	t.Cleanup(func() {
		cancel()
		all.Wait()
		for _, d := range out {
			d.net.work.Wait()
		}
	})
	return out
}

func (w *world) ids(devs []*device) (out []ident.DeviceID) {
	for _, d := range devs {
		out = append(out, d.self)
	}
	return out
}

var _ io.ReadWriteCloser = (*memStream)(nil)
