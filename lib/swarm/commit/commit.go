package commit

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of what is read. Git has none; without them one commit could fill the
// memory of every member.
const (
	MaxCommit  = 1 << 20
	MaxParents = 16
	maxName    = 1024
	maxHeaders = 16
)

// Person is the author or committer of a commit.
type Person struct {
	Name  string
	Email string // the device id
	Time  int64  // seconds since 1970
	Zone  string // +0000
}

// Header is a header line between committer and message. Value holds the
// continuation lines joined by newlines.
type Header struct{ Key, Value string }

// Commit is a parsed commit.
type Commit struct {
	Tree              ObjectID
	Parents           []ObjectID
	Author, Committer Person
	// Headers stand after the committer, the signature among them.
	Headers []Header
	// Message is all after the blank line.
	Message []byte

	raw    []byte
	sigAt  int // where the signature header begins in raw, 0 if there is none
	sigEnd int
}

// SignatureHeader is the key of the header with the signature.
const SignatureHeader = "signature"

// ParseCommit reads the bytes of a commit object, all of them and nothing but
// what AppendBinary writes again. It keeps b, which must not change afterwards.
func ParseCommit(b []byte) (*Commit, error) {
	if len(b) > MaxCommit {
		return nil, fmt.Errorf("commit: %d bytes: %w", len(b), ErrMalformed)
	}
	p := commitParser{raw: b, rest: b, c: &Commit{raw: b}}
	if err := p.parse(); err != nil {
		return nil, fmt.Errorf("commit: %v: %w", err, ErrMalformed)
	}
	return p.c, nil
}

type commitParser struct {
	raw, rest []byte
	c         *Commit
}

func (p *commitParser) parse() (err error) {
	if p.c.Tree, err = p.id("tree "); err != nil {
		return err
	}
	for bytes.HasPrefix(p.rest, []byte("parent ")) {
		id, err := p.id("parent ")
		if err != nil {
			return err
		}
		if p.c.Parents = append(p.c.Parents, id); len(p.c.Parents) > MaxParents {
			return fmt.Errorf("more than %d parents", MaxParents)
		}
	}
	if p.c.Author, err = p.person("author "); err != nil {
		return err
	}
	if p.c.Committer, err = p.person("committer "); err != nil {
		return err
	}
	for {
		at := len(p.raw) - len(p.rest)
		h, end, err := p.header()
		if err != nil {
			return err
		}
		if end {
			break
		}
		if h.Key == SignatureHeader {
			if p.c.sigAt != 0 {
				return fmt.Errorf("two signatures")
			}
			p.c.sigAt, p.c.sigEnd = at, len(p.raw)-len(p.rest)
		}
		if p.c.Headers = append(p.c.Headers, h); len(p.c.Headers) > maxHeaders {
			return fmt.Errorf("more than %d headers", maxHeaders)
		}
	}
	if bytes.IndexByte(p.rest, 0) >= 0 {
		return fmt.Errorf("NUL in the message")
	}
	p.c.Message = p.rest
	return nil
}

func (p *commitParser) line() ([]byte, error) {
	i := bytes.IndexByte(p.rest, '\n')
	if i < 0 {
		return nil, fmt.Errorf("header without end")
	}
	l := p.rest[:i]
	if bytes.IndexByte(l, 0) >= 0 {
		return nil, fmt.Errorf("NUL in a header")
	}
	p.rest = p.rest[i+1:]
	return l, nil
}

func (p *commitParser) id(prefix string) (ObjectID, error) {
	l, err := p.line()
	if err != nil {
		return ObjectID{}, err
	}
	s, ok := strings.CutPrefix(string(l), prefix)
	if !ok {
		return ObjectID{}, fmt.Errorf("no %s", strings.TrimSpace(prefix))
	}
	return ParseObjectID(s)
}

func (p *commitParser) person(prefix string) (Person, error) {
	l, err := p.line()
	if err != nil {
		return Person{}, err
	}
	s, ok := strings.CutPrefix(string(l), prefix)
	if !ok {
		return Person{}, fmt.Errorf("no %s", strings.TrimSpace(prefix))
	}
	return parsePerson(s)
}

func parsePerson(s string) (Person, error) {
	var p Person
	lt, gt := strings.IndexByte(s, '<'), strings.IndexByte(s, '>')
	if lt < 1 || gt < lt || s[lt-1] != ' ' || strings.ContainsAny(s[gt+1:], "<>") || strings.IndexByte(s[lt+1:gt], '<') >= 0 {
		return p, fmt.Errorf("person without name and e-mail")
	}
	p.Name, p.Email = s[:lt-1], s[lt+1:gt]
	if len(p.Name) > maxName || len(p.Email) > maxName {
		return p, fmt.Errorf("name of %d bytes", max(len(p.Name), len(p.Email)))
	}
	secs, zone, ok := strings.Cut(strings.TrimPrefix(s[gt+1:], " "), " ")
	if !ok || s[gt+1] != ' ' {
		return p, fmt.Errorf("person without time")
	}
	t, err := strconv.ParseInt(secs, 10, 64)
	if err != nil || t < 0 || strconv.FormatInt(t, 10) != secs {
		return p, fmt.Errorf("time")
	}
	if len(zone) != 5 || zone[0] != '+' && zone[0] != '-' || strings.Trim(zone[1:], "0123456789") != "" {
		return p, fmt.Errorf("time zone")
	}
	p.Time, p.Zone = t, zone
	return p, nil
}

