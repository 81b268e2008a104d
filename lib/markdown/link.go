package markdown

import (
	"net/mail"
	"net/url"
	"strings"

	"github.com/simplexkit/simplexkit/lib/smp/link"
)

func looksLikeURI(s string) bool {
	return len(s) >= 10 && (strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "simplex:/"))
}

// isWeb tells whether s is the address of a web page: its host has a dot.
func isWeb(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && strings.Contains(u.Host, ".")
}

// isDomain tells whether s is likely to be the name of a web site.
func isDomain(s string) bool {
	parts := strings.Split(s, ".")
	switch len(parts) {
	case 2:
	case 3:
		if n := len([]rune(parts[0])); n < 3 || n > 8 {
			return false
		}
		parts = parts[1:]
	default:
		return false
	}
	name, tld := parts[0], parts[1]
	return len(name) >= 1 && len(name) <= 24 && len(tld) >= 2 && len(tld) <= 8 && isLetters(name) && isLetters(tld)
}

func isLetters(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

func isEmail(s string) bool {
	if !strings.Contains(s, "@") || strings.ContainsAny(s, "<>\"") {
		return false
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s {
		return false
	}
	_, host, _ := strings.Cut(s, "@")
	return strings.Contains(host, ".")
}

var shortTypes = map[link.Type]string{link.OneTime: "invitation", link.Address: "contact",
	link.Group: "group", link.Channel: "channel", link.Relay: "relay"}

// simplexLink is the format of a connection link, nil if s is none; full tells
// that it is the long form.
func simplexLink(s string) (f *Format, full bool) {
	if sl, err := link.ParseShort(s); err == nil {
		sl.Web = false
		return &Format{Type: "simplexLink", LinkType: shortTypes[sl.Type], SimplexURI: sl.String(), SMPHosts: sl.Server.Hosts}, false
	}
	r, err := link.ParseRequest(s)
	if err != nil {
		return nil, false
	}
	f = &Format{Type: "simplexLink", LinkType: "invitation", SimplexURI: r.String()}
	if r.Mode != link.Invitation {
		f.LinkType = "contact"
		if r.ClientData != nil && strings.Contains(*r.ClientData, `"group"`) {
			f.LinkType = "group"
		}
	}
	for _, q := range r.Queues {
		f.SMPHosts = append(f.SMPHosts, q.Server.Hosts...)
	}
	return f, true
}
