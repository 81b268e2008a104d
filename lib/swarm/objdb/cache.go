package objdb

import (
	"sync"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

const (
	cacheSize = 2 << 20 // bytes in each half
	cacheable = 64 << 10
)

// cache keeps trees and blobs, which one commit after another names. When the
// young half is full it becomes the old one, which is forgotten.
type cache struct {
	mu         sync.Mutex
	young, old map[commit.ObjectID]commit.Object
	size       int
}

func (c *cache) get(id commit.ObjectID) (commit.Type, []byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.young[id]
	if !ok {
		if o, ok = c.old[id]; ok {
			c.putLocked(id, o)
		}
	}
	return o.Type, o.Data, ok
}

func (c *cache) put(id commit.ObjectID, t commit.Type, b []byte) {
	if t == commit.TypeCommit || len(b) > cacheable {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.putLocked(id, commit.Object{Type: t, Data: b})
}

func (c *cache) putLocked(id commit.ObjectID, o commit.Object) {
	if c.size += len(o.Data) + 128; c.size > cacheSize || c.young == nil {
		c.old, c.young, c.size = c.young, make(map[commit.ObjectID]commit.Object), len(o.Data)+128
	}
	c.young[id] = o
}
