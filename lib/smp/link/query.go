package link

import (
	"errors"
	"strings"
)

// ErrLink is wrapped by the errors of all parsers of text. The input is not
// echoed: whoever holds a link can use it.
var ErrLink = errors.New("link: does not parse")

type param struct{ name, value string }

// encodeQuery writes name=value pairs, escaping all but letters, digits and
// "-_.~".
func encodeQuery(ps []param) string {
	var b strings.Builder
	for i, p := range ps {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name + "=")
		escape(&b, p.value)
	}
	return b.String()
}

func escape(b *strings.Builder, s string) {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.~", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteString(string([]byte{'%', digits[c>>4], digits[c&15]}))
		}
	}
}

// query are the parameters in order; of those with one name the first counts.
type query []param

// parseQuery splits at '&' and ';'. '+' is a space; a '%' without two digits
// is itself.
func parseQuery(s string) query {
	var q query
	for part := range strings.FieldsFuncSeq(strings.TrimPrefix(s, "?"), func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(part, "=")
		q = append(q, param{unescape(name), unescape(value)})
	}
	return q
}

func (q query) get(name string) (value string, ok bool) {
	for _, p := range q {
		if p.name == name {
			return p.value, true
		}
	}
	return "", false
}

func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			b = append(b, ' ')
		case c == '%' && i+2 < len(s) && hexDigit(s[i+1]) >= 0 && hexDigit(s[i+2]) >= 0:
			b = append(b, byte(hexDigit(s[i+1])<<4|hexDigit(s[i+2])))
			i += 2
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
