package chat

import (
	"context"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xmsg"
)

// feed is "/feed TEXT": the same message to every contact that can be sent to.
func feed(a *args) runner {
	content := xmsg.TextContent(a.text())
	return func(ctx context.Context, c *Core) (api.Response, error) {
		var user *User
		var to []api.ContactID
		err := c.view(ctx, func(tx Tx) (err error) {
			if user, err = activeUser(tx); err != nil {
				return err
			}
			contacts, err := tx.Contacts(user.ID)
			for _, ct := range contacts {
				if err != nil || ct.IsUser || ct.ConnID == 0 || ct.Status != "active" {
					continue
				}
				cn, cerr := tx.Conn(ct.ConnID)
				if cerr != nil {
					err = cerr
				} else if cn.Status == ConnReady || cn.Status == ConnSndReady {
					to = append(to, ct.ID)
				}
			}
			return err
		})
		if err != nil {
			return api.Response{}, err
		}
		sent, failed := 0, 0
		for _, id := range to {
			if _, _, err := c.send(ctx, byID(id), composed{content: content}); err != nil {
				failed++
			} else {
				sent++
			}
		}
		at := c.now().UTC().Format(time.RFC3339Nano)
		return api.Response{Type: "broadcastSent", User: userView(user), MsgContent: content.Raw(),
			Successes: &sent, Failures: &failed, Timestamp: at}, nil
	}
}
