package drt

import (
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// Refresh is how often nodes are asked again who is near.
	Refresh = 10 * time.Minute
	// findNodes is how many nodes are asked for.
	findNodes = 2
	// maxIDs bounds the table: answers can name more than there are.
	maxIDs = 4096
)

// Config is what a machine is made of.
type Config struct {
	Self         ID
	Conversation string
	// Lease is our own; set if we are a mobile device.
	Lease *Lease
	// Allowed tells whether a device may be in the conversation; nil means all.
	Allowed func(ID) bool
	// CheckLease verifies the signature of a valid lease; nil refuses all.
	CheckLease func(*Lease) error
	// Backoff is how long to wait after a number of failed attempts.
	Backoff func(fails int) time.Duration
	Rand    *rand.Rand
}

// ActionKind says what to do.
type ActionKind int

// The actions.
const (
	Open  ActionKind = iota + 1 // a channel to ID; then call Opened or Failed
	Send                        // Message on the channel to ID
	Close                       // the channel to ID
)

// Action is something that the machine wants done.
type Action struct {
	Kind    ActionKind
	ID      ID
	Message *Message // for Send
}

// device is what is kept of a device beside its place.
type device struct {
	fails int
	retry time.Time // not before
	lease *Lease
}

// Machine keeps a table. It is not safe for use by several goroutines. Each
// method is one input; it returns the actions in their order.
type Machine struct {
	cfg     Config
	table   *Table
	devices map[ID]*device
	refresh time.Time
}

// NewMachine has an empty table.
func NewMachine(cfg Config) *Machine {
	return &Machine{cfg: cfg, table: NewTable(cfg.Self), devices: map[ID]*device{}}
}

// Table is the machine's table, to look at.
func (m *Machine) Table() *Table { return m.table }

func (m *Machine) allowed(id ID) bool {
	return id != m.cfg.Self && (m.cfg.Allowed == nil || m.cfg.Allowed(id))
}

// learn makes id known; false if it is not allowed, or there are too many.
func (m *Machine) learn(id ID) bool {
	if !m.allowed(id) {
		return false
	}
	if m.devices[id] != nil {
		return true
	}
	if len(m.devices) >= maxIDs {
		return false
	}
	m.devices[id] = &device{}
	insert(&m.table.bucket(id).known, id)
	return true
}

// Learn is told of devices of the conversation, such as those of its
// repository.
func (m *Machine) Learn(now time.Time, ids ...ID) []Action {
	for _, id := range ids {
		m.learn(id)
	}
	return m.maintain(now)
}

// Reachable is told that devices may be reached now, so that attempts which
// failed say nothing any more; without IDs, all of them: the network changed.
func (m *Machine) Reachable(now time.Time, ids ...ID) []Action {
	if len(ids) == 0 {
		for _, d := range m.devices {
			d.fails, d.retry = 0, time.Time{}
		}
	}
	for _, id := range ids {
		if m.learn(id) {
			d := m.devices[id]
			d.fails, d.retry = 0, time.Time{}
		}
	}
	return m.maintain(now)
}

// Forget is told of a device that may not be in the conversation any more.
func (m *Machine) Forget(now time.Time, id ID) []Action {
	b := m.table.bucket(id)
	var out []Action
	if has(b.nodes, id) || has(b.connecting, id) {
		out = append(out, Action{Kind: Close, ID: id})
	}
	b.drop(id)
	delete(m.devices, id)
	return append(out, m.maintain(now)...)
}

// Opened is told of a channel, whoever opened it.
func (m *Machine) Opened(now time.Time, id ID) []Action {
	if !m.learn(id) {
		return []Action{{Kind: Close, ID: id}}
	}
	d := m.devices[id]
	d.fails, d.retry = 0, time.Time{}
	if !m.table.AddNode(id) {
		return nil
	}
	return append([]Action{m.find(id)}, m.maintain(now)...)
}

func (m *Machine) find(to ID) Action {
	return m.send(to, &Message{Find: &Find{Num: findNodes, Node: m.cfg.Self}})
}

func (m *Machine) send(to ID, msg *Message) Action {
	msg.Mobile, msg.Lease = m.cfg.Lease != nil, m.cfg.Lease
	return Action{Kind: Send, ID: to, Message: msg}
}

// Failed is told that a channel could not be opened.
func (m *Machine) Failed(now time.Time, id ID) []Action {
	m.away(now, id)
	return m.maintain(now)
}

// Lost is told that the last channel to a device ended.
func (m *Machine) Lost(now time.Time, id ID) []Action {
	m.away(now, id)
	return m.maintain(now)
}

// away puts a device back to those that are known, or that are mobile.
func (m *Machine) away(now time.Time, id ID) {
	d := m.devices[id]
	if d == nil {
		return
	}
	b := m.table.bucket(id)
	b.drop(id)
	if d.lease != nil && d.lease.Valid(m.cfg.Conversation, now) == nil {
		insert(&b.mobile, id)
		return
	}
	d.fails++
	d.retry = now.Add(m.cfg.Backoff(d.fails))
	insert(&b.known, id)
}

