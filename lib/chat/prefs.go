package chat

import (
	"fmt"
	"strings"

	"github.com/simplexkit/simplexkit/lib/api"
)

// A feature that both sides have to agree on.
type feature struct {
	name  string // in JSON
	label string
	// symmetric features are on for both or for none.
	symmetric bool
	hidden    bool // no notice in the chat
	standard  string
	of        func(*api.Preferences) **api.Preference
	full      func(*api.FullPreferences) *api.Preference
	merged    func(*api.ContactUserPreferences) *api.ContactUserPreference
}

// features in the order of their notices.
var features = []feature{
	{"timedMessages", "Disappearing messages", true, false, "yes",
		func(p *api.Preferences) **api.Preference { return &p.TimedMessages },
		func(p *api.FullPreferences) *api.Preference { return &p.TimedMessages },
		func(p *api.ContactUserPreferences) *api.ContactUserPreference { return &p.TimedMessages }},
	{"fullDelete", "Full deletion", false, false, "no",
		func(p *api.Preferences) **api.Preference { return &p.FullDelete },
		func(p *api.FullPreferences) *api.Preference { return &p.FullDelete },
		func(p *api.ContactUserPreferences) *api.ContactUserPreference { return &p.FullDelete }},
	{"reactions", "Message reactions", false, false, "yes",
		func(p *api.Preferences) **api.Preference { return &p.Reactions },
		func(p *api.FullPreferences) *api.Preference { return &p.Reactions },
		func(p *api.ContactUserPreferences) *api.ContactUserPreference { return &p.Reactions }},
	{"voice", "Voice messages", false, false, "yes",
		func(p *api.Preferences) **api.Preference { return &p.Voice },
		func(p *api.FullPreferences) *api.Preference { return &p.Voice },
		func(p *api.ContactUserPreferences) *api.ContactUserPreference { return &p.Voice }},
	{"files", "Files and media", false, true, "always",
		func(p *api.Preferences) **api.Preference { return &p.Files },
		func(p *api.FullPreferences) *api.Preference { return &p.Files },
		func(p *api.ContactUserPreferences) *api.ContactUserPreference { return &p.Files }},
	{"calls", "Audio/video calls", false, false, "yes",
		func(p *api.Preferences) **api.Preference { return &p.Calls },
		func(p *api.FullPreferences) *api.Preference { return &p.Calls },
		func(p *api.ContactUserPreferences) *api.ContactUserPreference { return &p.Calls }},
	{"sessions", "Chat sessions", false, true, "no",
		func(p *api.Preferences) **api.Preference { return &p.Sessions },
		func(p *api.FullPreferences) *api.Preference { return &p.Sessions },
		func(p *api.ContactUserPreferences) *api.ContactUserPreference { return &p.Sessions }},
}

func allowed(s string) bool { return s == "always" || s == "yes" || s == "no" }

// get is what preferences say of a feature: its standard if nothing that is
// understood.
func (f feature) get(p *api.Preferences) api.Preference {
	if p != nil {
		if v := *f.of(p); v != nil && allowed(v.Allow) {
			return *v
		}
	}
	return api.Preference{Allow: f.standard}
}

func fullPreferences(p *api.Preferences) *api.FullPreferences {
	full := &api.FullPreferences{Commands: []any{}}
	for _, f := range features {
		*f.full(full) = f.get(p)
	}
	if p != nil && p.Commands != nil {
		full.Commands = p.Commands
	}
	return full
}

// statedPreferences fills preferences in, for the other party to read.
func statedPreferences(p *api.Preferences, own api.Preferences) *api.Preferences {
	out := &api.Preferences{Commands: []any{}}
	for _, f := range features {
		v := f.get(p)
		if o := *f.of(&own); o != nil {
			v = *o
		}
		*f.of(out) = &v
	}
	if p != nil && p.Commands != nil {
		out.Commands = p.Commands
	}
	return out
}

func (f feature) enabled(user, contact api.Preference) api.PrefEnabled {
	u, c := user.Allow, contact.Allow
	switch {
	case u == "always" && c == "no":
		return api.PrefEnabled{ForContact: !f.symmetric}
	case u == "no" && c == "always":
		return api.PrefEnabled{ForUser: !f.symmetric}
	case u == "no" || c == "no":
		return api.PrefEnabled{}
	}
	return api.PrefEnabled{ForUser: true, ForContact: true}
}

// mergePreferences is what holds between a user and a contact.
func mergePreferences(u *User, c *Contact) (m api.ContactUserPreferences) {
	for _, f := range features {
		theirs := f.get(c.Profile.Preferences)
		ours := api.ContactUserPref{Type: "user", Preference: f.get(u.Profile.Preferences)}
		own := *f.of(&c.UserPrefs)
		switch {
		case own != nil:
			ours = api.ContactUserPref{Type: "contact", Preference: *own}
		case c.Incognito:
			ours = api.ContactUserPref{Type: "contact", Preference: f.get(nil)}
		}
		*f.merged(&m) = api.ContactUserPreference{
			Enabled:           f.enabled(ours.Preference, theirs),
			UserPreference:    ours,
			ContactPreference: theirs,
		}
	}
	if p := c.Profile.Preferences; p != nil && p.Commands != nil {
		m.Commands = p.Commands
	}
	return m
}

// param is the time that messages live where they disappear, as we have it.
func (f feature) param(m *api.ContactUserPreference) *int {
	if f.name != "timedMessages" || !m.Enabled.ForUser {
		return nil
	}
	return m.UserPreference.Preference.TTL
}

// stateText is a feature's state in words.
func (f feature) stateText(e api.PrefEnabled, ttl *int) string {
	on := "enabled"
	if f.name == "timedMessages" && ttl == nil {
		on = "allowed"
	}
	switch {
	case e.ForUser && e.ForContact:
	case e.ForUser:
		on += " for you"
	case e.ForContact:
		on += " for contact"
	default:
		on = "off"
	}
	if e.ForUser && ttl != nil {
		on += " (" + lifeText(*ttl) + ")"
	}
	return f.label + ": " + on
}

// lifeText is a number of seconds in words.
func lifeText(sec int) string {
	if sec == 0 {
		return "0 sec"
	}
	var words []string
	add := func(n int, one, many string) {
		switch {
		case n == 1:
			words = append(words, "1 "+one)
		case n > 1:
			words = append(words, fmt.Sprintf("%d %s", n, many))
		}
	}
	days := sec / 86400
	add(days/30, "month", "months")
	switch d := days % 30; d {
	case 7:
		add(1, "week", "")
	case 14:
		add(2, "", "weeks")
	default:
		add(d, "day", "days")
	}
	add(sec/3600%24, "hour", "hours")
	add(sec/60%60, "min", "min")
	add(sec%60, "sec", "sec")
	return strings.Join(words, " ")
}

// offer is how a change of what one side allows is told, when the state stays
// the same.
func (f feature) offer(p api.Preference, ours bool) (text string) {
	verb := "offered "
	if p.Allow == "no" {
		verb = "cancelled "
	}
	if ours {
		verb = "you " + verb
	}
	text = verb + f.label
	if p.TTL != nil && p.Allow != "no" {
		text += " (" + lifeText(*p.TTL) + ")"
	}
	return text
}
