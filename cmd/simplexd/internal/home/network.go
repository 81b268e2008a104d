package home

import (
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent/relays"
)

// Network says how relays are reached. Empty settings are the defaults.
type Network struct {
	// SMPProxy says which relays are sent to through one of the profile's own:
	// always, unknown, unprotected or never (the default).
	SMPProxy string `toml:"smp_proxy,omitempty"`
	// SMPProxyFallback says whether to send directly where that is not
	// possible: allow (the default), protected or no.
	SMPProxyFallback string `toml:"smp_proxy_fallback,omitempty"`
	// SOCKSProxy is host:port of a SOCKS5 proxy, such as Tor's.
	SOCKSProxy string `toml:"socks_proxy,omitempty"`
	// OnionHosts is prefer (the default), require or never.
	OnionHosts string `toml:"onion_hosts,omitempty"`
	// Isolate says who shares a connection to a relay: user (the default) or
	// connection.
	Isolate string `toml:"isolate,omitempty"`
}

// Or is n with what is empty taken from o.
func (n Network) Or(o Network) Network {
	for _, s := range []struct {
		set  *string
		from string
	}{
		{&n.SMPProxy, o.SMPProxy}, {&n.SMPProxyFallback, o.SMPProxyFallback}, {&n.SOCKSProxy, o.SOCKSProxy},
		{&n.OnionHosts, o.OnionHosts}, {&n.Isolate, o.Isolate},
	} {
		if *s.set == "" {
			*s.set = s.from
		}
	}
	return n
}

// Agent is n in the agent's words. The error names the setting.
func (n Network) Agent() (relays.Network, error) {
	out := relays.Network{SOCKS: n.SOCKSProxy, Onion: relays.Onion(n.OnionHosts), Isolation: relays.Isolation(n.Isolate)}
	if out.Onion == "prefer" {
		out.Onion = relays.OnionPrefer
	}
	if out.Isolation == "user" {
		out.Isolation = relays.IsolateUser
	}
	var err error
	if n.SMPProxy != "" {
		if out.Proxy, err = relays.ParseProxyMode(n.SMPProxy); err != nil {
			return out, fmt.Errorf("smp-proxy: %w", err)
		}
	}
	if n.SMPProxyFallback != "" {
		if out.Fallback, err = relays.ParseFallback(n.SMPProxyFallback); err != nil {
			return out, fmt.Errorf("smp-proxy-fallback: %w", err)
		}
	}
	return out, out.Check()
}