// header reads a header with its continuation lines, or the blank line.
func (p *commitParser) header() (h Header, end bool, err error) {
	l, err := p.line()
	if err != nil {
		return h, false, err
	}
	if len(l) == 0 {
		return h, true, nil
	}
	key, value, ok := bytes.Cut(l, []byte(" "))
	if !ok || len(key) == 0 {
		return h, false, fmt.Errorf("header without value")
	}
	switch string(key) {
	case "tree", "parent", "author", "committer":
		return h, false, fmt.Errorf("second %s", key)
	}
	h = Header{Key: string(key), Value: string(value)}
	for len(p.rest) > 0 && p.rest[0] == ' ' {
		l, err := p.line()
		if err != nil {
			return h, false, err
		}
		h.Value += "\n" + string(l[1:])
	}
	return h, false, nil
}

// AppendBinary appends the commit object's bytes.
func (c *Commit) AppendBinary(b []byte) ([]byte, error) {
	for _, p := range []Person{c.Author, c.Committer} {
		if strings.ContainsAny(p.Name+p.Email, "<>\n\x00") {
			return nil, fmt.Errorf("commit: name or e-mail with <, >, newline or NUL: %w", ErrMalformed)
		}
	}
	b = append(append(append(b, "tree "...), c.Tree.String()...), '\n')
	for _, id := range c.Parents {
		b = append(append(append(b, "parent "...), id.String()...), '\n')
	}
	b = append(append(c.Author.append(append(b, "author "...)), '\n'), "committer "...)
	b = append(c.Committer.append(b), '\n')
	for _, h := range c.Headers {
		b = append(append(b, h.Key...), ' ')
		b = append(append(b, strings.ReplaceAll(h.Value, "\n", "\n ")...), '\n')
	}
	return append(append(b, '\n'), c.Message...), nil
}

func (p Person) append(b []byte) []byte {
	b = append(append(append(b, p.Name...), " <"...), p.Email...)
	b = strconv.AppendInt(append(b, "> "...), p.Time, 10)
	return append(append(b, ' '), p.Zone...)
}

// Signature is what the signature header holds; ok is false without one.
func (c *Commit) Signature() (sig string, ok bool) {
	for _, h := range c.Headers {
		if h.Key == SignatureHeader {
			return h.Value, true
		}
	}
	return "", false
}

// Signed is what a parsed commit's signature covers, and the signature: nil if
// the header is missing or is not base64 in one line.
func (c *Commit) Signed() (message, sig []byte) {
	if c.sigAt == 0 {
		return c.raw, nil
	}
	message = make([]byte, 0, len(c.raw)-(c.sigEnd-c.sigAt))
	message = append(append(message, c.raw[:c.sigAt]...), c.raw[c.sigEnd:]...)
	text, _ := c.Signature()
	sig, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") || len(sig) == 0 {
		return message, nil
	}
	return message, sig
}

// Signer signs a message with the key of a device.
type Signer interface {
	Sign(message []byte) ([]byte, error)
}

// Sign adds the signature header, which must not be there, and returns the
// object.
func (c *Commit) Sign(by Signer) (Object, error) {
	plain, err := c.AppendBinary(nil)
	if err != nil {
		return Object{}, err
	}
	sig, err := by.Sign(plain)
	if err != nil {
		return Object{}, err
	}
	c.Headers = append([]Header{{SignatureHeader, base64.StdEncoding.EncodeToString(sig)}}, c.Headers...)
	raw, err := c.AppendBinary(nil)
	if err != nil {
		return Object{}, err
	}
	if _, err := ParseCommit(raw); err != nil {
		return Object{}, err
	}
	return Object{Type: TypeCommit, Data: raw}, nil
}

// AuthorName is a display name as it can stand in a commit: without < and > and
// what ends lines, not empty; where nothing is left it is fallback.
func AuthorName(display, fallback string) string {
	name := strings.Map(func(r rune) rune {
		if r == '<' || r == '>' || r < 0x20 || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, display)
	for len(name) > 200 {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	// Git drops these at the ends of a name, so that one of them alone is none.
	if name = strings.Trim(name, " .,:;\"\\'"); name == "" {
		return fallback
	}
	return name
}
