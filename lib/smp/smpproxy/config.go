package smpproxy

import (
	"log/slog"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// Config is a proxy's configuration; the zero value is fit for a relay on the
// Internet.
type Config struct {
	// Socket opens sockets, such as that of a transport.SOCKS5, which onion
	// hosts need; nil connects directly.
	Socket transport.DialFunc
	// OnionOnly uses Socket for onion hosts and connects to others directly.
	OnionOnly bool
	// PrivateHosts allows destinations in private networks and on this
	// machine. Without it clients could use the relay to find out what there
	// is behind its firewall. Through a Socket nothing is checked.
	PrivateHosts bool
	// Hosts are the destinations allowed: host names, or domains with a
	// leading dot, which stands for all names below. Nil allows all.
	Hosts []string

	Versions wire.VersionRange // spoken with destinations; zero is smp.Versions

	MaxRelays  int // destinations remembered at once; 0 is 2000
	MaxDials   int // connection attempts at once; 0 is 512
	MaxPending int // commands under way to one destination; 0 is 512

	ConnectTimeout time.Duration // to be ready for commands; 0 is 15 s
	Timeout        time.Duration // for an answer; 0 is 15 s
	// RetryAfter is how long a destination that could not be reached is not
	// tried again; 0 is 30 s.
	RetryAfter time.Duration
	// IdleTTL is how long a session that nobody uses is kept; 0 is 1 hour.
	IdleTTL time.Duration

	Log *slog.Logger     // nil: none
	Now func() time.Time // nil is time.Now
}

func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (c Config) withDefaults() Config {
	c.Versions = orElse(c.Versions, smp.Versions)
	c.MaxRelays = orElse(c.MaxRelays, 2000)
	c.MaxDials = orElse(c.MaxDials, 512)
	c.MaxPending = orElse(c.MaxPending, 512)
	c.ConnectTimeout = orElse(c.ConnectTimeout, 15*time.Second)
	c.Timeout = orElse(c.Timeout, 15*time.Second)
	c.RetryAfter = orElse(c.RetryAfter, 30*time.Second)
	c.IdleTTL = orElse(c.IdleTTL, time.Hour)
	c.Log = orElse(c.Log, slog.New(slog.DiscardHandler))
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}
