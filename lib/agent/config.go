package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent/relays"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// The agent versions that change what is sent.
const (
	VersionDuplex      wire.Version = 2 // reply queue in the confirmation
	VersionRatchetSync wire.Version = 3
	VersionReceipts    wire.Version = 4
	VersionPQ          wire.Version = 5
	VersionSenderKey   wire.Version = 6
	VersionRatchetConf wire.Version = 7
)

// Config is what an [Agent] is made of. Store and Dial must be set.
type Config struct {
	Store Store
	Dial  Dialer
	// Servers are the relays on which queues are made, taken in turn:
	// smp://fingerprint[:password]@host[,host][:port].
	Servers []string
	// Network says how relays are reached: SOCKS, private routing, isolation.
	Network Network
	// Passive subscribes no queues at the start: messages come after
	// [Agent.Subscribe], or one at a time with [Agent.Fetch].
	Passive bool
	Log     *slog.Logger // nil: none
	// Versions may be narrowed in tests; zero ranges are all that is known.
	Versions Versions
	Timing   Timing
	Now      func() time.Time // nil: time.Now
}

// Versions are the ranges that an agent offers.
type Versions struct {
	Agent  wire.VersionRange
	Client wire.VersionRange // SMP client
	E2E    wire.VersionRange
}

// Timing has the waits; zero fields take the values named here.
type Timing struct {
	RetryMin, RetryMax time.Duration // between attempts: 1 s to 2 min
	QuotaMin, QuotaMax time.Duration // while a queue is full: 5 min to 6 h
	Connect            time.Duration // to reach a relay: 30 s
	SendFor            time.Duration // before a message is given up: 2 days
	QuotaFor           time.Duration // the same for a full queue: 7 days
	KeepFor            time.Duration // what is remembered of messages: 30 days
}

// What the sessions with relays are made of.
type (
	// Dialer connects to a relay.
	Dialer = relays.Dialer
	// Relay is a session with a relay.
	Relay = relays.Relay
	// Target is a relay to connect to.
	Target = relays.Target
	// QueueAuth is a queue with the key that authorizes its recipient.
	QueueAuth = relays.QueueAuth
	// Network says how relays are reached.
	Network = relays.Network
)

// DialSMP is the [Dialer] of real relays. o.OnMessage is not used.
func DialSMP(o smpclient.Options) Dialer { return relays.DialSMP(o) }

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	v := &c.Versions
	for _, r := range []struct {
		have *wire.VersionRange
		all  wire.VersionRange
	}{
		{&v.Agent, wire.VersionRange{Min: VersionDuplex, Max: VersionRatchetConf}},
		{&v.Client, smp.ClientVersions},
		{&v.E2E, ratchet.SupportedVersions()},
	} {
		if *r.have == (wire.VersionRange{}) {
			*r.have = r.all
		}
	}
	t := &c.Timing
	for _, d := range []struct {
		have *time.Duration
		def  time.Duration
	}{
		{&t.RetryMin, time.Second}, {&t.RetryMax, 2 * time.Minute},
		{&t.QuotaMin, 5 * time.Minute}, {&t.QuotaMax, 6 * time.Hour},
		{&t.Connect, 30 * time.Second},
		{&t.SendFor, 48 * time.Hour}, {&t.QuotaFor, 7 * 24 * time.Hour}, {&t.KeepFor, 30 * 24 * time.Hour},
	} {
		if *d.have == 0 {
			*d.have = d.def
		}
	}
	return c
}

// nextDelay grows a wait by half, with a tenth of chance, so that many that
// failed at once do not come back at once.
func nextDelay(last, lo, hi time.Duration) time.Duration {
	d := max(lo, last+last/2)
	return min(hi, d+rand.N(d/10+1))
}

func (c Config) parseServers() ([]smp.AuthServer, error) {
	var out []smp.AuthServer
	for i, s := range c.Servers {
		a, err := smp.ParseAuthServer(s)
		if err != nil {
			return nil, fmt.Errorf("agent: relay %d of the configuration: %w", i+1, err)
		}
		out = append(out, a)
	}
	return out, nil
}

// temporary tells errors that may pass if the same is tried again.
func temporary(err error) bool { return !isPermanent(err) && relays.Temporary(err) }

// temporarily leaves an error's code out, so that whether it is temporary
// depends on its cause.
func temporarily(err error) error {
	var c coded
	if errors.As(err, &c) {
		return c.error
	}
	return err
}

// permanent is an error of ours that trying again does not mend.
func permanent(code ErrorCode, detail string) error { return &Error{Code: code, Detail: detail} }

func isPermanent(err error) bool {
	var e *Error
	return errors.As(err, &e) || errors.Is(err, ErrTooLarge) || errors.Is(err, ErrState) || errors.Is(err, ErrLink) ||
		errors.Is(err, ErrVersion) || errors.Is(err, ErrNoServers)
}

// toError is err for an event.
func toError(err error, server string) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	e := &Error{Code: CodeNetwork, Detail: err.Error(), Server: server}
	var pe *smp.Error
	switch {
	case errors.As(err, &pe) && pe.Type == smp.TypeAuth:
		e.Code = CodeAuth
	case errors.As(err, &pe) && pe.Type == smp.TypeQuota:
		e.Code = CodeQuota
	case errors.As(err, &pe) && pe.Type == smp.TypeLargeMsg:
		e.Code = CodeTooLarge
	case errors.As(err, &pe) && pe.Type == smp.TypeProxy && pe.Proxy != nil && pe.Proxy.Broker != nil:
		e.Code = brokerCode(*pe.Proxy.Broker)
	case errors.As(err, &pe):
		e.Code = CodeServer
	case errors.Is(err, ErrLink), errors.Is(err, relays.ErrAddress):
		e.Code = CodeProtocol
	case errors.Is(err, smpclient.ErrFingerprint):
		e.Code = CodeIdentity
	case errors.Is(err, smpclient.ErrNoHost), errors.Is(err, relays.ErrHost):
		e.Code = CodeNoHost
	case errors.Is(err, ErrVersion), errors.Is(err, smpclient.ErrVersion), errors.Is(err, smpclient.ErrHandshake):
		e.Code = CodeVersion
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, smpclient.ErrTimeout):
		e.Code = CodeTimeout
	}
	return e
}

// brokerCode is why a proxy does not reach a relay.
func brokerCode(b smp.BrokerError) ErrorCode {
	switch b.Type {
	case smp.BrokerHost:
		return CodeNoHost
	case smp.BrokerTimeout:
		return CodeTimeout
	case smp.BrokerTransport:
		if b.Transport != nil && b.Transport.Type == smp.TransportVersion {
			return CodeVersion
		}
	}
	return CodeNetwork
}

// coded is an error of a call, with its code for errors.As.
type coded struct {
	error
	as *Error
}

func (c coded) Unwrap() []error { return []error{c.error, c.as} }
