package chat

import (
	"context"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
)

// Commands that make, choose, hide, mute and delete users.

var privacySyntax = []syntax{
	{"/_user ", func(a *args) runner {
		id := api.UserID(a.int())
		return switchUser(userByID(id), a.optPassword())
	}},
	{"/user ", switchNamed}, {"/u ", switchNamed},
	{"/_create user ", createUserJSON},
	{"/create user ", func(a *args) runner { return addUser(a.nameAndBio()) }},
	{"/create bot ", createBot},
	{"/_mute user ", func(a *args) runner { return muteUser(userByID(api.UserID(a.int())), false) }},
	{"/_unmute user ", func(a *args) runner { return muteUser(userByID(api.UserID(a.int())), true) }},
	{"/mute user", fixed(muteUser(activeUser, false))}, {"/unmute user", fixed(muteUser(activeUser, true))},
	{"/_hide user ", func(a *args) runner {
		id := api.UserID(a.int())
		a.need(" ")
		return hideUser(userByID(id), a.password())
	}},
	{"/hide user ", func(a *args) runner { return hideUser(activeUser, a.some()) }},
	{"/_unhide user ", func(a *args) runner {
		id := api.UserID(a.int())
		a.need(" ")
		return unhideUser(userByID(id), a.password())
	}},
	{"/unhide user ", func(a *args) runner { return unhideUser(activeUser, a.some()) }},
	{"/_delete user ", func(a *args) runner {
		id := api.UserID(a.int())
		a.need(" del_smp=")
		queues := a.onOff()
		return deleteUser(userByID(id), queues, a.optPassword())
	}},
	{"/delete user ", func(a *args) runner { return deleteUser(userByName(a.name()), true, "") }},
}

// password is a JSON string.
func (a *args) password() (p string) {
	a.json(&p)
	return p
}

func (a *args) optPassword() string {
	if a.lit(" ") {
		return a.password()
	}
	return ""
}

func unknownUser() error { return coreError(api.ErrorType{Type: "userUnknown"}) }

type findUser func(Tx) (*User, error)

func userByID(id api.UserID) findUser {
	return func(tx Tx) (*User, error) {
		u, err := tx.User(id)
		if errors.Is(err, ErrNotFound) {
			err = unknownUser()
		}
		return u, err
	}
}

func userByName(name string) findUser {
	return func(tx Tx) (*User, error) {
		users, err := tx.Users()
		for _, u := range users {
			if u.Name == name {
				return u, nil
			}
		}
		if err == nil {
			err = storeError(api.StoreError{Type: "userNotFoundByName", ContactName: &name})
		}
		return nil, err
	}
}

// open refuses a hidden user without its password.
func (u *User) open(password string) error {
	if u.Hidden == nil {
		return nil
	}
	salt, err := base64.URLEncoding.DecodeString(u.Hidden.Salt)
	if err == nil && subtle.ConstantTimeCompare([]byte(hashPassword(password, salt)), []byte(u.Hidden.Hash)) == 1 {
		return nil
	}
	return unknownUser()
}

func hashPassword(password string, salt []byte) string {
	h := sha512.Sum512(append([]byte(password), salt...))
	return base64.URLEncoding.EncodeToString(h[:])
}

func switchNamed(a *args) runner {
	find := userByName(a.name())
	password := ""
	if a.lit(" ") {
		password = a.some()
	}
	run := switchUser(find, password)
	return func(ctx context.Context, c *Core) (api.Response, error) {
		r, err := run(ctx, c)
		var ce *api.ChatError
		if errors.As(err, &ce) && ce.StoreError != nil {
			err = unknownUser()
		}
		return r, err
	}
}

func switchUser(find findUser, password string) runner {
	return func(ctx context.Context, c *Core) (r api.Response, err error) {
		err = c.update(ctx, func(w *work) error {
			u, err := find(w)
			if err == nil && !u.Active {
				err = u.open(password)
			}
			if err == nil {
				err = w.activate(u)
			}
			if err != nil {
				return err
			}
			r = api.Response{Type: "activeUser", User: userView(u)}
			return nil
		})
		return r, err
	}
}

func addUser(p api.Profile) runner {
	return func(ctx context.Context, c *Core) (r api.Response, err error) {
		err = c.update(ctx, func(w *work) error {
			if p.DisplayName == "" {
				p.DisplayName = pick(firstWords) + pick(lastWords)
			}
			u, err := w.createUser(p)
			if err == nil {
				r = api.Response{Type: "activeUser", User: userView(u)}
			}
			return err
		})
		return r, err
	}
}

