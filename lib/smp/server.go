package smp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/simplexkit/simplexkit/lib/wire"
)

// ErrAddress is wrapped by the errors of the parsers of addresses. The input
// is not echoed, as it may hold a password.
var ErrAddress = errors.New("smp: bad server address")

// ServerAddr says where a server is and how it proves its identity:
//
//	smp://FINGERPRINT@host,onion-host:port
//
// smp: SMP queue URI
type ServerAddr struct {
	Scheme  string   // "ntf" or "xftp"; empty is "smp"
	Hosts   []string // names of one server, at least one; the first is preferred
	Port    string   // decimal, without leading zeros; empty is the default
	KeyHash Fingerprint
}

// AuthServer is a server with the password for creating queues, if any.
type AuthServer struct {
	ServerAddr
	BasicAuth *BasicAuth
}

// BasicAuth is the password of a server: printable characters without
// spaces, '@', ':' and '/', at most 255.
type BasicAuth string

// DefaultPorts are tried in this order where an address has no port.
var DefaultPorts = []string{"443", "5223"}

// String is the text form; two addresses with the same string are the same,
// so it serves as a map key.
func (s ServerAddr) String() string { return s.text(nil) }

// String is the text form, with the password.
func (s AuthServer) String() string { return s.text(s.BasicAuth) }

func (s ServerAddr) text(auth *BasicAuth) string {
	var b strings.Builder
	b.WriteString(s.scheme() + "://" + s.KeyHash.String())
	if auth != nil {
		b.WriteString(":" + string(*auth))
	}
	b.WriteString("@" + strings.Join(s.Hosts, ","))
	if s.Port != "" {
		b.WriteString(":" + s.Port)
	}
	return b.String()
}

func (s ServerAddr) scheme() string {
	if s.Scheme == "" {
		return "smp"
	}
	return s.Scheme
}

// Equal tells whether two addresses are the same in every part.
func (s ServerAddr) Equal(o ServerAddr) bool {
	return s.SameAddr(o) && s.KeyHash == o.KeyHash && s.scheme() == o.scheme()
}

// SameAddr tells whether hosts and ports are the same, whatever the identity.
func (s ServerAddr) SameAddr(o ServerAddr) bool {
	return slices.Equal(s.Hosts, o.Hosts) && s.Port == o.Port
}

// Append appends the binary form: list of short hosts, short port, short
// fingerprint. It panics on a host or port over 255 bytes; parsed addresses
// have none.
func (s ServerAddr) Append(b []byte) []byte {
	b = wire.AppendListLen(b, len(s.Hosts))
	for _, h := range s.Hosts {
		b = wire.AppendShort(b, h)
	}
	return wire.AppendShort(wire.AppendShort(b, s.Port), s.KeyHash)
}

// AppendLegacy appends the form of client version 1: the first host only,
// without a count.
func (s ServerAddr) AppendLegacy(b []byte) []byte {
	b = wire.AppendShort(b, s.Hosts[0])
	return wire.AppendShort(wire.AppendShort(b, s.Port), s.KeyHash)
}

// ReadServer reads the binary form of an SMP server.
func ReadServer(d *wire.Decoder) ServerAddr {
	var s ServerAddr
	n := d.ListLen(1)
	for i := 0; i < n && d.Err() == nil; i++ {
		s.Hosts = append(s.Hosts, readHost(d))
	}
	s.Port, s.KeyHash = string(d.Short()), readID[Fingerprint](d)
	return s
}

// ReadLegacyServer reads the form of client version 1.
func ReadLegacyServer(d *wire.Decoder) ServerAddr {
	return ServerAddr{Hosts: []string{readHost(d)}, Port: string(d.Short()), KeyHash: readID[Fingerprint](d)}
}

// ParseServerAddr parses the address of an SMP server without a password.
// The error is [ErrAddress].
func ParseServerAddr(s string) (ServerAddr, error) {
	a, err := ParseAuthServer(s)
	if err != nil {
		return ServerAddr{}, err
	}
	if a.BasicAuth != nil {
		return ServerAddr{}, fmt.Errorf("%w: password not allowed here", ErrAddress)
	}
	return a.ServerAddr, nil
}

// ParseAuthServer parses the address of an SMP server, with or without a
// password. The error is [ErrAddress].
func ParseAuthServer(s string) (AuthServer, error) {
	a, err := ParseAnyServer(s)
	if err == nil && a.Scheme != "" {
		err = fmt.Errorf("%w: not an SMP server", ErrAddress)
	}
	if err != nil {
		return AuthServer{}, err
	}
	return a, nil
}

