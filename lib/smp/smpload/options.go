package smpload

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// Workload is what is asked of a relay, and what counts as one operation.
type Workload string

// The workloads.
const (
	// Create makes queues and secures them: NEW and SKEY.
	Create Workload = "create"
	// Send passes messages: SEND, MSG and ACK, each answered. Connections
	// stand in a ring: each sends to the queue of the next.
	Send Workload = "send"
	// Subscribe connects anew and subscribes to queues in batches; each queue
	// is an operation.
	Subscribe Workload = "subscribe"
	// Connect sets up TLS and agrees on a version, and leaves.
	Connect Workload = "connect"
)

// Workloads are all workloads.
var Workloads = []Workload{Create, Send, Subscribe, Connect}

// What one load may ask for.
const (
	MaxConns   = 20_000
	MaxQueues  = 1_000_000
	MaxDepth   = 100 // below the 128 messages that a queue usually holds
	maxCreated = 1_000_000
)

var (
	// ErrRemote is returned for relays on other machines, see Options.Remote.
	ErrRemote = errors.New("smpload: the relay is not on this machine")
	// ErrOptions is returned for options that make no sense.
	ErrOptions = errors.New("smpload: bad options")
)

// Options say what a [Load] does. The zero value sends messages over one
// connection, one at a time.
type Options struct {
	Workload Workload // empty is Send
	// Conns is how many connections there are; of Connect, how many are being
	// made at once. 0 is 1.
	Conns int
	// Depth is how many operations of Create and Send are under way on each
	// connection. 0 is 1.
	Depth int
	// Queues is how many queues Subscribe subscribes to, over all connections;
	// 0 is 1000.
	Queues int
	// Body is the size of messages in bytes; 0 is the largest that the agreed
	// version allows.
	Body int
	// Rate is how many operations of Create and Send begin in a second, over
	// all connections; 0 is no limit. With it, the latency of an operation that
	// begins late because the one before took long counts from when it should
	// have begun.
	Rate float64
	// Via sends through this relay as a proxy.
	Via *smp.ServerAddr
	// Remote allows relays that are not on this machine.
	Remote bool

	Dialer transport.Dialer
}

func (o *Options) setDefaults() {
	if o.Workload == "" {
		o.Workload = Send
	}
	for _, d := range []struct {
		have *int
		def  int
	}{{&o.Conns, 1}, {&o.Depth, 1}, {&o.Queues, 1000}} {
		if *d.have == 0 {
			*d.have = d.def
		}
	}
	if o.Workload == Connect || o.Workload == Subscribe {
		o.Depth = 1
	}
}

func (o *Options) check(addr smp.ServerAddr) error {
	if !slices.Contains(Workloads, o.Workload) {
		return fmt.Errorf("%w: no workload %q", ErrOptions, o.Workload)
	}
	for _, l := range []struct {
		name      string
		have, max int
	}{{"connections", o.Conns, MaxConns}, {"queues", o.Queues, MaxQueues}, {"depth", o.Depth, MaxDepth}} {
		if l.have < 1 || l.have > l.max {
			return fmt.Errorf("%w: %s must be from 1 to %d", ErrOptions, l.name, l.max)
		}
	}
	switch {
	case o.Body < 0 || o.Body > 0 && o.Body < headSize:
		return fmt.Errorf("%w: a body has at least %d bytes", ErrOptions, headSize)
	case o.Rate < 0:
		return fmt.Errorf("%w: negative rate", ErrOptions)
	case o.Via != nil && o.Workload != Send:
		return fmt.Errorf("%w: only messages are sent through a proxy", ErrOptions)
	case o.Workload == Subscribe && o.Queues < o.Conns:
		return fmt.Errorf("%w: fewer queues than connections", ErrOptions)
	case o.Remote:
		return nil
	case !isLocal(addr), o.Via != nil && !isLocal(*o.Via):
		return ErrRemote
	}
	return nil
}

// isLocal tells whether all hosts of a relay are on the loopback interface.
// No name but localhost is looked up for it.
func isLocal(addr smp.ServerAddr) bool {
	for _, h := range addr.Hosts {
		ip, err := netip.ParseAddr(h)
		if h != "localhost" && (err != nil || !ip.Unmap().IsLoopback()) {
			return false
		}
	}
	return len(addr.Hosts) > 0
}

// Bounds end a run, whichever comes first. Both zero is 10 seconds.
type Bounds struct {
	Count    int           // operations; 0 is no bound
	Duration time.Duration // until the last one begins; 0 is no bound
}
