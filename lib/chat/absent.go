package chat

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/api"
)

// Commands about what this program does not have. Those that name something
// say that it is not there; others are refused.

var absentSyntax = []syntax{
	{"/_queue info ", ofContact},
	{"/_enable ", ofContact},
	{"/d #", func(a *args) runner { return noGroupNamed(a.name()) }},
	{"#", func(a *args) runner { n := a.name(); a.need(" "); a.some(); return noGroupNamed(n) }},
}

func fails(err error) runner {
	return func(context.Context, *Core) (api.Response, error) { return api.Response{}, err }
}

func noGroupNamed(name string) runner {
	return fails(storeError(api.StoreError{Type: "groupNotFoundByName", GroupName: &name}))
}

// ofContact is a command about a contact that is refused if there is one.
func ofContact(a *args) runner {
	r := a.ref()
	if a.lit(" ") {
		a.word()
	}
	return func(ctx context.Context, c *Core) (api.Response, error) {
		if _, err := connOf(ctx, c, r, ""); err != nil {
			return api.Response{}, err
		}
		return api.Response{}, commandError("not supported")
	}
}
