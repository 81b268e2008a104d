package chat

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/smp/link"
)

// Commands about users, profiles and the program.

var userSyntax = []syntax{
	{"/user", fixed(showUser)}, {"/u", fixed(showUser)},
	{"/users", fixed(listUsers)},
	{"/p", fixed(showProfile)}, {"/profile", fixed(showProfile)},
	{"/p ", profileWords}, {"/profile ", profileWords},
	{"/_profile ", profileJSON},
	{"/set profile image ", profileImage},
	{"/delete profile image", func(*args) runner { return changeProfile(0, func(p *api.Profile) { p.Image = "" }) }},
	{"/show profile image", fixed(showImage)},
	{"/set ", setFeature},
	{"/version", fixed(version)}, {"/v", fixed(version)},
	{"/_app activate", func(a *args) runner { a.flag("restore", true); return answer("cmdOk")(a) }},
	{"/_app suspend ", func(a *args) runner { a.int(); return answer("cmdOk")(a) }},
	{"/_resubscribe all", answer("cmdOk")},
	{"/_network_statuses", fixed(networkStatuses)},
	{"/welcome", fixed(welcome)}, {"/w", fixed(welcome)},
	{"/show", func(a *args) runner {
		if a.lit(" ") {
			a.onOff()
		}
		return answer("cmdOk")(a)
	}},
	{"/contact_merge ", func(a *args) runner { a.onOff(); return answer("cmdOk")(a) }},
	{"/_files_encrypt ", func(a *args) runner { a.onOff(); return answer("cmdOk")(a) }},
	{"/set receipts ", receipts}, {"/_set receipts ", receiptsOf},
	{"//", func(a *args) runner {
		a.rest()
		return func(context.Context, *Core) (api.Response, error) {
			return api.Response{}, commandError("not supported")
		}
	}},
	{"/", help},
}

// fixed is a command without arguments.
func fixed(run runner) func(*args) runner { return func(*args) runner { return run } }

// answer is a command that only has to be answered.
func answer(typ string) func(*args) runner {
	return fixed(func(context.Context, *Core) (api.Response, error) { return api.Response{Type: typ}, nil })
}

// withUser runs fn with a view and the active user, who must be id if that is
// not 0.
func withUser(id api.UserID, fn func(Tx, *User) (api.Response, error)) runner {
	return func(ctx context.Context, c *Core) (r api.Response, err error) {
		err = c.view(ctx, func(tx Tx) error {
			u, err := activeUser(tx)
			if err == nil && id != 0 {
				u, err = sameUser(tx, id)
			}
			if err == nil {
				r, err = fn(tx, u)
			}
			return err
		})
		return r, err
	}
}

func showUser(ctx context.Context, c *Core) (api.Response, error) {
	return withUser(0, func(_ Tx, u *User) (api.Response, error) {
		return api.Response{Type: "activeUser", User: userView(u)}, nil
	})(ctx, c)
}

func listUsers(ctx context.Context, c *Core) (r api.Response, err error) {
	err = c.view(ctx, func(tx Tx) error {
		r, err = c.usersList(tx)
		return err
	})
	return r, err
}

// strictProfile is a profile that states both of its names.
type strictProfile struct {
	DisplayName *string `json:"displayName"`
	FullName    *string `json:"fullName"`
	api.Profile
}

func (a *args) profile(raw []byte) (p api.Profile) {
	var s strictProfile
	if json.Unmarshal(raw, &s) != nil || s.DisplayName == nil || s.FullName == nil {
		a.fail()
		return p
	}
	if l, err := link.Parse(s.ContactLink); s.ContactLink != "" && (err != nil || l.Mode() == link.Invitation) {
		a.fail()
	}
	s.Profile.DisplayName, s.Profile.FullName = *s.DisplayName, *s.FullName
	return s.Profile
}

// nameAndBio is "name" or "name what they do".
func (a *args) nameAndBio() (p api.Profile) {
	p.DisplayName = a.name()
	if a.lit(" ") {
		p.ShortDescr = a.some()
	}
	return p
}

