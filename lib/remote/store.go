package remote

import (
	"context"
	"errors"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xrcp"
)

// ErrNotFound is returned for a pairing that is not there, or no longer.
var ErrNotFound = errors.New("remote: no such pairing")

// KnownCtrl is what a host keeps of a controller.
type KnownCtrl struct {
	ID      api.RemoteCtrlID
	Pairing *xrcp.ControllerPairing
	Name    string // the controller's own
	Alias   string // ours for it
	// Users are the profiles that the controller may see; none are all.
	Users     []api.UserID
	PairedAt  time.Time
	LastAt    time.Time // of the last session
	ExpiresAt time.Time // zero: never
	// Invitation is the link of the last session, with all the roads that the
	// controller told of: it is asked there for the next one. Empty: none.
	Invitation string
}

// Label is the name to show.
func (c *KnownCtrl) Label() string {
	if c.Alias != "" {
		return c.Alias
	}
	return c.Name
}

func (c *KnownCtrl) expired(now time.Time) bool {
	return !c.ExpiresAt.IsZero() && !now.Before(c.ExpiresAt)
}

// KnownHost is what a controller keeps of a host.
type KnownHost struct {
	ID        api.RemoteHostID
	Pairing   *xrcp.HostPairing
	Name      string // the host's own
	Alias     string // ours for it
	StorePath string // name of the folder for its files
	Bind      *api.RemoteAddr
	Port      uint16
	Listen    string // host:port where the host can be called, or empty
	// Seq is the number of the last event that was given on; -1: none.
	Seq       int64
	PairedAt  time.Time
	LastAt    time.Time
	ExpiresAt time.Time // zero: never
}

// Label is the name to show.
func (h *KnownHost) Label() string {
	if h.Alias != "" {
		return h.Alias
	}
	return h.Name
}

// Expired tells whether the pairing's time is over.
func (h *KnownHost) Expired(now time.Time) bool {
	return !h.ExpiresAt.IsZero() && !now.Before(h.ExpiresAt)
}

// Outcome is what is known of a command that may have come before.
type Outcome struct {
	Known  bool   // it has begun before
	Result []byte // what it was answered; nil: it was never finished
}

// HostStore keeps the host's side. Put with an ID of 0 gives one.
type HostStore interface {
	Ctrls(ctx context.Context) ([]*KnownCtrl, error)
	PutCtrl(ctx context.Context, c *KnownCtrl) error
	// DeleteCtrl forgets a controller with its commands.
	DeleteCtrl(ctx context.Context, id api.RemoteCtrlID) error
	// Begin notes that a controller's command runs, unless it is there, and
	// forgets commands but for the latest ones.
	Begin(ctx context.Context, id api.RemoteCtrlID, command string, keep int) (Outcome, error)
	// Finish notes what the command was answered.
	Finish(ctx context.Context, id api.RemoteCtrlID, command string, result []byte) error
}

// DeskStore keeps the controller's side.
type DeskStore interface {
	Hosts(ctx context.Context) ([]*KnownHost, error)
	PutHost(ctx context.Context, h *KnownHost) error
	DeleteHost(ctx context.Context, id api.RemoteHostID) error
	// PutSeq moves a host's number of the last event on.
	PutSeq(ctx context.Context, id api.RemoteHostID, seq int64) error
}
