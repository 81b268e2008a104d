package smpserver

import (
	"bytes"
	"errors"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// cloneLink copies the data, which is in a block, with no part nil.
func cloneLink(d smp.LinkData) smp.LinkData {
	return smp.LinkData{Fixed: append([]byte{}, d.Fixed...), User: append([]byte{}, d.User...)}
}

// setLink is LSET. The fixed data of a link never changes. smp: Set short link
func (c *conn) setLink(g *group, r request, cmd smp.LSET) {
	rec := c.s.table.record(r.q)
	if cmd.LinkID == "" || isSecuredMessaging(rec) || rec.LinkID != "" && rec.LinkID != cmd.LinkID {
		c.fail(r, smp.ErrAuth)
		return
	}
	data := cloneLink(cmd.Data)
	if rec.LinkID != "" {
		old, err := c.s.cfg.Store.LinkData(c.s.work, rec.Num)
		if err != nil && !errors.Is(err, queuestore.ErrNotFound) {
			c.s.cfg.Logger.Error("reading a link", "err", err)
			c.fail(r, storeError(err))
			return
		}
		if err == nil && !bytes.Equal(old.Fixed, data.Fixed) {
			c.fail(r, smp.ErrAuth)
			return
		}
	}
	g.change(r, &change{
		edit: func(_ queuestore.Tx, rec *queuestore.Queue) *smp.Error {
			if rec.LinkID != "" && rec.LinkID != cmd.LinkID {
				return smp.ErrAuth
			}
			rec.LinkID = cmd.LinkID
			return nil
		},
		then: func(tx queuestore.Tx, rec *queuestore.Queue) error { return tx.PutLinkData(rec.Num, data) },
	}, nil)
}

// removeLink is LDEL. smp: Delete short link
func removeLink(_ queuestore.Tx, rec *queuestore.Queue) *smp.Error {
	if rec.LinkID == "" {
		return errUnchanged
	}
	rec.LinkID = ""
	return nil
}

// linkData is the answer to LGET and LKEY.
func (c *conn) linkData(rec *queuestore.Queue) smp.Message {
	d, err := c.s.cfg.Store.LinkData(c.s.work, rec.Num)
	switch {
	case errors.Is(err, queuestore.ErrNotFound):
		return smp.ERR{Err: smp.ErrAuth}
	case err != nil:
		c.s.cfg.Logger.Error("reading a link", "err", err)
		return smp.ERR{Err: storeError(err)}
	}
	return smp.LNK{SenderID: rec.SenderID, Data: d}
}

// getLink is LGET. smp: Get link data
func (c *conn) getLink(r request) { c.reply(r, c.linkData(c.s.table.record(r.q))) }

// secureByLink is LKEY. smp: Set sender key and get link data
func (c *conn) secureByLink(g *group, r request, cmd smp.LKEY) {
	g.change(r, &change{edit: secure(cmd.Key)}, func() smp.Message { return c.linkData(c.s.table.record(r.q)) })
}
