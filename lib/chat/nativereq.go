package chat

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/api"
)

// callRequests lists who asks to connect through our address and waits for an
// answer.
func callRequests(ctx context.Context, c *Core, _ none) (any, error) {
	r := &api.RequestsResult{Type: "requests", Requests: []api.RequestLine{}}
	err := c.view(ctx, func(tx Tx) error {
		u, err := activeUser(tx)
		if err != nil {
			return err
		}
		all, err := tx.Requests(u.ID)
		for _, q := range all {
			if !q.Accepted {
				r.Requests = append(r.Requests, api.RequestLine{RequestID: q.ID, Name: q.Name, FullName: q.Profile.FullName, CreatedAt: q.CreatedAt})
			}
		}
		return err
	})
	return r, err
}
