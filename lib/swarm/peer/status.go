package peer

import (
	"slices"
	"time"

	"github.com/simplexkit/simplexkit/lib/p2p"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// Status is how a conversation is connected.
type Status struct {
	Neighbours int            `json:"neighbours"`
	Members    int            `json:"devices"`
	Wanted     int            `json:"wanted"`      // commits heard of and not here
	Refused    int            `json:"quarantined"` // heads that are not asked for any more
	Merging    time.Time      `json:"merging,omitzero"`
	Devices    []DeviceStatus `json:"peers"`
}

// DeviceStatus is a device of a conversation.
type DeviceStatus struct {
	Device    ident.DeviceID  `json:"device"`
	Road      p2p.Road        `json:"road"`
	Neighbour bool            `json:"neighbour"`
	Head      commit.ObjectID `json:"head,omitzero"` // the last that it told us of
	Synced    time.Time       `json:"synced,omitzero"`
	Retry     time.Time       `json:"retry,omitzero"`
	Fails     int             `json:"fails,omitempty"`
	Reason    string          `json:"reason,omitempty"` // of the last failure
}

// show makes what Status returns.
func (c *conv) show() {
	st := &Status{Neighbours: len(c.chans), Members: len(c.allowed), Wanted: len(c.wants), Refused: len(c.refused), Merging: c.mergeAt}
	now := time.Now()
	for id := range c.allowed {
		dev := ident.DeviceID(id)
		d := DeviceStatus{Device: dev, Neighbour: len(c.chans[dev]) > 0}
		if p := c.peers[dev]; p != nil {
			d.Head, d.Synced, d.Fails, d.Reason = p.head, p.synced, p.fails, p.reason
			if p.retry.After(now) {
				d.Retry = p.retry
			}
		}
		if at := c.table.Retry(id); at.After(now) && d.Retry.IsZero() {
			d.Retry = at
		}
		st.Devices = append(st.Devices, d)
	}
	slices.SortFunc(st.Devices, func(a, b DeviceStatus) int { return slices.Compare(a.Device[:], b.Device[:]) })
	c.seen.Store(st)
}

// Status is the state of a conversation as of its last change; nil if it is not
// joined.
func (e *Engine) Status(id commit.ObjectID) *Status {
	c := e.conv(id)
	if c == nil {
		return nil
	}
	st := &Status{}
	if seen := c.seen.Load(); seen != nil {
		*st = *seen
	}
	st.Devices = slices.Clone(st.Devices)
	for i := range st.Devices {
		st.Devices[i].Road = e.cfg.Net.Road(st.Devices[i].Device)
	}
	return st
}
