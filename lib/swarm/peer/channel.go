package peer

import (
	"bufio"
	"context"
	"slices"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/drt"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

const (
	// maxChannels is how many channels to one device there may be: each side
	// may have opened one at the same time.
	maxChannels = 2
	channelOut  = 32
	dialTime    = time.Minute
)

// channel is a stream of the routing table. One goroutine reads, one writes.
type channel struct {
	dev ident.DeviceID
	s   Stream
	out chan *drt.Message
}

// act does what the table wants.
func (c *conv) act(actions []drt.Action) {
	for len(actions) > 0 {
		a := actions[0]
		actions = actions[1:]
		dev := ident.DeviceID(a.ID)
		switch a.Kind {
		case drt.Open:
			if !c.e.spawn(func(ctx context.Context) { c.dial(ctx, dev) }) {
				return
			}
		case drt.Send:
			if all := c.chans[dev]; len(all) > 0 {
				select {
				case all[0].out <- a.Message:
				default: // it does not read
					all[0].s.Reset()
				}
			}
		case drt.Close:
			for _, ch := range c.chans[dev] {
				ch.s.Reset()
			}
		}
	}
}

// dial opens a channel and serves it.
func (c *conv) dial(ctx context.Context, dev ident.DeviceID) {
	s, err := c.greeted(ctx, dev)
	if err != nil {
		c.tell(func(context.Context) {
			c.peer(dev).reason = err.Error()
			if len(c.chans[dev]) == 0 {
				c.act(c.table.Failed(time.Now(), nodeID(dev)))
			}
		})
		return
	}
	defer s.Close()
	defer context.AfterFunc(ctx, s.Reset)()
	c.serve(ctx, dev, s)
}

// greeted opens a stream and waits for the other side to agree.
func (c *conv) greeted(ctx context.Context, dev ident.DeviceID) (Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	s, err := c.e.cfg.Net.Open(ctx, dev, protoDRT)
	if err != nil {
		return nil, err
	}
	release := context.AfterFunc(ctx, s.Reset)
	defer release()
	err = writeJSON(s, header{ID: c.id})
	if err == nil {
		_, err = readAnswer(s)
	}
	if err != nil {
		s.Reset()
		return nil, err
	}
	return s, nil
}

func (e *Engine) serveDRT(ctx context.Context, from ident.DeviceID, s Stream) error {
	var h header
	if err := readJSON(s, maxHeader, &h); err != nil {
		return err
	}
	c := e.conv(h.ID)
	if c == nil {
		return refuse(s, ErrUnknown)
	}
	if err := e.cfg.Store.Allow(ctx, h.ID, from); err != nil {
		return refuse(s, err)
	}
	if err := writeJSON(s, answer{}); err != nil {
		return err
	}
	c.serve(ctx, from, s)
	return nil
}

// serve makes a channel of a stream and reads from it until it ends.
func (c *conv) serve(ctx context.Context, dev ident.DeviceID, s Stream) {
	s.SetIdle(channelIdle)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ch := &channel{dev: dev, s: s, out: make(chan *drt.Message, channelOut)}
	took := make(chan bool, 1)
	c.tell(func(ctx context.Context) { took <- c.opened(ctx, ch) })
	select {
	case ok := <-took:
		if !ok {
			return
		}
	case <-c.done:
		return
	}
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		ch.write(ctx)
	}()
	c.read(ch)
	cancel()
	s.Reset()
	<-wrote
	c.tell(func(context.Context) { c.lost(ch) })
}

// opened is an input: there is a channel.
func (c *conv) opened(ctx context.Context, ch *channel) bool {
	if len(c.chans[ch.dev]) >= maxChannels {
		return false
	}
	c.allowed[nodeID(ch.dev)] = true // Allow was asked
	c.chans[ch.dev] = append(c.chans[ch.dev], ch)
	if len(c.chans[ch.dev]) == 1 {
		p := c.peer(ch.dev)
		p.fails, p.retry, p.reason = 0, time.Time{}, ""
		c.act(c.table.Opened(time.Now(), nodeID(ch.dev)))
		c.greet(ctx, ch.dev)
	}
	return true
}

// lost is an input: a channel ended.
func (c *conv) lost(ch *channel) {
	left := slices.DeleteFunc(c.chans[ch.dev], func(o *channel) bool { return o == ch })
	if c.chans[ch.dev] = left; len(left) > 0 {
		return
	}
	delete(c.chans, ch.dev)
	// It may have missed what it was told last.
	for _, by := range c.recent.by {
		delete(by, ch.dev)
	}
	c.act(c.table.Lost(time.Now(), nodeID(ch.dev)))
}

func (c *conv) closeAll() {
	for _, all := range c.chans {
		for _, ch := range all {
			ch.s.Reset()
		}
	}
}

func (ch *channel) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-ch.out:
			if _, err := ch.s.Write(m.Append(nil)); err != nil {
				ch.s.Reset() // the reader ends
				return
			}
		}
	}
}

// read hands on messages; who sends too many loses the channel.
func (c *conv) read(ch *channel) {
	r := bufio.NewReader(ch.s)
	var pace flow
	for {
		m, err := drt.Read(r)
		if err != nil {
			c.e.log.Debug("swarm: channel", "err", err)
			return
		}
		if !pace.take(1) {
			c.e.log.Debug("swarm: channel: too many messages")
			return
		}
		c.tell(func(context.Context) { c.act(c.table.Received(time.Now(), nodeID(ch.dev), m)) })
	}
}
