// Package markdown finds the formatting in message texts: the marks that
// SimpleX Chat shows as bold, secret or coloured text, and what it makes links
// of. A text is a list of lines, a line a list of fragments; a mark that is not
// closed, or has a space at its inside, is plain text.
//
//	*bold*  _italic_  ~strike~  `snippet`  #secret#  !1 red!  !blue blue!
//	@name  @'two words'  /command  /'command with spaces'  [text](link)
//	https://example.com  example.com  mail@example.com  +441234567890
//
// Bot API: FormattedText, Format.
package markdown

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Format is how a piece of text is shown; Type says which of the other fields
// are set.
type Format struct {
	Type       string   `json:"type"`
	Color      string   `json:"color,omitempty"`
	ShowText   *string  `json:"showText,omitempty"`
	LinkURI    string   `json:"linkUri,omitempty"`
	LinkType   string   `json:"linkType,omitempty"`
	SimplexURI string   `json:"simplexUri,omitempty"`
	SMPHosts   []string `json:"smpHosts,omitempty"`
	CommandStr string   `json:"commandStr,omitempty"`
	MemberName string   `json:"memberName,omitempty"`
}

// Text is a piece of a text; Format is nil where it is plain.
type Text struct {
	Format *Format `json:"format,omitempty"`
	Text   string  `json:"text"`
}

// Parse gives the pieces of a text, or nil if nothing in it is formatted. A
// text of one line that begins with a slash is a command as a whole.
func Parse(s string) []Text {
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	if s == "" {
		return nil
	}
	if len(lines) == 1 {
		if cmd, ok := strings.CutPrefix(strings.TrimLeft(lines[0], " "), "/"); ok {
			if cmd == "" {
				return nil
			}
			return []Text{{&Format{Type: "command", CommandStr: cmd}, lines[0]}}
		}
	}
	var out pieces
	for i, l := range lines {
		if i > 0 {
			out.add(nil, "\n")
		}
		p := parser{s: l}
		for p.s != "" {
			p.fragment()
		}
		for _, t := range p.out {
			out.add(t.Format, t.Text)
		}
	}
	for _, t := range out {
		if t.Format != nil {
			return out
		}
	}
	return nil
}

// pieces grow at their end; neighbours of one format are one piece.
type pieces []Text

func (p *pieces) add(f *Format, s string) {
	if s == "" {
		return
	}
	if n := len(*p); n > 0 && same((*p)[n-1].Format, f) {
		(*p)[n-1].Text += s
		return
	}
	*p = append(*p, Text{f, s})
}

func same(a, b *Format) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ShowText == nil && b.ShowText == nil && a.Type == b.Type && a.Color == b.Color && a.LinkURI == b.LinkURI &&
		a.SimplexURI == b.SimplexURI && a.CommandStr == b.CommandStr && a.MemberName == b.MemberName
}

// parser takes fragments off the left of a line.
type parser struct {
	s   string
	out pieces
}

// take moves n bytes to the pieces.
func (p *parser) take(f *Format, text string, n int) {
	p.out.add(f, text)
	p.s = p.s[n:]
}

var marks = map[byte]string{'*': "bold", '_': "italic", '~': "strikeThrough", '`': "snippet"}

func (p *parser) fragment() {
	c := p.s[0]
	if typ := marks[c]; typ != "" {
		p.marked(c, typ)
		return
	}
	done := false
	switch {
	case c == ' ':
		n := len(p.s) - len(strings.TrimLeft(p.s, " "))
		p.take(nil, p.s[:n], n)
		return
	case c == '#':
		p.secret()
		return
	case c == '!':
		done = p.colored()
	case c == '@':
		done = p.named("mention")
	case c == '/':
		done = p.named("command")
	case c == '[':
		done = p.hyperlink()
	case c == '+', c >= '0' && c <= '9':
		done = p.phone()
	}
	if !done {
		p.word()
	}
}

// wordLen is where the next space is, or the end.
func wordLen(s string) int {
	if i := strings.IndexByte(s, ' '); i >= 0 {
		return i
	}
	return len(s)
}

// spaced tells whether a marked text has a space at its inside, or is empty.
func spaced(s string) bool { return s == "" || s[0] == ' ' || s[len(s)-1] == ' ' }

// marked is text between two of the same mark.
func (p *parser) marked(c byte, typ string) {
	end := strings.IndexByte(p.s[1:], c)
	if end < 0 {
		p.take(nil, p.s, len(p.s))
		return
	}
	s := p.s[1 : 1+end]
	if spaced(s) {
		p.take(nil, p.s[:end+2], end+2)
		return
	}
	p.take(&Format{Type: typ}, s, end+2)
}

// secret is text between hashes; more than one at an end belongs to the text.
// What is not closed is plain to the end.
func (p *parser) secret() {
	open := len(p.s) - len(strings.TrimLeft(p.s, "#"))
	end := strings.IndexByte(p.s[open:], '#')
	if end < 0 {
		p.take(nil, p.s, len(p.s))
		return
	}
	end += open
	n := len(p.s) - len(strings.TrimLeft(p.s[end:], "#"))
	if spaced(p.s[open:end]) {
		p.take(nil, p.s[:n], n)
		return
	}
	p.take(&Format{Type: "secret"}, p.s[1:n-1], n)
}

