package chat

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/simplexkit/simplexkit/lib/api"
)

// Commands that set how the program and its chats behave.

var settingSyntax = []syntax{
	{"/_start", func(a *args) runner {
		for _, k := range []string{"main", "subscribe", "expire", "snd_files", "xftp"} {
			a.flag(k, true)
		}
		return startChat
	}},
	{"/_stop", fixed(stopChat)},
	{"/_check running", fixed(checkRunning)},
	{"/_ttl ", func(a *args) runner {
		id := api.UserID(a.int())
		if a.s == "" {
			return userTTL(id)
		}
		a.need(" ")
		if a.s != "" && (a.s[0] == '@' || a.s[0] == '#') {
			r := a.ref()
			a.need(" ")
			return setChatTTL(r, "", a.seconds())
		}
		return setUserTTL(id, a.seconds())
	}},
	{"/ttl", ttlWords},
	{"/mute @", func(a *args) runner { return setNotify(a.name(), "none") }},
	{"/unmute @", func(a *args) runner { return setNotify(a.name(), "all") }},
	{"/unmute mentions @", func(a *args) runner { return setNotify(a.name(), "mentions") }},
	{"/receipts @", func(a *args) runner {
		name := a.name()
		a.need(" ")
		var on *bool
		if !a.lit("default") {
			v := a.onOff()
			on = &v
		}
		return changeSettings(name, func(s *api.ChatSettings) { s.SendRcpts = on })
	}},
	{"/read user", fixed(readAll)},
	{"/set accept member contacts ", func(a *args) runner { return acceptMembers(0, a.onOff()) }},
	{"/_set accept member contacts ", func(a *args) runner {
		id := api.UserID(a.int())
		a.need(" ")
		return acceptMembers(id, a.onOff())
	}},
	{"/_set theme user ", func(a *args) runner { a.int(); return themed(a, ref{}) }},
	{"/_set theme ", func(a *args) runner { return themed(a, a.ref()) }},
	{"/set bot commands ", botCommands},
	{"/delete bot commands", func(*args) runner {
		return changeProfile(0, func(p *api.Profile) { setCommands(p, nil) })
	}},
	{"/reset servers stats", answer("cmdOk")}, {"/reconnect", answer("cmdOk")},
	{"/incognito ", func(a *args) runner {
		a.onOff()
		return func(context.Context, *Core) (api.Response, error) {
			return api.Response{Type: "chatHelp", HelpSection: "incognito"}, nil
		}
	}},
	{"/_set conn user :", func(a *args) runner {
		id := api.ConnID(a.int())
		a.need(" ")
		return moveConn(id, api.UserID(a.int()))
	}},
	{"/_get tags ", func(a *args) runner {
		return withUser(api.UserID(a.int()), func(_ Tx, u *User) (api.Response, error) {
			return api.Response{Type: "chatTags", User: userView(u), UserTags: tagsOf(u)}, nil
		})
	}},
	{"/_create tag ", func(a *args) runner {
		t := a.tag()
		return changeTags(func(u *User) error {
			if slices.ContainsFunc(u.Tags, func(o api.ChatTag) bool { return o.ChatTagText == t.ChatTagText }) {
				return taken
			}
			u.LastTag++
			t.ChatTagID = u.LastTag
			u.Tags = append(u.Tags, t)
			return nil
		}, true)
	}},
	{"/_update tag ", func(a *args) runner {
		id := a.int()
		a.need(" ")
		t := a.tag()
		return changeTags(func(u *User) error {
			for i := range u.Tags {
				if u.Tags[i].ChatTagID == id {
					u.Tags[i].ChatTagText, u.Tags[i].ChatTagEmoji = t.ChatTagText, t.ChatTagEmoji
				}
			}
			return nil
		}, false)
	}},
	{"/_delete tag ", func(a *args) runner { return deleteTag(a.int()) }},
	{"/_reorder tags ", func(a *args) runner {
		ids := a.ids()
		return changeTags(func(u *User) error {
			place := func(t api.ChatTag) int {
				if i := slices.Index(ids, api.ChatItemID(t.ChatTagID)); i >= 0 {
					return i
				}
				return len(ids)
			}
			slices.SortStableFunc(u.Tags, func(a, b api.ChatTag) int { return place(a) - place(b) })
			return nil
		}, false)
	}},
	{"/_tags ", tagChat},
}

