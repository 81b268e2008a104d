package chat

import (
	"context"
	"strings"

	"github.com/simplexkit/simplexkit/lib/api"
)

// underway is the connection that the active user made with a link before and
// that did not fail, else [ErrNotFound]: a link is used once, so to connect
// with it again is to go on.
func (c *Core) underway(ctx context.Context, link string) (found *Conn, err error) {
	err = c.view(ctx, func(tx Tx) error {
		u, err := activeUser(tx)
		if err != nil {
			return err
		}
		conns, err := tx.Conns(u.ID)
		if err != nil {
			return err
		}
		for _, cn := range conns {
			if cn.Initiated || cn.Link == nil || cn.Status == ConnFailed || cn.Status == ConnDeleted {
				continue
			}
			have := api.CreatedConnLink{ConnFullLink: plainLink(cn.Link.ConnFullLink), ConnShortLink: plainLink(cn.Link.ConnShortLink)}
			if sameLink(&have, plainLink(link)) {
				found = cn
				return nil
			}
		}
		return ErrNotFound
	})
	return found, err
}

// plainLink is a link in one of its two spellings.
func plainLink(link string) string {
	if rest, ok := strings.CutPrefix(link, "https://simplex.chat/"); ok {
		return "simplex:/" + rest
	}
	return link
}