var colors = map[string]string{"1": "red", "2": "green", "3": "blue", "4": "yellow", "5": "cyan", "6": "magenta",
	"r": "red", "g": "green", "b": "blue", "y": "yellow", "c": "cyan", "m": "magenta",
	"red": "red", "green": "green", "blue": "blue", "yellow": "yellow", "cyan": "cyan", "magenta": "magenta"}

// colored is "!COLOR text!".
func (p *parser) colored() bool {
	word, rest, ok := strings.Cut(p.s[1:], " ")
	color := colors[word]
	if !ok || color == "" {
		return false
	}
	end := strings.IndexByte(rest, '!')
	if end < 0 || spaced(rest[:end]) {
		return false
	}
	p.take(&Format{Type: "colored", Color: color}, rest[:end], len(word)+3+end)
	return true
}

// named is a name or a command after its sign, quoted if it has spaces.
// Punctuation at its end is not part of it.
func (p *parser) named(typ string) bool {
	sign, rest := p.s[:1], p.s[1:]
	var name, whole string
	if q, ok := strings.CutPrefix(rest, "'"); ok {
		end := strings.IndexByte(q, '\'')
		if end < 0 || spaced(q[:end]) {
			return false
		}
		name, whole = q[:end], rest[:end+2]
	} else {
		n := wordLen(rest)
		name = rest[:n]
		name = strings.TrimRightFunc(name, isPunctuation)
		whole = name
		if name == "" || isPunctuation(firstRune(name)) || strings.HasPrefix(name, "/") {
			return false
		}
	}
	f := &Format{Type: typ, CommandStr: name}
	if typ == "mention" {
		f.CommandStr, f.MemberName = "", name
	}
	p.take(f, sign+whole, 1+len(whole))
	p.plainToSpace()
	return true
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// plainToSpace takes what sticks to the end of a name.
func (p *parser) plainToSpace() {
	n := wordLen(p.s)
	if rest := p.s[:n]; strings.IndexFunc(rest, func(r rune) bool { return !isPunctuation(r) }) < 0 {
		p.take(nil, rest, n)
	}
}

// isPunctuation tells whether a sign at the end of a word is not part of a
// link or a name.
func isPunctuation(r rune) bool { return unicode.IsPunct(r) && !strings.ContainsRune("/)_!", r) }

// hyperlink is "[text](link)".
func (p *parser) hyperlink() bool {
	text, rest, ok := strings.Cut(p.s[1:], "](")
	if !ok || text == "" || strings.Contains(text, "]") {
		return false
	}
	uri, _, ok := strings.Cut(rest, ")")
	if !ok || uri == "" {
		return false
	}
	odd := strings.IndexFunc(text, func(r rune) bool { return unicode.IsPunct(r) && r != '-' && r != '_' }) >= 0
	if odd && text != uri && "https://"+text != uri {
		return false // the text must not look like another link
	}
	n := len("[](") + len(text) + len(uri) + 1
	f, full := simplexLink(uri)
	switch {
	case full:
		return false
	case f != nil:
		f.ShowText = &text
	case isWeb(uri):
		f = &Format{Type: "hyperLink", ShowText: &text, LinkURI: uri}
	default:
		return false
	}
	p.take(f, p.s[:n], n)
	return true
}

// phone is a number of 7 to 22 signs: +CC (CODE) and groups of digits.
func (p *parser) phone() bool {
	n := 0
	digits := func(at int) int {
		k := at
		for k < len(p.s) && p.s[k] >= '0' && p.s[k] <= '9' {
			k++
		}
		return k
	}
	if p.s[0] == '+' {
		if n = digits(1); n == 1 {
			return false
		}
	}
	sep := func(at int) int {
		if at < len(p.s) && strings.IndexByte(" -.", p.s[at]) >= 0 {
			return at + 1
		}
		return at
	}
	if k := sep(n); k < len(p.s) && p.s[k] == '(' {
		if end := digits(k + 1); end > k+1 && end < len(p.s) && p.s[end] == ')' {
			n = end + 1
		}
	}
	for {
		k := sep(n)
		end := digits(k)
		if end == k {
			break
		}
		n = end
	}
	if n < 7 || n > 22 {
		return false
	}
	p.take(&Format{Type: "phone"}, p.s[:n], n)
	return true
}

// word is everything up to a space: a link, an address or plain.
func (p *parser) word() {
	n := wordLen(p.s)
	w := p.s[:n]
	s := strings.TrimRightFunc(w, isPunctuation)
	var f *Format
	switch {
	case looksLikeURI(s):
		if f, _ = simplexLink(w); f == nil && isWeb(s) {
			f = &Format{Type: "uri"}
		}
	case isDomain(s):
		f = &Format{Type: "uri"}
	case isEmail(s):
		f = &Format{Type: "email"}
	}
	if f == nil {
		s = w
	}
	p.take(f, s, len(s))
	if len(s) < n {
		p.take(nil, p.s[:n-len(s)], n-len(s))
	}
}