// worksStopped are the beginnings of commands that work while the chat is stopped.
var worksStopped = []string{"/user", "/u", "/_user", "/_create user", "/create ", "/_start", "/_stop", "/_check", "/_app",
	"/_resubscribe", "/_get chats", "/chats", "/cs", "/_mute user", "/_unmute user", "/mute user", "/unmute user", "/_hide", "/hide",
	"/_unhide", "/unhide", "/_delete user", "/delete user", "/version", "/v", "/help", "/h", "/welcome", "/w", "/_ttl", "/ttl", "//"}

// refuseStopped refuses commands while the chat is stopped.
func (c *Core) refuseStopped(cmd string) error {
	if !c.isStopped() {
		return nil
	}
	for _, w := range worksStopped {
		if rest, ok := strings.CutPrefix(cmd, w); ok && (rest == "" || rest[0] == ' ' || w[len(w)-1] == ' ' || w == "//") {
			return nil
		}
	}
	return coreError(api.ErrorType{Type: "chatNotStarted"})
}

func (c *Core) isStopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopped != nil
}

// waitStarted waits while the chat is stopped: events stay with the agent.
func (c *Core) waitStarted(ctx context.Context) error {
	for {
		c.mu.Lock()
		stopped := c.stopped
		c.mu.Unlock()
		if stopped == nil {
			return nil
		}
		select {
		case <-stopped:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func startChat(_ context.Context, c *Core) (api.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped == nil {
		return api.Response{Type: "chatRunning"}, nil
	}
	close(c.stopped)
	c.stopped = nil
	return api.Response{Type: "chatStarted"}, nil
}

func stopChat(_ context.Context, c *Core) (api.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped == nil {
		c.stopped = make(chan struct{})
	}
	return api.Response{Type: "chatStopped"}, nil
}

func checkRunning(_ context.Context, c *Core) (api.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped != nil {
		return api.Response{Type: "chatStopped"}, nil
	}
	return api.Response{Type: "chatRunning"}, nil
}

// changeUser changes the active user, who must be id if that is not 0.
func changeUser(id api.UserID, change func(*User) error) runner {
	return func(ctx context.Context, c *Core) (r api.Response, err error) {
		err = c.update(ctx, func(w *work) error {
			u, err := w.userFor(id)
			if err != nil {
				return err
			}
			r = okFor(u)
			if err := change(u); err != nil {
				return err
			}
			return w.PutUser(u)
		})
		return r, err
	}
}

// seconds is a number, or nil for "default", as how long items are kept.
func (a *args) seconds() *int64 {
	if a.lit("default") {
		return nil
	}
	n := a.int()
	return &n
}

var ttlNames = map[string]int64{"none": 0, "day": 86400, "week": 7 * 86400, "month": 30 * 86400, "year": 365 * 86400}

// ttlWords is "/ttl [@name] [day|week|month|year|none|default]".
func ttlWords(a *args) runner {
	name := ""
	if a.lit(" @") {
		name = a.name()
	}
	if a.s == "" {
		if name == "" {
			return userTTL(0)
		}
		return withRef(ref{}, name, func(_ *work, u *User, ct *Contact) (api.Response, error) {
			return api.Response{Type: "chatItemTTL", User: userView(u), ChatItemTTL: ct.ItemTTL}, nil
		})
	}
	a.need(" ")
	word := a.word()
	ttl, ok := ttlNames[word]
	if !ok && (name == "" || word != "default") {
		a.fail()
	}
	if name == "" {
		return setUserTTL(0, &ttl)
	}
	if !ok {
		return setChatTTL(ref{}, name, nil)
	}
	return setChatTTL(ref{}, name, &ttl)
}

func userTTL(id api.UserID) runner {
	return withUser(id, func(_ Tx, u *User) (api.Response, error) {
		ttl := u.ItemTTL
		return api.Response{Type: "chatItemTTL", User: userView(u), ChatItemTTL: &ttl}, nil
	})
}

func setUserTTL(id api.UserID, ttl *int64) runner {
	return changeUser(id, func(u *User) error {
		if u.ItemTTL = 0; ttl != nil {
			u.ItemTTL = *ttl
		}
		return nil
	})
}

func setChatTTL(r ref, name string, ttl *int64) runner {
	return withRef(r, name, func(w *work, u *User, ct *Contact) (api.Response, error) {
		ct.ItemTTL = ttl
		return okFor(u), w.PutContact(ct)
	})
}

func changeSettings(name string, change func(*api.ChatSettings)) runner {
	return withRef(ref{}, name, func(w *work, u *User, ct *Contact) (api.Response, error) {
		change(&ct.Settings)
		return okFor(u), w.PutContact(ct)
	})
}

func setNotify(name, which string) runner {
	return changeSettings(name, func(s *api.ChatSettings) { s.EnableNtfs = which })
}

func readAll(ctx context.Context, c *Core) (r api.Response, err error) {
	err = c.update(ctx, func(w *work) error {
		u, err := activeUser(w)
		if err != nil {
			return err
		}
		r = okFor(u)
		contacts, err := w.Contacts(u.ID)
		for _, ct := range contacts {
			err = errors.Join(err, w.read(ct))
		}
		return err
	})
	return r, err
}

func acceptMembers(id api.UserID, on bool) runner {
	return changeUser(id, func(u *User) error {
		u.AutoAccept = on
		return nil
	})
}

// themed takes the colours that a chat or user has on a screen: there is none
// here to show them on.
func themed(a *args, r ref) runner {
	if a.lit(" ") {
		var v map[string]struct {
			Mode *string `json:"mode"`
		}
		a.json(&v)
		for _, m := range v {
			if m.Mode == nil {
				a.fail()
			}
		}
	}
	if r.kind == 0 {
		return changeUser(0, func(*User) error { return nil })
	}
	return withRef(r, "", func(_ *work, u *User, _ *Contact) (api.Response, error) { return okFor(u), nil })
}

// moveConn gives an invitation that nobody has used to another user.
func moveConn(id api.ConnID, to api.UserID) runner {
	return func(ctx context.Context, c *Core) (r api.Response, err error) {
		err = c.update(ctx, func(w *work) error {
			u, err := activeUser(w)
			if err != nil {
				return err
			}
			cn, err := pendingConn(w, u, id)
			if err != nil {
				return err
			}
			if cn.Status != ConnNew || cn.UserID == to {
				return coreError(api.ErrorType{Type: "connectionUserChangeProhibited"})
			}
			other, err := userByID(to)(w)
			if err != nil {
				return err
			}
			from := pendingView(cn)
			cn.UserID, cn.Custom, cn.UpdatedAt = other.ID, nil, w.now
			r = api.Response{Type: "connectionUserChanged", User: userView(u), FromConnection: from, ToConnection: pendingView(cn), NewUser: userView(other)}
			return w.PutConn(cn)
		})
		return r, err
	}
}

var taken = &api.ChatError{Type: "errorStore", StoreError: &api.StoreError{Type: "dBException", Message: ptrTo("the name is taken, or there is no such row")}}

func ptrTo(s string) *string { return &s }

func (a *args) tag() api.ChatTag {
	var v struct {
		Text  *string `json:"text"`
		Emoji string  `json:"emoji"`
	}
	a.json(&v)
	if v.Text == nil {
		a.fail()
		return api.ChatTag{}
	}
	return api.ChatTag{ChatTagText: *v.Text, ChatTagEmoji: v.Emoji}
}

func tagsOf(u *User) []api.ChatTag { return append([]api.ChatTag{}, u.Tags...) }

func changeTags(change func(*User) error, list bool) runner {
	return func(ctx context.Context, c *Core) (r api.Response, err error) {
		err = c.update(ctx, func(w *work) error {
			u, err := activeUser(w)
			if err == nil {
				err = change(u)
			}
			if err != nil {
				return err
			}
			r = okFor(u)
			if list {
				r = api.Response{Type: "chatTags", User: userView(u), UserTags: tagsOf(u)}
			}
			return w.PutUser(u)
		})
		return r, err
	}
}

func deleteTag(id int64) runner {
	return func(ctx context.Context, c *Core) (r api.Response, err error) {
		err = c.update(ctx, func(w *work) error {
			u, err := activeUser(w)
			if err != nil {
				return err
			}
			u.Tags = slices.DeleteFunc(u.Tags, func(t api.ChatTag) bool { return t.ChatTagID == id })
			contacts, err := w.Contacts(u.ID)
			for _, ct := range contacts {
				if slices.Contains(ct.Tags, id) {
					ct.Tags = slices.DeleteFunc(ct.Tags, func(t int64) bool { return t == id })
					err = errors.Join(err, w.PutContact(ct))
				}
			}
			r = okFor(u)
			return errors.Join(err, w.PutUser(u))
		})
		return r, err
	}
}

// tagChat is "/_tags @2 [1,2]".
func tagChat(a *args) runner {
	r := a.ref()
	var ids []int64
	if a.lit(" ") {
		for _, id := range a.ids() {
			ids = append(ids, int64(id))
		}
	}
	if r.kind == '*' {
		return fails(commandError("not supported"))
	}
	run := withRef(r, "", func(w *work, u *User, ct *Contact) (api.Response, error) {
		for _, id := range ids {
			if !slices.ContainsFunc(u.Tags, func(t api.ChatTag) bool { return t.ChatTagID == id }) {
				return api.Response{}, taken
			}
		}
		ct.Tags = ids
		return api.Response{Type: "tagsUpdated", User: userView(u), UserTags: tagsOf(u), ChatTags: append([]int64{}, ids...)}, w.PutContact(ct)
	})
	return func(ctx context.Context, c *Core) (api.Response, error) {
		resp, err := run(ctx, c)
		var ce *api.ChatError
		if errors.As(err, &ce) && ce.StoreError != nil && ce.StoreError.ContactID != nil {
			err = taken
		}
		return resp, err
	}
}

// botCommand is a command that a bot tells its contacts of, or a menu of them.
type botCommand struct {
	Type     string       `json:"type"`
	Keyword  string       `json:"keyword,omitempty"`
	Label    string       `json:"label"`
	Params   string       `json:"params,omitempty"`
	Commands []botCommand `json:"commands,omitempty"`
}

// botCommands is "/set bot commands 'Label':'word <params>','Menu':{…}".
func botCommands(a *args) runner {
	cmds := a.commands()
	return changeProfile(0, func(p *api.Profile) {
		p.PeerType = "bot"
		setCommands(p, cmds)
	})
}

func (a *args) commands() (cmds []botCommand) {
	for {
		c := botCommand{Type: "command", Label: a.quoted(":")}
		a.need(":")
		if a.lit("{") {
			c.Type, c.Commands = "menu", a.commands()
			a.need("}")
		} else {
			a.lit("/")
			c.Keyword, c.Params, _ = strings.Cut(strings.TrimPrefix(a.quoted(",}"), "/"), " ")
			if c.Keyword == "" {
				a.fail()
			}
		}
		cmds = append(cmds, c)
		if a.bad || !a.lit(",") {
			return cmds
		}
	}
}

// quoted is text in single quotes, or up to one of the signs.
func (a *args) quoted(until string) string {
	if a.lit("'") {
		s, rest, ok := strings.Cut(a.s, "'")
		if !ok || s == "" {
			a.fail()
			return ""
		}
		a.s = rest
		return s
	}
	n := strings.IndexAny(a.s, until)
	if n < 0 {
		n = len(a.s)
	}
	s := a.s[:n]
	if s == "" {
		a.fail()
		return ""
	}
	a.s = a.s[n:]
	return s
}

func setCommands(p *api.Profile, cmds []botCommand) {
	prefs := api.Preferences{}
	if p.Preferences != nil {
		prefs = *p.Preferences
	}
	prefs.Commands = []any{}
	for _, c := range cmds {
		b, err := json.Marshal(c)
		if err != nil {
			panic("chat: unreachable: strings always have a JSON form")
		}
		prefs.Commands = append(prefs.Commands, json.RawMessage(b))
	}
	p.Preferences = &prefs
}
