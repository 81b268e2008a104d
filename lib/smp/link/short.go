package link

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// Type is the letter of a short link.
type Type byte

// The types. All but the first are contact links.
const (
	OneTime Type = 'i' // invitation
	Address Type = 'a' // contact address
	Channel Type = 'c'
	Group   Type = 'g'
	Relay   Type = 'r' // chat relay
)

// Key is the key of a short link, 32 bytes: who has it can read the data.
type Key string

// Short is a short link. In one-time links LinkID says where the data is; for
// contact links it is derived from the key. A Server of one host without port
// and fingerprint is one that every app knows, see [Short.Restore].
type Short struct {
	Web    bool // https://host/…; false is simplex:/…
	Type   Type
	Server smp.ServerAddr
	LinkID smp.LinkID // of one-time links
	Key    Key
}

// Mode is what the link's connection request must be for.
func (l Short) Mode() Mode {
	if l.Type == OneTime {
		return Invitation
	}
	return ContactMode
}

// String is the text form.
func (l Short) String() string {
	authority, hosts := SimplexScheme, l.Server.Hosts
	if l.Web && len(hosts) > 0 {
		authority, hosts = "https://"+hosts[0], hosts[1:]
	}
	var ps []param
	if len(hosts) > 0 {
		ps = append(ps, param{"h", strings.Join(hosts, ",")})
	}
	if l.Server.Port != "" {
		ps = append(ps, param{"p", l.Server.Port})
	}
	if l.Server.KeyHash != "" {
		ps = append(ps, param{"c", unpadded(l.Server.KeyHash)})
	}
	s := authority + "/" + string(l.Type) + "#"
	if l.Type == OneTime {
		s += unpadded(l.LinkID) + "/"
	}
	s += unpadded(l.Key)
	if len(ps) > 0 {
		s += "?" + encodeQuery(ps)
	}
	return s
}

func unpadded[T ~string](s T) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// ParseShort parses the text form. The error is [ErrLink].
func ParseShort(s string) (Short, error) {
	l, err := parseShort(s)
	if err != nil {
		return Short{}, fmt.Errorf("%w: short link: %v", ErrLink, err)
	}
	return l, nil
}

func parseShort(s string) (l Short, err error) {
	rest, ok := strings.CutPrefix(s, SimplexScheme)
	if !ok {
		if rest, ok = strings.CutPrefix(s, "https://"); !ok {
			return l, errors.New("unknown scheme")
		}
		hosts, r, err := smp.CutHosts(rest)
		if err != nil || len(hosts) != 1 {
			return l, errors.New("no host")
		}
		l.Web, l.Server.Hosts, rest = true, hosts, r
	}
	if len(rest) < 2 || rest[0] != '/' {
		return l, errors.New("no type")
	}
	if l.Type, err = parseType(rest[1]); err != nil {
		return l, err
	}
	rest, ok = strings.CutPrefix(strings.TrimPrefix(rest[2:], "/"), "#")
	if !ok {
		return l, errors.New("no '#'")
	}
	id, r, err := smp.CutBase64(rest)
	if l.Type == OneTime && err == nil {
		l.LinkID = smp.LinkID(id)
		if r, ok = strings.CutPrefix(r, "/"); !ok {
			return l, errors.New("no link ID")
		}
		id, r, err = smp.CutBase64(r)
	}
	if err != nil || len(id) > wire.MaxShort || len(l.LinkID) > wire.MaxShort {
		return l, errors.New("no key")
	}
	l.Key = Key(id)
	return l, l.parseServer(r)
}

// parseType accepts contact types in either case, 'i' in lower case only.
func parseType(c byte) (Type, error) {
	t := Type(c)
	if 'A' <= c && c <= 'Z' {
		t += 'a' - 'A'
	}
	switch t {
	case Address, Channel, Group, Relay:
		return t, nil
	case OneTime:
		if c == 'i' {
			return t, nil
		}
	}
	return 0, errors.New("unknown type")
}

