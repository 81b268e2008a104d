package chat

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/api"
)

// Commands about what this program does not have. Those that name something
// say that it is not there; others are refused.

var absentSyntax = []syntax{
	{"/_accept ", func(a *args) runner { a.flag("incognito", false); return noRequest(a.int()) }},
	{"/_reject ", func(a *args) runner { return noRequest(a.int()) }},
	{"/ac ", func(a *args) runner { return noRequestNamed(a.name()) }},
	{"/accept ", func(a *args) runner { return noRequestNamed(a.name()) }},
	{"/rc ", func(a *args) runner { return noRequestNamed(a.name()) }},
	{"/reject ", func(a *args) runner { return noRequestNamed(a.name()) }},
	{"/_queue info ", ofContact}, {"/_get code ", ofContact}, {"/_verify code ", ofContact},
	{"/_switch ", ofContact}, {"/_sync ", ofContact}, {"/_enable ", ofContact},
	{"/d #", func(a *args) runner { return noGroupNamed(a.name()) }},
	{"#", func(a *args) runner { n := a.name(); a.need(" "); a.some(); return noGroupNamed(n) }},
	{"/_tags ", func(a *args) runner {
		r := a.ref()
		a.need(" ")
		a.ids()
		return func(context.Context, *Core) (api.Response, error) {
			if _, err := r.contact(); err != nil && r.kind != '*' {
				return api.Response{}, err
			}
			return api.Response{}, commandError("not supported")
		}
	}},
}

func fails(err error) runner {
	return func(context.Context, *Core) (api.Response, error) { return api.Response{}, err }
}

func noRequest(id int64) runner {
	return fails(storeError(api.StoreError{Type: "contactRequestNotFound", ContactRequestID: &id}))
}

func noRequestNamed(name string) runner {
	return fails(storeError(api.StoreError{Type: "contactRequestNotFoundByName", ContactName: &name}))
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
	return withRef(r, "", func(_ *work, u *User, ct *Contact) (api.Response, error) {
		return api.Response{}, commandError("not supported")
	})
}
