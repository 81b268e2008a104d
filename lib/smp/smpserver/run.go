package smpserver

import (
	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// request is a command on its way through the runner.
type request struct {
	*smp.Request
	p       *smp.Params
	service *smp.PeerService
	q       *queue // pinned; nil if the command has none, or there is none
	// wrap, if not nil, makes the answer to a proxy from the one to its client.
	wrap func(smp.Message) (corr smp.CorrID, m smp.Message)
}

// step is the part of a command that changes the store.
type step struct {
	req    request
	apply  func(queuestore.Tx) error
	after  func() smp.Message // the answer, once committed; nil if it was given
	failed func()             // instead of after
}

// group collects the steps of one update.
type group struct {
	c     *conn
	steps []step
	qs    map[*queue]struct{}
}

// runCommands runs all commands of some blocks in order. Their changes share
// one update, but for commands on a queue that an earlier one changes.
func (c *conn) runCommands(blocks []*transport.Block) {
	if c.p.Shared == nil { // not before a connection is used
		c.p.Shared = map[key.X25519Public]*box.Key{}
	}
	var reqs []request
	var refs []queuestore.Ref
	for _, b := range blocks {
		parsed := c.p.ParseRequests(b.Payload())
		for i := range parsed {
			r := c.unwrap(request{Request: &parsed[i], p: &c.p, service: c.service})
			reqs, refs = append(reqs, r), append(refs, refOf(r.Request))
		}
	}
	found, err := c.s.table.find(c.s.work, refs)
	if err != nil {
		c.s.cfg.Logger.Error("looking for queues", "err", err)
		for _, r := range reqs {
			c.reply(r, smp.ERR{Err: smp.ErrInternal})
		}
		return
	}
	defer c.s.table.unpin(found...)
	c.out.hold()
	defer c.out.release()
	g := &group{c: c}
	for i, r := range reqs {
		r.q = found[i]
		if err := c.check(r); err != nil {
			if err == smp.ErrBlock {
				c.s.stats.malformed.Add(1)
			}
			c.reply(r, smp.ERR{Err: err})
			continue
		}
		if g.conflicts(r) {
			g.commit()
		}
		c.command(g, r)
	}
	g.commit()
}

func (c *conn) reply(r request, m smp.Message) {
	it := outItem{corr: r.CorrID, entity: r.EntityID, msg: m}
	if r.wrap != nil {
		it.corr, it.msg = r.wrap(m)
		it.entity = ""
	}
	c.out.add(it)
}

func (c *conn) fail(r request, e *smp.Error) { c.reply(r, smp.ERR{Err: e}) }

func (g *group) add(s step) {
	g.steps = append(g.steps, s)
	if s.req.q != nil {
		if g.qs == nil {
			g.qs = map[*queue]struct{}{}
		}
		g.qs[s.req.q] = struct{}{}
	}
}

// conflicts tells whether r must wait for the update: it looks at a queue
// that is in it. Messages to one queue do not wait for each other.
func (g *group) conflicts(r request) bool {
	if _, send := r.Command.(smp.SEND); send || r.q == nil {
		return false
	}
	_, in := g.qs[r.q]
	return in
}

// commit runs the update and answers.
func (g *group) commit() {
	if len(g.steps) == 0 {
		return
	}
	c, s := g.c, g.c.s
	c.out.release()
	acked := s.acks.take(maxAcksInUpdate)
	err := s.cfg.Store.Update(s.work, func(tx queuestore.Tx) error {
		for _, st := range g.steps {
			if err := st.apply(tx); err != nil {
				return err
			}
		}
		return acked.apply(tx)
	})
	c.out.hold()
	s.acks.done(acked, err)
	if err != nil {
		s.cfg.Logger.Error("writing to the store", "err", err)
	}
	for _, st := range g.steps {
		if err != nil {
			st.failed()
			c.fail(st.req, storeError(err))
		} else if m := st.after(); m != nil {
			c.reply(st.req, m)
		}
	}
	g.steps, g.qs = nil, nil
}

// change adds a change of the command's queue. ok makes the answer; nil is OK.
func (g *group) change(r request, ch *change, ok func() smp.Message) {
	ch.q = r.q
	g.add(step{
		req:    r,
		apply:  ch.apply(g.c.s.table),
		failed: func() { ch.failed(g.c.s) },
		after: func() smp.Message {
			switch {
			case ch.err != nil:
				return smp.ERR{Err: ch.err}
			case ok != nil:
				return ok()
			}
			return smp.OK{}
		},
	})
}