func (l *Short) parseServer(rest string) error {
	text, hasQuery := strings.CutPrefix(rest, "?")
	switch {
	case !hasQuery && rest != "", strings.ContainsAny(text, " \n"):
		return errors.New("characters left over")
	case !hasQuery:
		if !l.Web {
			return errors.New("no server")
		}
		return nil
	}
	q := parseQuery(text)
	if h, ok := q.get("h"); ok && h != "" {
		hosts, rest, err := smp.CutHosts(h)
		if err != nil || rest != "" || len(hosts)+len(l.Server.Hosts) > 255 {
			return errors.New("bad hosts")
		}
		l.Server.Hosts = append(l.Server.Hosts, hosts...)
	}
	if len(l.Server.Hosts) == 0 {
		return errors.New("no server")
	}
	if p, ok := q.get("p"); ok {
		// A port is a word16: larger numbers wrap around, as elsewhere.
		n, err := strconv.ParseUint(p, 10, 64)
		if err != nil {
			return errors.New("bad port")
		}
		l.Server.Port = strconv.Itoa(int(uint16(n)))
	}
	if c, ok := q.get("c"); ok {
		hash, rest, err := smp.CutBase64(c)
		if err != nil || rest != "" || len(hash) > wire.MaxShort {
			return errors.New("bad fingerprint")
		}
		l.Server.KeyHash = smp.Fingerprint(hash)
	}
	return nil
}

// Append appends the binary form; Web is lost.
func (l Short) Append(b []byte) []byte {
	if l.Type == OneTime {
		b = l.Server.Append(append(b, byte(Invitation)))
		return wire.AppendShort(wire.AppendShort(b, l.LinkID), l.Key)
	}
	b = l.Server.Append(append(b, byte(ContactMode), byte(l.Type)-('a'-'A')))
	return wire.AppendShort(b, l.Key)
}

// ReadShort reads the binary form out of a longer one, as a web link.
func ReadShort(d *wire.Decoder) Short {
	if readConnMode(d) == Invitation {
		return Short{true, OneTime, smp.ReadServer(d), smp.LinkID(d.Short()), Key(d.Short())}
	}
	t := Type(d.Byte()) + 'a' - 'A'
	switch t {
	case Address, Channel, Group, Relay:
	default:
		d.Expected("type of a short link")
	}
	return Short{Web: true, Type: t, Server: smp.ReadServer(d), Key: Key(d.Short())}
}

// ParseShortBinary parses the whole of b. The error is wire.ErrSyntax.
func ParseShortBinary(b []byte) (Short, error) {
	d := wire.NewDecoder(b)
	l := ReadShort(d)
	if err := d.Done(); err != nil {
		return Short{}, fmt.Errorf("link: parse short link: %w", err)
	}
	return l, nil
}

// Shorten leaves out of a link what apps know of its server. presets are the
// servers that come with apps, not those that a user has added.
func (l Short) Shorten(presets []smp.ServerAddr) Short {
	p, ok := preset(l.Server, presets)
	if !ok || p.KeyHash != l.Server.KeyHash {
		return l
	}
	if l.Server.Port != p.Port && (p.Port != "" || !slices.Contains(smp.DefaultPorts, l.Server.Port)) {
		return l
	}
	for _, h := range l.Server.Hosts {
		if !slices.Contains(p.Hosts, h) {
			return l
		}
	}
	l.Server = smp.ServerAddr{Hosts: []string{l.Server.Hosts[0]}}
	return l
}

// Restore puts back what [Short.Shorten] has left out.
func (l Short) Restore(presets []smp.ServerAddr) Short {
	if len(l.Server.Hosts) != 1 || l.Server.Port != "" || l.Server.KeyHash != "" {
		return l
	}
	if p, ok := preset(l.Server, presets); ok {
		l.Server = p
	}
	return l
}

func preset(s smp.ServerAddr, presets []smp.ServerAddr) (smp.ServerAddr, bool) {
	i := slices.IndexFunc(presets, func(p smp.ServerAddr) bool {
		return len(p.Hosts) > 0 && len(s.Hosts) > 0 && p.Hosts[0] == s.Hosts[0]
	})
	if i < 0 {
		return smp.ServerAddr{}, false
	}
	return presets[i], true
}

// SameContact tells whether two contact links are the same, whatever their
// form.
func (l Short) SameContact(o Short) bool {
	return l.Type == o.Type && l.Server.SameAddr(o.Server) && l.Key == o.Key
}
