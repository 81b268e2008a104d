package p2p

import (
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/pb"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
)

// Counters is what a host that serves has done since it was opened.
type Counters struct {
	Connections  int   // peers that are connected now
	Reservations int64 // devices that can be reached over it now
	Circuits     int64 // relayed connections now
	CircuitsAll  int64 // relayed connections in all
	Refused      int64 // requests for either that were refused
	Bytes        int64 // relayed in all
}

// meter counts what the relay tells.
type meter struct {
	reservations, circuits, circuitsAll, refused, bytes atomic.Int64
}

var _ relay.MetricsTracer = (*meter)(nil)

// RelayStatus does nothing: whether it serves is known.
func (m *meter) RelayStatus(bool) {}

// ConnectionOpened counts a relayed connection.
func (m *meter) ConnectionOpened() { m.circuits.Add(1); m.circuitsAll.Add(1) }

// ConnectionClosed counts it back.
func (m *meter) ConnectionClosed(time.Duration) { m.circuits.Add(-1) }

// ConnectionRequestHandled counts what was refused.
func (m *meter) ConnectionRequestHandled(s pb.Status) { m.handled(s) }

// ReservationAllowed counts a reservation that is no renewal.
func (m *meter) ReservationAllowed(renewal bool) {
	if !renewal {
		m.reservations.Add(1)
	}
}

// ReservationClosed counts reservations back.
func (m *meter) ReservationClosed(n int) { m.reservations.Add(-int64(n)) }

// ReservationRequestHandled counts what was refused.
func (m *meter) ReservationRequestHandled(s pb.Status) { m.handled(s) }

// BytesTransferred counts bytes.
func (m *meter) BytesTransferred(n int) { m.bytes.Add(int64(n)) }

func (m *meter) handled(s pb.Status) {
	if s != pb.Status_OK {
		m.refused.Add(1)
	}
}

// Counters says what a host that serves has done.
func (h *Host) Counters() Counters {
	m := &h.meter
	return Counters{Connections: len(h.host.Network().Peers()), Reservations: m.reservations.Load(), Circuits: m.circuits.Load(),
		CircuitsAll: m.circuitsAll.Load(), Refused: m.refused.Load(), Bytes: m.bytes.Load()}
}
