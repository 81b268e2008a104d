package link

import (
	"errors"
	"fmt"
	"strings"

	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// Mode is what a connection request is for.
type Mode byte

// The modes, as on the wire.
const (
	Invitation  Mode = 'I' // one connection
	ContactMode Mode = 'C' // an address for many
)

// String is "invitation" or "contact".
func (m Mode) String() string {
	switch m {
	case Invitation:
		return "invitation"
	case ContactMode:
		return "contact"
	}
	return ""
}

// SimplexScheme is the scheme of links that apps open.
const SimplexScheme = "simplex:"

// WebScheme is the scheme of links that browsers open.
const WebScheme = "https://simplex.chat"

// minAgentVersion is what the versions of old contact links are raised to.
const minAgentVersion wire.Version = 2

// Request is a connection request, a full link.
type Request struct {
	Mode       Mode
	Scheme     string             // [SimplexScheme], [WebScheme] or another "https://host"; empty is the first
	Versions   wire.VersionRange  // of the agent
	Queues     []QueueURI         // at least one, at most 255
	ClientData *string            // of the application; nil is none
	E2E        *ratchet.ParamsURI // in invitations only, never nil there
}

// String is the text form.
func (r Request) String() string {
	queues := make([]string, len(r.Queues))
	for i, q := range r.Queues {
		queues[i] = q.String()
	}
	ps := []param{{"v", r.Versions.String()}, {"smp", strings.Join(queues, ";")}}
	if r.E2E != nil {
		ps = append(ps, param{"e2e", r.E2E.String()})
	}
	if r.ClientData != nil {
		ps = append(ps, param{"data", *r.ClientData})
	}
	scheme := r.Scheme
	if scheme == "" {
		scheme = SimplexScheme
	}
	return scheme + "/" + r.Mode.String() + "#/?" + encodeQuery(ps)
}

// ParseRequest parses the text form. The scheme is always read as
// [SimplexScheme], and the versions of a contact link are raised to those in
// use. The error is [ErrLink].
func ParseRequest(s string) (Request, error) {
	r, err := parseRequest(s)
	if err != nil {
		return Request{}, fmt.Errorf("%w: connection request: %v", ErrLink, err)
	}
	return r, nil
}

func parseRequest(s string) (r Request, err error) {
	rest, ok := cutScheme(s)
	if !ok {
		return r, errors.New("unknown scheme")
	}
	r.Scheme = SimplexScheme
	if rest, ok = strings.CutPrefix(rest, "/invitation"); ok {
		r.Mode = Invitation
	} else if rest, ok = strings.CutPrefix(rest, "/contact"); ok {
		r.Mode = ContactMode
	} else {
		return r, errors.New("unknown mode")
	}
	rest, ok = strings.CutPrefix(strings.TrimPrefix(rest, "/"), "#/?")
	if !ok || strings.ContainsAny(rest, " \n") {
		return r, errors.New("no query")
	}
	return r, r.parseParams(parseQuery(rest))
}

func (r *Request) parseParams(q query) (err error) {
	v, _ := q.get("v")
	if r.Versions, err = wire.ParseVersionRange(v); err != nil {
		return err
	}
	queues, _ := q.get("smp")
	for text := range strings.SplitSeq(queues, ";") {
		u, err := parseQueueURI(text)
		if err != nil {
			return err
		}
		r.Queues = append(r.Queues, u)
	}
	if len(r.Queues) > 255 {
		return errors.New("too many queues")
	}
	if data, ok := q.get("data"); ok {
		data = strings.ToValidUTF8(data, "\ufffd")
		if len(data) > wire.MaxLarge {
			return errors.New("client data too long")
		}
		r.ClientData = &data
	}
	if r.Mode == ContactMode {
		r.Versions.Min = max(r.Versions.Min, minAgentVersion)
		r.Versions.Max = max(r.Versions.Max, r.Versions.Min)
		return nil
	}
	text, _ := q.get("e2e")
	e2e, err := ratchet.ParseParamsURI(text)
	r.E2E = &e2e
	return err
}

// cutScheme cuts "simplex:" or "https://host:port".
func cutScheme(s string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(s, SimplexScheme); ok {
		return rest, true
	}
	if rest, ok = strings.CutPrefix(s, "https://"); !ok {
		return s, false
	}
	n := strings.IndexAny(rest, ":#,;/ ")
	if n <= 0 {
		return s, false
	}
	rest = rest[n:]
	if r, ok := strings.CutPrefix(rest, ":"); ok {
		rest = strings.TrimLeft(r, "0123456789")
		if len(rest) == len(r) {
			return s, false
		}
	}
	return rest, true
}

// Append appends the binary form; the scheme is lost, and modes of queues as
// [QueueURI.Append] says.
func (r Request) Append(b []byte) []byte {
	b = r.Versions.Append(append(b, byte(r.Mode)))
	b = wire.AppendListLen(b, len(r.Queues))
	for _, q := range r.Queues {
		b = q.Append(b)
	}
	b = wire.AppendMaybe(b, r.ClientData != nil, func(b []byte) []byte { return wire.AppendLarge(b, *r.ClientData) })
	if r.Mode == Invitation && r.E2E != nil {
		b = r.E2E.Append(b)
	}
	return b
}

// ReadRequest reads the binary form out of a longer one. A queue without a
// mode is read as a contact queue.
func ReadRequest(d *wire.Decoder) Request {
	r := Request{Mode: readConnMode(d), Scheme: SimplexScheme, Versions: d.VersionRange()}
	n := d.ListLen(1)
	for i := 0; i < n && d.Err() == nil; i++ {
		u := ReadQueueURI(d)
		if u.Mode == 0 {
			u.Mode = smp.Contact
		}
		r.Queues = append(r.Queues, u)
	}
	if d.Maybe() {
		data := strings.ToValidUTF8(string(d.Large()), "\ufffd")
		if len(data) > wire.MaxLarge {
			d.Expected("client data in UTF-8")
		}
		r.ClientData = &data
	}
	if r.Mode == Invitation {
		e2e := ratchet.ReadParamsURI(d)
		r.E2E = &e2e
	}
	return r
}

// ParseRequestBinary parses the whole of b. The error is wire.ErrSyntax, or
// of the parts.
func ParseRequestBinary(b []byte) (Request, error) {
	d := wire.NewDecoder(b)
	r := ReadRequest(d)
	if err := d.Done(); err != nil {
		return Request{}, fmt.Errorf("link: parse connection request: %w", err)
	}
	return r, nil
}

func readConnMode(d *wire.Decoder) Mode {
	switch {
	case d.TryLit("I"):
		return Invitation
	case d.TryLit("C"):
		return ContactMode
	}
	d.Expected("mode of a connection request")
	return 0
}

// SameContact tells whether two contact requests lead to the same queues.
func (r Request) SameContact(o Request) bool {
	if len(r.Queues) != len(o.Queues) {
		return false
	}
	for i, q := range r.Queues {
		if !q.SameQueue(o.Queues[i].Queue) {
			return false
		}
	}
	return true
}

// Link is what a user pastes: either field is set.
type Link struct {
	Full  *Request
	Short *Short
}

// Parse parses a full or a short link. The error is [ErrLink].
func Parse(s string) (Link, error) {
	r, err := ParseRequest(s)
	if err == nil {
		return Link{Full: &r}, nil
	}
	l, err := ParseShort(s)
	if err == nil {
		return Link{Short: &l}, nil
	}
	return Link{}, fmt.Errorf("%w: neither a full nor a short link", ErrLink)
}

// String is the text form.
func (l Link) String() string {
	switch {
	case l.Full != nil:
		return l.Full.String()
	case l.Short != nil:
		return l.Short.String()
	}
	return ""
}

// Mode is that of the link.
func (l Link) Mode() Mode {
	switch {
	case l.Full != nil:
		return l.Full.Mode
	case l.Short != nil:
		return l.Short.Mode()
	}
	return 0
}
