package relays

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// Network says how relays are reached. The zero value reaches all directly,
// over one session for each user and relay.
type Network struct {
	SOCKS     string // host:port of a SOCKS5 proxy, such as Tor's; empty: none
	Onion     Onion
	Isolation Isolation
	Proxy     ProxyMode
	Fallback  Fallback
	// Operators names who runs relays, by the end of their host names; nil is
	// [Operators]. Relays of nobody named have one operator, us.
	Operators map[string]string
}

// Operators are those of the relays that come with apps.
var Operators = map[string]string{"simplex.im": "SimpleX Chat", "simplexonflux.com": "Flux"}

// Onion says what is done with onion hosts. They need a SOCKS proxy.
type Onion string

// What is done with onion hosts.
const (
	OnionPrefer  Onion = ""        // used before others
	OnionRequire Onion = "require" // nothing else is used
	OnionNever   Onion = "never"
)

// Isolation says who shares a session with a relay, and, with a SOCKS proxy,
// a user name for it, by which Tor separates circuits.
type Isolation string

// Who shares a session.
const (
	IsolateUser   Isolation = ""           // all connections of a user
	IsolateEntity Isolation = "connection" // nobody: each connection has its own
)

// ProxyMode says which relays we send to through a proxy.
type ProxyMode string

// The relays that we send to through a proxy.
const (
	ProxyNever       ProxyMode = ""            // none
	ProxyUnknown     ProxyMode = "unknown"     // those that are not of the configuration
	ProxyUnprotected ProxyMode = "unprotected" // of those, the ones that would see our address
	ProxyAlways      ProxyMode = "always"      // all
)

// Fallback says whether we may send directly if the proxy cannot reach the
// relay.
type Fallback string

// When we may send directly.
const (
	FallbackAllow     Fallback = ""          // always
	FallbackProtected Fallback = "protected" // if the relay does not see our address
	FallbackNo        Fallback = "no"
)

// Check finds settings that are not known, or not possible together.
func (n Network) Check() error {
	for _, s := range []struct {
		what, have string
		known      []string
	}{
		{"onion hosts", string(n.Onion), []string{"", "require", "never"}},
		{"isolation", string(n.Isolation), []string{"", "connection"}},
		{"private routing", string(n.Proxy), []string{"", "unknown", "unprotected", "always"}},
		{"fallback of private routing", string(n.Fallback), []string{"", "protected", "no"}},
	} {
		if !slices.Contains(s.known, s.have) {
			return fmt.Errorf("agent: %s: unknown setting %q", s.what, s.have)
		}
	}
	if n.Onion == OnionRequire && n.SOCKS == "" {
		return fmt.Errorf("agent: onion hosts need a SOCKS proxy")
	}
	return nil
}

// ParseProxyMode reads "always", "unknown", "unprotected" or "never".
func ParseProxyMode(s string) (ProxyMode, error) {
	if s == "never" {
		return ProxyNever, nil
	}
	m := ProxyMode(s)
	if err := (Network{Proxy: m}).Check(); err != nil || s == "" {
		return "", fmt.Errorf("agent: private routing %q: not one of always, unknown, unprotected, never", s)
	}
	return m, nil
}

// ParseFallback reads "allow", "protected" or "no".
func ParseFallback(s string) (Fallback, error) {
	if s == "allow" {
		return FallbackAllow, nil
	}
	f := Fallback(s)
	if err := (Network{Fallback: f}).Check(); err != nil || s == "" {
		return "", fmt.Errorf("agent: fallback of private routing %q: not one of allow, protected, no", s)
	}
	return f, nil
}

// protected tells whether a relay that we connect to does not see our address.
func (n Network) protected() bool { return n.SOCKS != "" }

// operator is who runs a relay, empty for us.
func (n Network) operator(a smp.ServerAddr) string {
	names := n.Operators
	if names == nil {
		names = Operators
	}
	for _, h := range a.Hosts {
		for domain, name := range names {
			if h == domain || strings.HasSuffix(h, "."+domain) {
				return name
			}
		}
	}
	return ""
}

// target is how a relay is reached in a scope. salt makes the user names
// for the SOCKS proxy those of one run.
func (n Network) target(a smp.ServerAddr, scope, salt string) (Target, error) {
	var onion, other []string
	for _, h := range a.Hosts {
		if smp.KindOf(h) == smp.HostOnion {
			onion = append(onion, h)
		} else {
			other = append(other, h)
		}
	}
	hosts := append(onion, other...)
	switch {
	case n.SOCKS == "" || n.Onion == OnionNever:
		hosts = other
	case n.Onion == OnionRequire:
		hosts = onion[:len(onion):len(onion)]
	}
	if len(hosts) == 0 {
		return Target{}, fmt.Errorf("%w: %s", ErrHost, strings.Join(a.Hosts, ","))
	}
	a.Hosts = hosts
	t := Target{Addr: a}
	if n.SOCKS != "" {
		h := sha256.Sum256([]byte(salt + scope))
		name := base64.RawURLEncoding.EncodeToString(h[:15])
		t.Socket = (&transport.SOCKS5{Addr: n.SOCKS, Username: name, Password: name}).DialContext
	}
	return t, nil
}

func newSalt() string { return rand.Text() }
