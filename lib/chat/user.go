package chat

import (
	"context"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/simplexkit/simplexkit/lib/api"
)

const maxName = 50 // runes of a display name

// validName is s made fit to be a display name: no signs that commands give a
// meaning, single spaces, at most 50 characters.
func validName(s string) string {
	var out []rune
	prev, punct := rune(0), 0
	for _, r := range s {
		if unicode.IsSpace(r) {
			r = ' '
		}
		isPunct := unicode.In(r, unicode.Pc, unicode.Pd, unicode.Po)
		first := unicode.IsLetter(r) || unicode.In(r, unicode.Nd, unicode.So)
		inner := first || unicode.In(r, unicode.Sc, unicode.Sm)
		var ok bool
		switch {
		case strings.ContainsRune(".,;/\\#@'\"`~", r):
		case prev == 0:
			ok = first
		case prev == ' ':
			ok = inner || punct == 0 && isPunct
		case punct > 0:
			ok = inner || r == ' '
		default:
			ok = inner || r == ' ' || unicode.IsMark(r) || isPunct
		}
		if !ok {
			continue
		}
		switch {
		case isPunct:
			punct++
		case r != ' ':
			punct = 0
		}
		out, prev = append(out, r), r
	}
	if len(out) > maxName {
		out = out[:maxName]
	}
	return strings.TrimRight(string(out), " ")
}

func checkName(name string) error {
	if valid := validName(name); valid != name || name == "" {
		return coreError(api.ErrorType{Type: "invalidDisplayName", DisplayName: &name, ValidName: &valid})
	}
	return nil
}

// createUser adds a user and makes it the active one.
func (w *work) createUser(p api.Profile) (*User, error) {
	if err := checkName(p.DisplayName); err != nil {
		return nil, err
	}
	users, err := w.Users()
	if err != nil {
		return nil, err
	}
	u := &User{Name: p.DisplayName, Profile: p, ShowNtfs: true, Receipts: true, RcptGroups: true}
	for _, o := range users {
		if o.Name == u.Name {
			return nil, coreError(api.ErrorType{Type: "userExists", ContactName: u.Name})
		}
	}
	if u.ProfileID, err = w.NewProfileID(); err != nil {
		return nil, err
	}
	if err := w.PutUser(u); err != nil {
		return nil, err
	}
	self := &Contact{UserID: u.ID, ProfileID: u.ProfileID, Name: u.Name, IsUser: true, Profile: p, Status: "active"}
	if err := w.PutContact(self); err != nil {
		return nil, err
	}
	u.ContactID = self.ID
	for _, card := range w.c.cfg.Cards {
		if _, err := w.createContact(u, card); err != nil {
			return nil, err
		}
	}
	return u, w.activate(u)
}

// activate makes u the active user, with the highest number of all.
func (w *work) activate(u *User) error {
	users, err := w.Users()
	if err != nil {
		return err
	}
	for _, o := range users {
		u.Order = max(u.Order, o.Order+1)
		if o.Active && o.ID != u.ID {
			o.Active = false
			if err := w.PutUser(o); err != nil {
				return err
			}
		}
	}
	u.Active = true
	return w.PutUser(u)
}

// createContact adds a contact under the profile's name, or that with a number
// when it is taken.
func (w *work) createContact(u *User, p api.Profile) (*Contact, error) {
	base := p.DisplayName
	name := base
	for i := 1; ; i++ {
		_, err := w.ContactByName(u.ID, name)
		if errors.Is(err, ErrNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		name = base + "_" + strconv.Itoa(i)
	}
	pid, err := w.NewProfileID()
	if err != nil {
		return nil, err
	}
	now := w.now
	ct := &Contact{
		UserID: u.ID, ProfileID: pid, Name: name, Profile: p, Used: true, Status: "active",
		Settings:  api.ChatSettings{EnableNtfs: "all"},
		CreatedAt: now, UpdatedAt: now, ChatTS: &now,
	}
	return ct, w.PutContact(ct)
}

// setProfile changes the profile of the active user, and tells the contacts and
// the link of the address.
func (c *Core) setProfile(ctx context.Context, id api.UserID, change func(*api.Profile)) (api.Response, error) {
	var r api.Response
	var conns []api.ConnID
	var relink api.UserID
	err := c.update(ctx, func(w *work) error {
		u, err := activeUser(w)
		if err == nil && id != 0 {
			u, err = sameUser(w, id)
		}
		if err != nil {
			return err
		}
		was := *u
		from := u.Profile
		change(&u.Profile)
		if err := checkName(u.Profile.DisplayName); err != nil {
			return err
		}
		if reflect.DeepEqual(from, u.Profile) {
			r = api.Response{Type: "userProfileNoChange", User: userView(u)}
			return nil
		}
		if to := u.Profile; to.DisplayName != from.DisplayName || to.FullName != from.FullName || to.Image != from.Image {
			u.NamedAt = &w.now
		}
		if err := w.renameUser(u); err != nil {
			return err
		}
		changed := []api.Contact{}
		if conns, err = w.tellProfile(&was, u, &changed); err != nil {
			return err
		}
		if relink, err = w.staleAddress(u.ID); err != nil {
			return err
		}
		to := u.Profile
		r = api.Response{Type: "userProfileUpdated", User: userView(u), FromProfile: &from, ToProfile: &to,
			UpdateSummary: &api.UserProfileUpdateSummary{UpdateSuccesses: len(conns), ChangedContacts: changed}}
		return nil
	})
	for _, id := range conns {
		c.flushLater(ctx, id)
	}
	if err == nil && relink != 0 {
		c.relink(ctx, relink)
	}
	return r, err
}

func (w *work) renameUser(u *User) error {
	self, err := w.Contact(u.ContactID)
	if err != nil {
		return err
	}
	if u.Name != u.Profile.DisplayName {
		if _, err := w.ContactByName(u.ID, u.Profile.DisplayName); err == nil {
			return storeError(api.StoreError{Type: "duplicateName"})
		}
		u.Name = u.Profile.DisplayName
	}
	self.Name, self.Profile = u.Name, u.Profile
	if err := w.PutContact(self); err != nil {
		return err
	}
	return w.PutUser(u)
}

func (c *Core) usersList(tx Tx) (api.Response, error) {
	users, err := tx.Users()
	list := []api.UserInfo{}
	for _, u := range users {
		n, err := tx.UnreadOfUser(u.ID)
		if err != nil {
			return api.Response{}, err
		}
		list = append(list, api.UserInfo{User: *userView(u), UnreadCount: n})
	}
	return api.Response{Type: "usersList", Users: list}, err
}
