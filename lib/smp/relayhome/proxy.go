package relayhome

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"

	"github.com/simplexkit/simplexkit/lib/smp/smpproxy"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// runProxy gives the proxy through which clients reach other relays, nil if
// the settings say so, and what ends it.
func (h *Home) runProxy(log *slog.Logger) (p *smpproxy.Proxy, end func()) {
	s := h.Settings
	if !s.Proxy {
		return nil, func() {}
	}
	cfg := smpproxy.Config{PrivateHosts: s.ProxyPrivate || s.isPrivate(), Log: log}
	if len(s.ProxyHosts) > 0 {
		cfg.Hosts = s.ProxyHosts
	}
	if s.ProxySOCKS != "" {
		cfg.Socket, cfg.OnionOnly = (&transport.SOCKS5{Addr: s.ProxySOCKS}).DialContext, true
	}
	p = smpproxy.New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.Run(ctx) // always nil
	}()
	return p, func() {
		cancel()
		<-done
		_ = p.Close() // always nil
	}
}

// isPrivate tells whether the relay itself is one of a private network or of
// this machine only, whose clients are there too.
func (s Settings) isPrivate() bool {
	return !slices.ContainsFunc(s.Hosts, func(host string) bool {
		a, err := netip.ParseAddr(host)
		return host != "localhost" && (err != nil || !a.IsLoopback() && !a.IsPrivate() && !a.IsLinkLocalUnicast())
	})
}

func (s Settings) checkProxy() *wrong {
	if s.ProxySOCKS != "" {
		if _, _, err := net.SplitHostPort(s.ProxySOCKS); err != nil {
			return &wrong{"proxy_socks", err}
		}
	}
	if slices.Contains(s.ProxyHosts, "") {
		return &wrong{"proxy_hosts", errors.New("an empty name")}
	}
	return nil
}
