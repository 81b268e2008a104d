package smpserver

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// conn is a connection of a client.
type conn struct {
	// Set once.
	s       *Server
	no      uint64 // from 1, of all connections
	t       *transport.Conn
	p       smp.Params
	service *smp.PeerService  // of a session with a service certificate
	peerKey *key.X25519Public // the peer's session key, v7+

	out    *out
	active atomic.Int64 // Unix time of the last block read
	// finishing is set when the relay ends and what was read is answered.
	finishing atomic.Bool

	newQueues int // created, by the runner

	// blocks wait for the runner, which lives while there are some.
	mu       sync.Mutex
	blocks   []*transport.Block
	running  bool
	room     sync.Cond // on mu: fewer blocks, or the runner has ended
	tasks    sync.WaitGroup
	forwards *forwards // guarded by mu; nil until the first
	cut      bool      // guarded by mu: nobody waits for answers

	// Guarded by table.mu.
	subs  *sub // list
	nsubs int  // its length
	gets  map[smp.RecipientID]*sub
	gone  bool // no more subscriptions
	// served is how many queues of its service it has the notifications of;
	// servesAll is set by NSUBS.
	served    int64
	servesAll bool
}

// maxBlocks is how many blocks wait for the runner before the reader stops
// reading.
const maxBlocks = 8

// run reads until the connection ends, and returns when all is cleaned up.
func (c *conn) run() {
	var writer sync.WaitGroup
	writer.Go(c.write)
	if err := c.read(); !errors.Is(err, io.EOF) {
		c.s.cfg.Logger.Debug("connection ended", "err", err)
	}
	if !c.finishing.Load() {
		c.cutForwards()
	}
	c.tasks.Wait()
	c.cutForwards() // frees the context
	c.unsubscribeAll()
	c.out.close()
	writer.Wait()
	_ = c.t.Close()
	c.mu.Lock()
	for _, b := range c.blocks {
		b.Release()
	}
	c.blocks = nil
	c.mu.Unlock()
}

// finish makes read return; what was read is still answered within the grace.
func (c *conn) finish(grace time.Duration) {
	c.finishing.Store(true)
	_ = c.t.SetReadDeadline(time.Now())
	_ = c.t.SetWriteDeadline(time.Now().Add(grace))
}

// read reads blocks until one cannot be read, and returns why.
func (c *conn) read() error {
	for {
		b, err := c.t.ReadBlock()
		if err != nil {
			return err
		}
		c.active.Store(c.s.cfg.Now().Unix())
		c.mu.Lock()
		for len(c.blocks) >= maxBlocks {
			c.room.Wait()
		}
		c.blocks = append(c.blocks, &b)
		if !c.running {
			c.running = true
			c.tasks.Go(c.runBlocks)
		}
		c.mu.Unlock()
	}
}

// runBlocks is the runner.
func (c *conn) runBlocks() {
	for {
		for c.out.full() {
			<-c.out.room
		}
		c.mu.Lock()
		blocks := c.blocks
		c.blocks = nil
		if len(blocks) == 0 {
			c.running = false
			c.mu.Unlock()
			return
		}
		c.room.Signal()
		c.mu.Unlock()
		c.runCommands(blocks)
		for _, b := range blocks {
			b.Release()
		}
	}
}

// write is the writer: it joins what waits to blocks until the queue ends or
// the peer does not read.
func (c *conn) write() {
	var items []outItem
	for {
		var ended bool
		items, ended = c.out.take(items[:0], 64)
		if len(items) > 0 {
			if err := c.send(items); err != nil {
				_ = c.t.Abort() // ends the reader
				c.cutForwards()
				c.drop()
				return
			}
			clear(items)
			continue
		}
		if ended {
			return
		}
		items = nil
		<-c.out.wake
	}
}

// drop takes items until the queue ends, so that no runner waits for room.
func (c *conn) drop() {
	for {
		items, ended := c.out.take(nil, maxOut)
		if ended {
			return
		}
		if len(items) == 0 {
			<-c.out.wake
		}
	}
}

// batch are encoded items, to be written together.
type batch struct {
	items []smp.Item
	size  int
	bufs  []*[]byte // of some of them
}

// send writes items, as many in a block as fit.
func (c *conn) send(items []outItem) error {
	var b batch
	defer b.free()
	for _, it := range items {
		enc, buf, err := c.encode(it)
		if err != nil {
			return err
		}
		if enc == nil {
			continue
		}
		if b.size > 0 && b.size+len(enc)-1 > 4*smp.MaxBatch {
			if err := c.flush(&b); err != nil {
				return err
			}
		}
		b.items, b.size = append(b.items, enc), b.size+len(enc)-1
		if buf != nil {
			b.bufs = append(b.bufs, buf)
		}
	}
	return c.flush(&b)
}

// encode gives the bytes of an item, none if there is nothing to send by now,
// and the buffer that they are in, if any.
func (c *conn) encode(it outItem) (enc smp.Item, buf *[]byte, err error) {
	msg := it.msg
	if msg == nil {
		var d delivery
		if msg, d = c.pull(it); d.m != nil {
			buf = itemPool.Get().(*[]byte)
			if enc, err = d.encode(c, it, *buf); err == nil {
				c.s.stats.delivered.Add(1)
				return enc, buf, nil
			}
			itemPool.Put(buf)
			msg = c.unread(err)
		}
		if msg == nil {
			return nil, nil, nil
		}
	}
	enc, err = c.p.EncodeMessage(it.corr, it.entity, msg)
	return enc, nil, err
}

// flush writes the batch, and empties it.
func (c *conn) flush(b *batch) error {
	defer b.free()
	if len(b.items) == 0 {
		return nil
	}
	if err := c.t.SetWriteDeadline(time.Now().Add(c.s.cfg.WriteTimeout)); err != nil {
		return err
	}
	blocks := smp.Pack(b.items)
	payloads := make([][]byte, 0, len(blocks))
	for _, block := range blocks {
		if block.Err != nil {
			return block.Err
		}
		payloads = append(payloads, block.Block)
	}
	return c.t.WriteBlocks(payloads...)
}

func (b *batch) free() {
	for _, buf := range b.bufs {
		itemPool.Put(buf)
	}
	clear(b.items)
	b.items, b.size, b.bufs = b.items[:0], 0, b.bufs[:0]
}
