package chat

import (
	"context"
	"errors"

	"github.com/simplexkit/simplexkit/lib/api"
)

// resumeRequests goes on with requests that an earlier run accepted, and the
// agent may not have heard of.
func (c *Core) resumeRequests(ctx context.Context) error {
	type accepted struct {
		u   *User
		req *Request
		cn  *Conn
	}
	var lost []accepted
	err := c.view(ctx, func(tx Tx) error {
		users, err := tx.Users()
		if err != nil {
			return err
		}
		for _, u := range users {
			reqs, err := tx.Requests(u.ID)
			if err != nil {
				return err
			}
			for _, req := range reqs {
				cn, err := acceptedConn(tx, req)
				if err != nil {
					return err
				}
				if cn == nil {
					continue
				}
				if _, ours := c.made.Load(cn.AgentID); !ours {
					lost = append(lost, accepted{u, req, cn})
				}
			}
		}
		return nil
	})
	for _, a := range lost {
		if err != nil {
			break
		}
		if err = c.connectRequest(ctx, a.u, a.req, a.cn); err != nil && ctx.Err() == nil {
			c.log.Warn("chat: accepting a request again", "err", err)
			err = nil
			continue
		}
		if err == nil && a.cn.Status == ConnNew { // accepted unasked, and not welcomed yet
			err = c.welcomeRequest(ctx, a.u, a.req, a.cn)
		}
	}
	return err
}

// acceptedConn is the connection of an accepted request if nothing has come on
// it yet, or nil.
func acceptedConn(tx Tx, req *Request) (*Conn, error) {
	if !req.Accepted {
		return nil, nil
	}
	ct, err := tx.Contact(req.ContactID)
	if errors.Is(err, ErrNotFound) || err == nil && ct.ConnID == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	cn, err := tx.Conn(ct.ConnID)
	if errors.Is(err, ErrNotFound) || err == nil && cn.Status != ConnNew && cn.Status != ConnSndReady {
		return nil, nil
	}
	return cn, err
}

// resumeAddresses gives the agent what an earlier run did not.
func (c *Core) resumeAddresses(ctx context.Context) error {
	var stale []api.UserID
	err := c.view(ctx, func(tx Tx) error {
		users, err := tx.Users()
		for _, u := range users {
			ad, missing := tx.Address(u.ID)
			if missing == nil && ad.Stale != 0 {
				stale = append(stale, u.ID)
			}
		}
		return err
	})
	for _, id := range stale {
		c.relink(ctx, id)
	}
	return err
}