func showProfile(ctx context.Context, c *Core) (api.Response, error) {
	return withUser(0, func(_ Tx, u *User) (api.Response, error) {
		return api.Response{Type: "userProfile", User: userView(u), Profile: &u.Profile}, nil
	})(ctx, c)
}

func showImage(ctx context.Context, c *Core) (api.Response, error) {
	return withUser(0, func(_ Tx, u *User) (api.Response, error) {
		return api.Response{Type: "userProfileImage", User: userView(u), Profile: &u.Profile}, nil
	})(ctx, c)
}

func changeProfile(id api.UserID, change func(*api.Profile)) runner {
	return func(ctx context.Context, c *Core) (api.Response, error) { return c.setProfile(ctx, id, change) }
}

func profileWords(a *args) runner {
	n := a.nameAndBio()
	return changeProfile(0, func(p *api.Profile) { p.DisplayName, p.FullName, p.ShortDescr = n.DisplayName, "", n.ShortDescr })
}

func profileJSON(a *args) runner {
	id := api.UserID(a.int())
	a.need(" ")
	n := a.profile([]byte(a.rest()))
	return changeProfile(id, func(p *api.Profile) { *p = n })
}

func profileImage(a *args) runner {
	img := a.some()
	if !strings.HasPrefix(img, "data:image/png;base64,") && !strings.HasPrefix(img, "data:image/jpg;base64,") {
		a.fail()
	}
	return changeProfile(0, func(p *api.Profile) { p.Image = img })
}

var featureWords = map[string]string{"voice": "voice", "delete": "fullDelete", "calls": "calls", "files": "files",
	"disappear": "timedMessages", "reactions": "reactions"}

func featureNamed(name string) feature {
	for _, f := range features {
		if f.name == name {
			return f
		}
	}
	panic("chat: unreachable: featureWords names features")
}

// setFeature is "/set voice yes" for all, "/set voice @bob yes" for one.
func setFeature(a *args) runner {
	name, ok := featureWords[a.word()]
	if !ok {
		a.fail()
		return nil
	}
	f := featureNamed(name)
	a.need(" ")
	if a.lit("@") {
		contact := a.name()
		if !a.lit(" ") {
			return prefOf(contact, f, nil)
		}
		if name == "timedMessages" {
			return lifeOf(contact, f, a)
		}
		return prefOf(contact, f, &api.Preference{Allow: a.oneOf("always", "yes", "no")})
	}
	v := &api.Preference{Allow: a.oneOf("always", "yes", "no")}
	return changeProfile(0, func(p *api.Profile) {
		prefs := api.Preferences{}
		if p.Preferences != nil {
			prefs = *p.Preferences
		}
		*f.of(&prefs) = v
		p.Preferences = &prefs
	})
}

// units are those of "/set disappear @bob yes 30s", in seconds.
var units = []struct {
	word string
	sec  int64
}{{"month", 30 * 86400}, {"week", 7 * 86400}, {"day", 86400}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 7 * 86400}, {"s", 1}}

// lifeOf is the rest of "/set disappear @bob [yes] TIME", "… yes" or "… no";
// without a time the one set before stays.
func lifeOf(contact string, f feature, a *args) runner {
	allow, timed := "yes", a.s != "" && a.s[0] >= '0' && a.s[0] <= '9'
	if !timed {
		allow = a.oneOf("yes", "no")
	}
	var ttl *int
	if timed || allow == "yes" && a.lit(" ") {
		n := int64(1)
		if a.s != "" && a.s[0] >= '0' && a.s[0] <= '9' {
			n = a.int()
		}
		for _, u := range units {
			if a.lit(u.word) {
				n *= u.sec
				break
			}
		}
		v := int(n)
		ttl = &v
	}
	return func(ctx context.Context, c *Core) (api.Response, error) {
		id, err := c.contactID(ctx, contact)
		if err != nil {
			return api.Response{}, err
		}
		return c.setPrefs(ctx, id, func(p *api.Preferences) {
			v := &api.Preference{Allow: allow, TTL: ttl}
			if old := *f.of(p); ttl == nil && old != nil {
				v.TTL = old.TTL
			}
			*f.of(p) = v
		})
	}
}