// Received is told of a message from a node. What it says of other devices is
// taken only if they are allowed, and leases only if they are signed.
func (m *Machine) Received(now time.Time, from ID, msg *Message) []Action {
	if m.devices[from] == nil || !has(m.table.bucket(from).nodes, from) {
		return nil
	}
	var out []Action
	if msg.Lease != nil && msg.Lease.Device == from {
		m.lease(now, msg.Lease)
	}
	if f := msg.Find; f != nil {
		out = append(out, m.send(from, &Message{Found: m.found(now, from, f)}))
	}
	if f := msg.Found; f != nil {
		for _, id := range f.Nodes {
			m.learn(id)
		}
		for _, l := range f.Leases {
			m.lease(now, l)
		}
		out = append(out, m.maintain(now)...)
	}
	return out
}

// found answers a FIND.
func (m *Machine) found(now time.Time, from ID, f *Find) *Found {
	out := &Found{Nodes: slices.DeleteFunc(m.table.Closest(f.Node, min(f.Num, MaxNodes)+1), func(id ID) bool { return id == from })}
	out.Nodes = out.Nodes[:min(len(out.Nodes), f.Num)]
	for _, id := range m.table.bucket(f.Node).mobile {
		if l := m.devices[id].lease; l.Valid(m.cfg.Conversation, now) == nil && len(out.Leases) < MaxNodes {
			out.Leases = append(out.Leases, l)
		}
	}
	return out
}

// lease keeps a mobile device's lease if it is good and later than what is
// known.
func (m *Machine) lease(now time.Time, l *Lease) {
	if l.Valid(m.cfg.Conversation, now) != nil || !m.allowed(l.Device) || m.cfg.CheckLease == nil {
		return
	}
	d := m.devices[l.Device]
	if d != nil && d.lease != nil && !l.Expires.After(d.lease.Expires) {
		return
	}
	if m.cfg.CheckLease(l) != nil || !m.learn(l.Device) {
		return
	}
	m.devices[l.Device].lease = l
	b := m.table.bucket(l.Device)
	if has(b.known, l.Device) {
		b.drop(l.Device)
		insert(&b.mobile, l.Device)
	}
}

// Tick is told that time has passed; see Next.
func (m *Machine) Tick(now time.Time) []Action {
	for id, d := range m.devices {
		if d.lease != nil && d.lease.Valid(m.cfg.Conversation, now) != nil {
			d.lease = nil
			if b := m.table.bucket(id); has(b.mobile, id) {
				b.drop(id)
				insert(&b.known, id)
			}
		}
	}
	var out []Action
	if !now.Before(m.refresh) {
		if !m.refresh.IsZero() {
			for _, id := range m.table.Closest(m.cfg.Self, findNodes) {
				out = append(out, m.find(id))
			}
		}
		m.refresh = now.Add(Refresh)
	}
	return append(out, m.maintain(now)...)
}

// Next is when Tick is to be called at the latest.
func (m *Machine) Next(now time.Time) time.Time {
	next := m.refresh
	if next.IsZero() {
		next = now
	}
	for _, b := range m.table.buckets {
		for _, id := range b.known {
			if d := m.devices[id]; d.retry.After(now) && d.retry.Before(next) {
				next = d.retry
			}
		}
	}
	return next
}

// maintain opens channels where links are missing (SWARM-FORMAT, section 8,
// Maintenance).
func (m *Machine) maintain(now time.Time) []Action {
	var out []Action
	for _, id := range m.table.missing(m.cfg.Rand, func(id ID) bool { return !now.Before(m.devices[id].retry) }) {
		b := m.table.bucket(id)
		b.drop(id)
		insert(&b.connecting, id)
		out = append(out, Action{Kind: Open, ID: id})
	}
	return out
}

// Responsible tells whether it is ours to wake a mobile device: fewer than two
// connected nodes are closer to it than we are.
func (m *Machine) Responsible(mobile ID) bool {
	closer := 0
	own := m.cfg.Self.xor(mobile)
	for _, id := range m.table.Nodes() {
		if id != mobile && id.xor(mobile).Compare(own) < 0 {
			closer++
		}
	}
	return closer < 2
}

// ToWake are the mobile devices that it is ours to wake.
func (m *Machine) ToWake(now time.Time) []ID {
	return slices.DeleteFunc(m.table.Mobiles(), func(id ID) bool {
		d := m.devices[id]
		return !m.Responsible(id) || d == nil || d.lease == nil || d.lease.Valid(m.cfg.Conversation, now) != nil
	})
}

// Retry is when a device that could not be reached is tried again; zero if that
// may be now.
func (m *Machine) Retry(id ID) time.Time {
	if d := m.devices[id]; d != nil {
		return d.retry
	}
	return time.Time{}
}
