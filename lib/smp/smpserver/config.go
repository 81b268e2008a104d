package smpserver

import (
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// Config is a relay's configuration. Store and Credential are needed; the
// zero value of everything else is what a relay on the Internet uses.
type Config struct {
	Store      queuestore.Store      // not closed by the relay
	Credential *transport.Credential // a chain of two to four certificates

	// BasicAuth is the password for creating queues; nil lets anybody.
	BasicAuth *smp.BasicAuth
	// Passwords, if not nil, decides instead of BasicAuth, such as for relays
	// where each user has a password. It is asked for each NEW and PRXY, from
	// many goroutines; nil is a command without a password.
	Passwords func(*smp.BasicAuth) bool
	// NoNewQueues refuses to create queues.
	NoNewQueues bool

	Quota      int           // messages in a queue; 0 is 128
	MessageTTL time.Duration // how long messages are kept; 0 is 21 days
	// ExpiryInterval is the time between searches for old messages; 0 is 15
	// minutes.
	ExpiryInterval time.Duration
	// IdleTTL is how long a connection without subscriptions may be silent;
	// 0 is 12 hours.
	IdleTTL time.Duration
	// HandshakeTimeout bounds TLS and hello; 0 is 20 s.
	HandshakeTimeout time.Duration
	// BlockTimeout is how long a peer may take to send a block, from its first
	// byte; 0 is 60 s.
	BlockTimeout time.Duration
	// WriteTimeout is how long a peer may take to read a block; 0 is 60 s.
	WriteTimeout time.Duration
	// GraceTimeout is how long Serve finishes what is under way after its
	// context has ended; 0 is 5 s.
	GraceTimeout time.Duration
	// FlushInterval is the longest time from an ACK to the message's deletion
	// from the store; 0 is 100 ms.
	FlushInterval time.Duration

	MaxConns         int // connections at once; more are closed at once; 0 is 100 000
	MaxHandshakes    int // handshakes at once; more wait in the listener; 0 is 1024
	MaxSubscriptions int // of one connection; 0 is 1 000 000
	MaxCreated       int // queues that one connection may create; 0 is 1 000 000

	// From one address, or from one /64 of IPv6; more are closed at once.
	MaxHandshakesOfAddr int // 0 is an eighth of MaxHandshakes
	MaxConnsOfAddr      int // 0 is an eighth of MaxConns
	// Unlimited tells for which addresses these two are not meant, such as
	// those of proxies that many clients come through. It is called for each
	// socket; nil is those of this machine, where Tor's come from.
	Unlimited func(netip.Addr) bool

	CachedQueues int // records kept in memory; 0 is 20 000
	MaxForwards  int // commands that wait for other relays; 0 is 4096

	Proxy    Proxy             // nil: PRXY is answered with PROXY BASIC_AUTH
	Versions wire.VersionRange // offered; zero is smp.Versions
	Logger   *slog.Logger      // nil: none
	Now      func() time.Time  // nil is time.Now
}

var (
	// ErrConfig is returned by New.
	ErrConfig = errors.New("smpserver: bad configuration")
	// ErrClosed is returned by Serve of a relay that has ended.
	ErrClosed = errors.New("smpserver: relay has ended")
)

func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (c Config) withDefaults() Config {
	c.Quota = orElse(c.Quota, 128)
	c.MessageTTL = orElse(c.MessageTTL, 21*24*time.Hour)
	c.ExpiryInterval = orElse(c.ExpiryInterval, 15*time.Minute)
	c.IdleTTL = orElse(c.IdleTTL, 12*time.Hour)
	c.HandshakeTimeout = orElse(c.HandshakeTimeout, 20*time.Second)
	c.BlockTimeout = orElse(c.BlockTimeout, time.Minute)
	c.WriteTimeout = orElse(c.WriteTimeout, time.Minute)
	c.GraceTimeout = orElse(c.GraceTimeout, 5*time.Second)
	c.FlushInterval = orElse(c.FlushInterval, 100*time.Millisecond)
	c.MaxConns = orElse(c.MaxConns, 100_000)
	c.MaxHandshakes = orElse(c.MaxHandshakes, 1024)
	c.MaxCreated = orElse(c.MaxCreated, 1_000_000)
	c.MaxHandshakesOfAddr = orElse(c.MaxHandshakesOfAddr, max(1, c.MaxHandshakes/8))
	c.MaxConnsOfAddr = orElse(c.MaxConnsOfAddr, max(1, c.MaxConns/8))
	if c.Unlimited == nil {
		c.Unlimited = netip.Addr.IsLoopback
	}
	c.MaxSubscriptions = orElse(c.MaxSubscriptions, 1_000_000)
	c.CachedQueues = orElse(c.CachedQueues, 20_000)
	c.MaxForwards = orElse(c.MaxForwards, 4096)
	c.Versions = orElse(c.Versions, smp.Versions)
	c.Logger = orElse(c.Logger, slog.New(slog.DiscardHandler))
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}
