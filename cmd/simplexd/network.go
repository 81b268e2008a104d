package main

import (
	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/home"
	"github.com/simplexkit/simplexkit/lib/exit"
)

// networkFlags say how relays are reached: init writes them into the settings,
// serve goes by them for as long as it runs.
func networkFlags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.StringFlag{Name: "smp-proxy", Usage: "`WHICH` relays of others to send to through one of ours, so that they do not see our address: always, unknown, unprotected or never (default)", EnvVars: []string{"SIMPLEXD_SMP_PROXY"}},
		&ucli.StringFlag{Name: "smp-proxy-fallback", Usage: "`WHEN` to send directly if that is not possible: allow (default), protected (only through --socks-proxy) or no", EnvVars: []string{"SIMPLEXD_SMP_PROXY_FALLBACK"}},
		&ucli.StringFlag{Name: "socks-proxy", Usage: "reach relays through the SOCKS5 proxy at `HOST:PORT`, such as Tor's 127.0.0.1:9050", EnvVars: []string{"SIMPLEXD_SOCKS_PROXY"}},
		&ucli.StringFlag{Name: "onion-hosts", Usage: "`HOW` to use .onion hosts through --socks-proxy: prefer (default), require or never", EnvVars: []string{"SIMPLEXD_ONION_HOSTS"}},
		&ucli.StringFlag{Name: "isolate", Usage: "`WHO` shares a connection to a relay, and a Tor circuit: user (default) or connection, each contact its own", EnvVars: []string{"SIMPLEXD_ISOLATE"}},
	}
}

// networkOf is what the flags say.
func networkOf(c *ucli.Context) (home.Network, error) {
	n := home.Network{
		SMPProxy: c.String("smp-proxy"), SMPProxyFallback: c.String("smp-proxy-fallback"),
		SOCKSProxy: c.String("socks-proxy"), OnionHosts: c.String("onion-hosts"), Isolate: c.String("isolate"),
	}
	if _, err := n.Agent(); err != nil && (n.OnionHosts != "require" || n.SOCKSProxy != "") {
		return n, exit.Errorf(exit.Usage, "%w", err)
	}
	return n, nil
}
