package repo

import (
	"context"
	"fmt"
	"sync"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// Memory is an Index in memory.
type Memory struct {
	mu    sync.Mutex
	convs map[commit.ObjectID]*memoryConv // guarded by mu
}

type memoryConv struct {
	commits map[commit.ObjectID]Meta
	places  map[commit.ObjectID]int
	line    []Place
	head    commit.ObjectID
}

var _ Index = (*Memory)(nil)

// NewMemory is an empty index.
func NewMemory() *Memory { return &Memory{convs: make(map[commit.ObjectID]*memoryConv)} }

func (m *Memory) convLocked(id commit.ObjectID) *memoryConv {
	c := m.convs[id]
	if c == nil {
		c = &memoryConv{commits: make(map[commit.ObjectID]Meta), places: make(map[commit.ObjectID]int)}
		m.convs[id] = c
	}
	return c
}

// Add implements [Index].
func (m *Memory) Add(_ context.Context, conv commit.ObjectID, commits []Meta) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.convLocked(conv)
	for _, x := range commits {
		c.commits[x.ID] = x
	}
	return nil
}

// Commits implements [Index].
func (m *Memory) Commits(_ context.Context, conv commit.ObjectID, ids []commit.ObjectID) ([]Meta, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.convLocked(conv)
	out := make([]Meta, 0, len(ids))
	for _, id := range ids {
		if x, ok := c.commits[id]; ok {
			out = append(out, x)
		}
	}
	return out, nil
}

// Behind implements [Index].
func (m *Memory) Behind(ctx context.Context, conv, id commit.ObjectID, _ int) ([]Meta, error) {
	return m.Commits(ctx, conv, []commit.ObjectID{id})
}

// Head implements [Index].
func (m *Memory) Head(_ context.Context, conv commit.ObjectID) (commit.ObjectID, int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.convLocked(conv)
	return c.head, len(c.line), nil
}

// Place implements [Index].
func (m *Memory) Place(_ context.Context, conv commit.ObjectID, keep int, newer []Place, head commit.ObjectID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.convLocked(conv)
	if keep > len(c.line) {
		return fmt.Errorf("repo: index: %d places, not %d: %w", len(c.line), keep, ErrDamaged)
	}
	for _, p := range newer {
		if _, ok := c.commits[p.ID]; !ok {
			return fmt.Errorf("repo: index: place of %v: %w", p.ID, ErrNotFound)
		}
	}
	for _, p := range c.line[keep:] {
		delete(c.places, p.ID)
	}
	c.line = append(c.line[:keep], newer...)
	for i, p := range newer {
		c.places[p.ID] = keep + i
	}
	c.head = head
	return nil
}

// Extend implements [Index].
func (m *Memory) Extend(_ context.Context, conv commit.ObjectID, x Meta) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.convLocked(conv)
	if len(x.Parents) != 1 || c.head != x.Parents[0] {
		return false, nil
	}
	c.commits[x.ID], c.places[x.ID], c.head = x, len(c.line), x.ID
	c.line = append(c.line, Place{x.ID, true})
	return true, nil
}

// Position implements [Index].
func (m *Memory) Position(_ context.Context, conv, id commit.ObjectID) (int, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.convLocked(conv)
	at, ok := c.places[id]
	if !ok {
		return -1, false, nil
	}
	return at, c.line[at].Cut, nil
}

// Line implements [Index].
func (m *Memory) Line(_ context.Context, conv commit.ObjectID, from, n int) ([]Meta, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.convLocked(conv)
	var out []Meta
	for at := min(from, len(c.line)-1); at >= 0 && len(out) < n; at-- {
		out = append(out, c.commits[c.line[at].ID])
	}
	return out, nil
}

// Clear implements [Index].
func (m *Memory) Clear(_ context.Context, conv commit.ObjectID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.convs, conv)
	return nil
}
