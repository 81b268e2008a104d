package xrcp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxJSONDepth bounds the nesting of app information.
const maxJSONDepth = 64

// canonicalJSON writes a JSON value as the reference would write what it has
// read: members sorted by key, no spaces, the last of equal keys, only the
// escapes that must be.
func canonicalJSON(raw []byte) ([]byte, error) {
	if !utf8.Valid(raw) {
		return nil, fmt.Errorf("%w: app is not UTF-8", ErrInvitation)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("%w: app: %v", ErrInvitation, err)
	}
	if d.More() {
		return nil, fmt.Errorf("%w: app: more than one value", ErrInvitation)
	}
	return appendJSON(nil, v, 0)
}

func appendJSON(b []byte, v any, depth int) ([]byte, error) {
	if depth > maxJSONDepth {
		return nil, fmt.Errorf("%w: app is too deep", ErrInvitation)
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return appendJSONString(b, v), nil
	case json.Number:
		return appendJSONNumber(b, string(v))
	case []any:
		return appendJSONArray(b, v, depth)
	case map[string]any:
		return appendJSONObject(b, v, depth)
	}
	panic(fmt.Sprintf("xrcp: JSON of type %T", v)) // unreachable: all that a decoder makes
}

func appendJSONArray(b []byte, items []any, depth int) (_ []byte, err error) {
	b = append(b, '[')
	for i, item := range items {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendJSON(b, item, depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func appendJSONObject(b []byte, members map[string]any, depth int) (_ []byte, err error) {
	keys := make([]string, 0, len(members))
	for k := range members {
		keys = append(keys, k)
	}
	slices.Sort(keys) // by bytes, which in UTF-8 is by code point
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendJSONString(b, k), ':')
		if b, err = appendJSON(b, members[k], depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendJSONString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c < 0x20:
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// appendJSONNumber writes numbers as the reference's decimal type does: whole
// ones with all digits, others with a point, or with a power of ten where they
// are below 0.1 or not below 10⁷.
func appendJSONNumber(b []byte, s string) ([]byte, error) {
	mantissa, exp, err := splitNumber(s)
	if err != nil {
		return nil, err
	}
	if exp >= 0 {
		return append(append(b, mantissa...), strings.Repeat("0", exp)...), nil
	}
	digits, negative := strings.CutPrefix(mantissa, "-")
	if negative {
		b = append(b, '-')
	}
	point := len(digits) + exp // digits before the point
	switch {
	case point >= 1 && point <= 7:
		return append(append(append(b, digits[:point]...), '.'), digits[point:]...), nil
	case point == 0:
		return append(append(b, "0."...), digits...), nil
	}
	b = append(append(b, digits[0]), '.')
	if len(digits) == 1 {
		b = append(b, '0')
	} else {
		b = append(b, digits[1:]...)
	}
	return fmt.Appendf(b, "e%d", point-1), nil
}

// splitNumber is s as mantissa·10^exp, with no zeros at the end of a mantissa
// that has a negative exponent.
func splitNumber(s string) (mantissa string, exp int, err error) {
	s = strings.ToLower(s)
	num, power, hasPower := strings.Cut(s, "e")
	if hasPower {
		if exp, err = strconv.Atoi(power); err != nil || exp > 1024 || exp < -1024 {
			return "", 0, fmt.Errorf("%w: app has a number out of range", ErrInvitation)
		}
	}
	whole, fraction, _ := strings.Cut(num, ".")
	n, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok || len(s) > 2048 {
		return "", 0, fmt.Errorf("%w: app has a number out of range", ErrInvitation)
	}
	exp -= len(fraction)
	mantissa = n.String()
	for exp < 0 && mantissa != "0" && strings.HasSuffix(mantissa, "0") {
		mantissa, exp = mantissa[:len(mantissa)-1], exp+1
	}
	if mantissa == "0" {
		exp = 0
	}
	return mantissa, exp, nil
}

const upperHex = "0123456789ABCDEF"

// appendPercent writes s as the value of a query's parameter.
func appendPercent[T ~[]byte | ~string](b []byte, s T) []byte {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '_', c == '.', c == '~':
			b = append(b, c)
		default:
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

// percentDecode undoes percent-coding once, with plus signs as spaces. What is
// no code stays as it is.
func percentDecode(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b = append(b, ' ')
		case s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			n, _ := strconv.ParseUint(s[i+1:i+3], 16, 8) // two hex digits
			b = append(b, byte(n))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// parseQuery is the first value of every parameter, decoded once.
func parseQuery(s string) map[string]string {
	out := map[string]string{}
	for param := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(param, "=")
		if name = percentDecode(name); name != "" {
			if _, dup := out[name]; !dup {
				out[name] = percentDecode(value)
			}
		}
	}
	return out
}

// parseHost reads the address in an invitation and gives its one written form:
// an IPv4 address, an IPv6 address in brackets, or a name.
func parseHost(s string) (host, rest string, err error) {
	if strings.HasPrefix(s, "[") {
		in, after, ok := strings.Cut(s[1:], "]")
		a, err := netip.ParseAddr(in)
		if !ok || err != nil || !a.Is6() || a.Zone() != "" {
			return "", "", fmt.Errorf("%w: bad IPv6 address", ErrInvitation)
		}
		return "[" + a.String() + "]", after, nil
	}
	end := strings.IndexAny(s, ":#,;/ \n\r\t[]")
	if end <= 0 || end > 253 {
		return "", "", fmt.Errorf("%w: no host", ErrInvitation)
	}
	host, rest = s[:end], s[end:]
	if a, err := netip.ParseAddr(host); err == nil {
		host = a.String()
	}
	for i := range len(host) {
		if c := host[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"%&?@\<>^{|}`+"`", c) >= 0 {
			return "", "", fmt.Errorf("%w: bad host", ErrInvitation)
		}
	}
	return host, rest, nil
}