// createUserJSON makes a user; without a profile it gets a name made up.
func createUserJSON(a *args) runner {
	var v struct {
		Profile       json.RawMessage `json:"profile"`
		PastTimestamp *bool           `json:"pastTimestamp"`
	}
	a.json(&v)
	if v.PastTimestamp == nil {
		a.fail()
	}
	if len(v.Profile) == 0 || string(v.Profile) == "null" {
		return addUser(api.Profile{})
	}
	return addUser(a.profile(v.Profile))
}

// createBot is "/create bot [files=on] name [what it does]".
func createBot(a *args) runner {
	files := false
	if a.lit("files=") {
		files = a.onOff()
		a.need(" ")
	}
	p := a.nameAndBio()
	p.PeerType = "bot"
	if !files {
		p.Preferences = &api.Preferences{Files: &api.Preference{Allow: "no"}}
	}
	return addUser(p)
}

// changePrivacy changes a user and answers with the active one beside it.
func changePrivacy(find findUser, change func(*User) error) runner {
	return func(ctx context.Context, c *Core) (r api.Response, err error) {
		err = c.update(ctx, func(w *work) error {
			u, err := find(w)
			if err == nil {
				err = change(u)
			}
			if err == nil {
				err = w.PutUser(u)
			}
			if err != nil {
				return err
			}
			active, err := activeUser(w)
			r = api.Response{Type: "userPrivacy", User: userView(active), UpdatedUser: userView(u)}
			return err
		})
		return r, err
	}
}

func userError(typ string, u *User) error {
	return coreError(api.ErrorType{Type: typ, UserID: u.ID})
}

func muteUser(find findUser, notify bool) runner {
	return changePrivacy(find, func(u *User) error {
		if u.Hidden != nil {
			return userError("hiddenUserAlwaysMuted", u)
		}
		u.ShowNtfs = notify
		return nil
	})
}

func hideUser(find findUser, password string) runner {
	return changePrivacy(find, func(u *User) error {
		if u.Hidden != nil {
			return userError("userAlreadyHidden", u)
		}
		if password == "" {
			return userError("emptyUserPassword", u)
		}
		salt := make([]byte, 16)
		_, _ = rand.Read(salt) // crypto/rand.Read never returns an error
		u.Hidden = &api.UserPwdHash{Hash: hashPassword(password, salt), Salt: base64.URLEncoding.EncodeToString(salt)}
		return nil
	})
}

func unhideUser(find findUser, password string) runner {
	return changePrivacy(find, func(u *User) error {
		if u.Hidden == nil {
			return userError("userNotHidden", u)
		}
		if err := u.open(password); err != nil {
			return err
		}
		u.Hidden, u.ShowNtfs = nil, true
		return nil
	})
}

// deleteUser deletes a user with all that belongs to it, and its queues on the
// relays.
func deleteUser(find findUser, queues bool, password string) runner {
	return func(ctx context.Context, c *Core) (r api.Response, err error) {
		var ids []agent.ConnID
		err = c.update(ctx, func(w *work) error {
			u, err := find(w)
			if err == nil {
				err = u.open(password)
			}
			if err != nil {
				return err
			}
			users, err := w.Users()
			if err != nil {
				return err
			}
			visible := 0
			for _, o := range users {
				if o.ID != u.ID && o.Hidden == nil {
					visible++
				}
			}
			if u.Active && (len(users) > 1 || visible > 0) {
				return userError("cantDeleteActiveUser", u)
			}
			if visible == 0 && u.Hidden == nil && len(users) > 1 {
				return userError("cantDeleteLastUser", u)
			}
			if ids, err = w.agentConns(u); err != nil {
				return err
			}
			r = api.Response{Type: "cmdOk"}
			if queues {
				n := int64(u.ID)
				if _, err := w.emit(api.Response{Type: "agentUserDeleted", AgentUserID: &n}); err != nil {
					return err
				}
			}
			return w.DeleteUser(u.ID)
		})
		for _, id := range ids {
			if derr := c.cfg.Agent.Delete(ctx, id); derr != nil && !errors.Is(derr, agent.ErrNotFound) {
				c.log.Warn("chat: deleting a connection of a deleted user", "err", derr)
			}
		}
		return r, err
	}
}

// agentConns are the agent's connections of a user.
func (w *work) agentConns(u *User) (ids []agent.ConnID, err error) {
	conns, err := w.Conns(u.ID)
	for _, cn := range conns {
		ids = append(ids, cn.AgentID)
	}
	if ad, aerr := w.Address(u.ID); aerr == nil {
		ids = append(ids, ad.AgentID)
	}
	return ids, err
}