func prefOf(name string, f feature, v *api.Preference) runner {
	return func(ctx context.Context, c *Core) (api.Response, error) {
		id, err := c.contactID(ctx, name)
		if err != nil {
			return api.Response{}, err
		}
		return c.setPrefs(ctx, id, func(p *api.Preferences) { *f.of(p) = v })
	}
}

func version(_ context.Context, c *Core) (api.Response, error) {
	b, err := json.Marshal(map[string]string{"version": c.cfg.Version, "simplexmqVersion": "", "simplexmqCommit": ""})
	none := json.RawMessage("[]")
	return api.Response{Type: "versionInfo", VersionInfo: b, ChatMigrations: none, AgentMigrations: none}, err
}

func welcome(ctx context.Context, c *Core) (api.Response, error) {
	return withUser(0, func(_ Tx, u *User) (api.Response, error) {
		return api.Response{Type: "welcome", User: userView(u)}, nil
	})(ctx, c)
}

func networkStatuses(_ context.Context, c *Core) (api.Response, error) {
	c.mu.Lock()
	conns := maps.Clone(c.connUp)
	c.mu.Unlock()
	r := api.Response{Type: "networkStatuses", NetworkStatuses: []api.NetworkStatus{}}
	for id, up := range conns {
		s := api.NetworkStatus{AgentConnID: agentConnID(id)}
		s.NetworkStatus.Type = "disconnected"
		if up {
			s.NetworkStatus.Type = "connected"
		}
		r.NetworkStatuses = append(r.NetworkStatuses, s)
	}
	return r, nil
}

// helpWords are the sections of the help, by their commands.
var helpWords = map[string]string{
	"help": "main", "h": "main", "help contacts": "contacts", "hc": "contacts", "help groups": "groups", "hg": "groups",
	"help files": "files", "hf": "files", "help messages": "messages", "hm": "messages",
	"help address": "myAddress", "ha": "myAddress", "help incognito": "incognito", "hi": "incognito",
	"incognito": "incognito", "help settings": "settings", "hs": "settings", "help db": "database", "hd": "database",
	"help remote": "remote", "hr": "remote", "markdown": "markdown", "m": "markdown",
}

func help(a *args) runner {
	section, ok := helpWords[a.s]
	if !ok {
		return nil
	}
	a.rest()
	return func(context.Context, *Core) (api.Response, error) {
		return api.Response{Type: "chatHelp", HelpSection: section}, nil
	}
}

// receipts is "/set receipts all|contacts|groups on|off".
func receipts(a *args) runner {
	what := a.oneOf("all", "contacts", "groups")
	a.need(" ")
	on := a.onOff()
	a.flag("clear_overrides", false)
	return setReceipts(0, what, on)
}

func receiptsOf(a *args) runner {
	what := a.oneOf("contacts", "groups")
	a.need(" ")
	id := api.UserID(a.int())
	a.need(" ")
	on := a.onOff()
	a.flag("clear_overrides", false)
	return setReceipts(id, what, on)
}

func setReceipts(id api.UserID, what string, on bool) runner {
	return func(ctx context.Context, c *Core) (r api.Response, err error) {
		err = c.update(ctx, func(w *work) error {
			u, err := activeUser(w)
			if err == nil && id != 0 {
				if u, err = w.User(id); errors.Is(err, ErrNotFound) {
					return coreError(api.ErrorType{Type: "userUnknown"})
				}
			}
			if err != nil {
				return err
			}
			if r = okFor(u); what == "all" { // the user as it was, or none
				r.User_ = nil
			}
			if what != "groups" {
				u.Receipts = on
			}
			if what != "contacts" {
				u.RcptGroups = on
			}
			return w.PutUser(u)
		})
		return r, err
	}
}