// ParseAnyServer parses the address of an SMP, NTF or XFTP server. The error
// is [ErrAddress].
func ParseAnyServer(s string) (AuthServer, error) {
	a, rest, err := CutServer(s)
	if err == nil && rest != "" {
		err = fmt.Errorf("%w: %d characters left over", ErrAddress, len(rest))
	}
	if err != nil {
		return AuthServer{}, err
	}
	return a, nil
}

// CutServer parses the address that s begins with and gives what follows it.
// The error is [ErrAddress].
func CutServer(s string) (a AuthServer, rest string, err error) {
	scheme, rest, ok := strings.Cut(s, "://")
	switch {
	case !ok:
		return a, s, fmt.Errorf("%w: no scheme", ErrAddress)
	case scheme == "ntf", scheme == "xftp":
		a.Scheme = scheme
	case scheme != "smp":
		return a, s, fmt.Errorf("%w: unknown scheme", ErrAddress)
	}
	hash, rest, err := CutBase64(rest)
	if err != nil {
		return a, s, fmt.Errorf("%w: no fingerprint", ErrAddress)
	}
	if len(hash) > wire.MaxShort {
		return a, s, fmt.Errorf("%w: fingerprint too long", ErrAddress)
	}
	a.KeyHash = Fingerprint(hash)
	if r, ok := strings.CutPrefix(rest, ":"); ok {
		password, _, _ := strings.Cut(r, "@")
		if !validBasicAuth(password) || password == "" {
			return a, s, fmt.Errorf("%w: bad password", ErrAddress)
		}
		a.BasicAuth = new(BasicAuth(password))
		rest = r[len(password):]
	}
	rest, ok = strings.CutPrefix(rest, "@")
	if !ok {
		return a, s, fmt.Errorf("%w: no host", ErrAddress)
	}
	if a.Hosts, rest, err = CutHosts(rest); err != nil {
		return a, s, err
	}
	a.Port, rest = cutPort(rest)
	return a, rest, nil
}

// cutPort cuts ":digits"; without digits it cuts nothing.
func cutPort(s string) (port, rest string) {
	r, ok := strings.CutPrefix(s, ":")
	n := 0
	for n < len(r) && '0' <= r[n] && r[n] <= '9' {
		n++
	}
	if !ok || n == 0 || n > 18 {
		return "", s
	}
	port = strings.TrimLeft(r[:n], "0")
	if port == "" {
		port = "0"
	}
	return port, r[n:]
}

// CutBase64 cuts the base64url text that s begins with, padding included,
// and decodes it. The error is wire.ErrBase64, for an empty text too.
func CutBase64(s string) (b []byte, rest string, err error) {
	n := 0
	for n < len(s) && isBase64(s[n]) {
		n++
	}
	if n == 0 {
		return nil, s, wire.ErrBase64
	}
	for n < len(s) && s[n] == '=' {
		n++
	}
	b, err = wire.ParseBase64(s[:n])
	return b, s[n:], err
}

func isBase64(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// ParseBasicAuth checks a password. The error is [ErrAddress].
func ParseBasicAuth(s string) (BasicAuth, error) {
	if !validBasicAuth(s) {
		return "", fmt.Errorf("%w: bad password", ErrAddress)
	}
	return BasicAuth(s), nil
}

// validBasicAuth looks at bytes as Latin-1, as the wire has no other text.
func validBasicAuth(s string) bool {
	for i := range len(s) {
		c := rune(s[i])
		if !unicode.IsPrint(c) || unicode.IsSpace(c) || strings.ContainsRune("@:/", c) {
			return false
		}
	}
	return len(s) <= wire.MaxShort
}

func readBasicAuth(d *wire.Decoder) *BasicAuth {
	a, err := ParseBasicAuth(string(d.Short()))
	if err != nil {
		d.Fail(fmt.Errorf("%w: %w", wire.ErrSyntax, err))
	}
	return &a
}

func maybeBasicAuth(d *wire.Decoder) *BasicAuth {
	if !d.Maybe() {
		return nil
	}
	return readBasicAuth(d)
}

func appendMaybeBasicAuth(b []byte, a *BasicAuth) []byte {
	if a == nil {
		return append(b, '0')
	}
	return wire.AppendShort(append(b, '1'), *a)
}
