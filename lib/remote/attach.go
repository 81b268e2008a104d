package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/carrier/roads"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/apidict"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcphost"
)

// ErrWrongCode is returned when the controller shows another session code.
var ErrWrongCode = errors.New("remote: the controller shows another session code: somebody may be in between")

// attach is one session with one controller, from the first word on.
type attach struct {
	h    *Host
	id   int64
	inv  *xrcp.SignedInvitation
	app  xrcp.CtrlApp
	auto bool // the controller is known: nobody is asked
	ask  askOptions
	conn net.Conn // the one that the controller made, or nil

	cancel  context.CancelCauseFunc
	verdict chan error    // what people say of the code; has room for one
	coded   chan struct{} // closed when there is a code, or none will be
	greeted chan struct{} // closed when connected, or it never will be
	done    chan struct{} // closed when all is over

	mu     sync.Mutex
	ctrl   *KnownCtrl // guarded by mu, as is what follows; nil while it is new
	state  string
	code   string
	road   carrier.Name
	peer   string
	err    error // why it ended; nil: the other side went
	asked  bool  // a verdict has been given
	expiry *time.Timer
	once1  bool // coded is closed
	once2  bool // greeted is closed
}

// askOptions are what whoever attaches a new controller says of it.
type askOptions struct {
	lifetime time.Duration
	users    []api.UserID
	via      []string
}

// stopped is why a session is ended from this side.
type stopped struct{ why string }

func (e *stopped) Error() string { return "remote: " + e.why }

// start begins a session. ctrl is nil for a controller that is new.
func (h *Host) start(ctx context.Context, inv *xrcp.SignedInvitation, ctrl *KnownCtrl, auto bool, conn net.Conn, ask askOptions) (*attach, error) {
	if err := h.running(ctx); err != nil {
		return nil, err
	}
	app, err := xrcp.ParseCtrlApp(inv.App)
	if err != nil {
		return nil, err
	}
	if err := app.AppVersionRange.Contains(AppVersion); err != nil {
		return nil, err
	}
	a := &attach{h: h, inv: inv, app: app, auto: auto, ask: ask, conn: conn, ctrl: ctrl, state: "connecting",
		verdict: make(chan error, 1), coded: make(chan struct{}), greeted: make(chan struct{}), done: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ending {
		return nil, ErrEnded
	}
	if len(h.open) >= maxSessions {
		return nil, ErrBusy
	}
	h.next++
	a.id = h.next
	h.open[a.id] = a
	var runCtx context.Context
	runCtx, a.cancel = context.WithCancelCause(h.runCtx)
	h.all.Go(func() { a.run(runCtx) })
	return a, nil
}

func (a *attach) ctrlID() api.RemoteCtrlID {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ctrl == nil {
		return 0
	}
	return a.ctrl.ID
}

func (a *attach) users() []api.UserID {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ctrl == nil {
		return a.ask.users
	}
	return a.ctrl.Users
}

// consumer is the controller's name in the event log.
func (a *attach) consumer() string { return consumerOf(a.ctrlID()) }

func consumerOf(id api.RemoteCtrlID) string { return "remote ctrl " + strconv.FormatInt(int64(id), 10) }

// renew takes what has changed in the pairing.
func (a *attach) renew(c *KnownCtrl) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ctrl == nil {
		return
	}
	n := *a.ctrl
	n.Alias, n.Users, n.ExpiresAt = c.Alias, slices.Clone(c.Users), c.ExpiresAt
	a.ctrl = &n
	a.expireLocked()
}

// expireLocked ends the session when the pairing ends.
func (a *attach) expireLocked() {
	if a.expiry != nil {
		a.expiry.Stop()
		a.expiry = nil
	}
	if !a.ctrl.ExpiresAt.IsZero() {
		id := a.ctrl.ID
		a.expiry = time.AfterFunc(a.ctrl.ExpiresAt.Sub(a.h.now()), func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if err := a.h.forget(ctx, id, "the pairing's time is over"); err != nil && !errors.Is(err, ErrNotFound) {
				a.h.log.Warn("remote: forgetting a controller", "err", err)
			}
		})
	}
}

// line describes the session.
func (a *attach) line() api.Attached {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := api.Attached{Session: a.id, Name: a.app.DeviceName, State: a.state, Code: a.code, Road: string(a.road), Peer: a.peer,
		Identity: a.inv.CA.String()}
	if a.ctrl != nil {
		l.Ctrl, l.Name = a.ctrl.ID, a.ctrl.Label()
	}
	return l
}

// info is the controller in the bot API's words; nil while it is new.
func (a *attach) info() *api.RemoteCtrlInfo {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ctrl == nil {
		return nil
	}
	return &api.RemoteCtrlInfo{RemoteCtrlID: a.ctrl.ID, CtrlDeviceName: a.ctrl.Name, SessionState: a.sessionLocked()}
}

func (a *attach) sessionLocked() *api.RemoteSession {
	return &api.RemoteSession{Type: a.state, SessionCode: a.code}
}

// stop ends the session for a reason; it can be called more than once.
func (a *attach) stop(why string) { a.cancel(&stopped{why}) }

// run is the session.
func (a *attach) run(ctx context.Context) {
	err := a.hold(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	a.mu.Lock()
	if a.expiry != nil {
		a.expiry.Stop()
	}
	state := a.sessionLocked()
	a.err = err
	a.mu.Unlock()
	a.h.mu.Lock()
	delete(a.h.open, a.id)
	if a.h.slot == a {
		a.h.slot = nil
	}
	a.h.mu.Unlock()
	a.mark(&a.once1, a.coded)
	a.mark(&a.once2, a.greeted)
	a.h.over(ctx, a.ctrlID(), err)
	// Who ended a session is not told, as the reference does; other clients of
	// ours are.
	r := &api.Remote{RCSState: state, RCStopReason: stopReason(state.Type, err)}
	var by *stopped
	switch {
	case !errors.As(err, &by):
		a.h.emit(ctx, api.Response{Type: "remoteCtrlStopped", Remote: r})
	case state.Type == "connected":
		a.h.emit(ctx, api.Response{Type: detachedType, Remote: r})
	}
	close(a.done)
}

func (a *attach) mark(done *bool, ch chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !*done {
		*done = true
		close(ch)
	}
}

// hold connects, greets and serves.
func (a *attach) hold(ctx context.Context) error {
	cfg := xrcphost.Config{
		Invitation: a.inv, Confirm: a.confirm, Save: a.save, Codec: apidict.ForHost,
		Now: a.h.now,
	}
	if a.ctrl != nil {
		cfg.Pairing = a.ctrl.Pairing
	}
	err := a.roads(&cfg)
	if err != nil {
		return err
	}
	a.h.mu.Lock()
	app := xrcp.HostApp{AppVersion: AppVersion, DeviceName: a.h.name, Encoding: xrcp.EncodingTagged,
		Resume: true, Listen: a.h.listen}
	a.h.mu.Unlock()
	apidict.Offer(&app)
	if cfg.App, err = app.JSON(); err != nil {
		return err
	}
	session, err := xrcphost.Connect(ctx, cfg)
	if err != nil {
		if a.conn != nil {
			_ = a.conn.Close()
		}
		return err
	}
	a.supersede()
	handler, err := newHandler(ctx, a.h, a)
	if err != nil {
		return errors.Join(err, session.Close())
	}
	a.mu.Lock()
	a.state, a.road, a.peer = "connected", session.Road(), session.RemoteAddr().String()
	if a.conn != nil {
		a.road = roadCalled
	}
	a.expireLocked()
	a.mu.Unlock()
	a.h.log.Info("remote: controller attached", "session", a.id)
	a.h.emit(ctx, api.Response{Type: "remoteCtrlConnected", Remote: &api.Remote{RemoteCtrl: a.info()}})
	a.mark(&a.once2, a.greeted)
	err = session.Serve(ctx, handler, a.h.log)
	a.h.log.Info("remote: controller detached", "session", a.id)
	return err
}

// supersede ends older sessions of the same controller: it has left them.
func (a *attach) supersede() {
	id := a.ctrlID()
	for _, o := range a.h.sessions() {
		if o != a && id != 0 && o.ctrlID() == id {
			o.stop("the controller has connected anew")
		}
	}
}

// roads are those to the controller, or the connection that it made.
func (a *attach) roads(cfg *xrcphost.Config) (err error) {
	if a.conn != nil {
		cfg.Dial = func(context.Context, string, string) (net.Conn, error) { return a.conn, nil }
		return nil
	}
	var via []carrier.Name
	if len(a.ask.via) > 0 {
		if via, err = carrier.ParseNames(strings.Join(a.ask.via, ",")); err != nil {
			return err
		}
	}
	cfg.Roads, err = roads.To(roads.Config{Via: via, Log: a.h.log}, a.inv)
	return err
}

// confirm shows the code and waits for what people say, unless the controller
// is known.
func (a *attach) confirm(ctx context.Context, code string) error {
	a.mu.Lock()
	a.code, a.state = code, "pendingConfirmation"
	a.mu.Unlock()
	a.mark(&a.once1, a.coded)
	if a.auto {
		return nil
	}
	info := a.info()
	a.h.emit(ctx, api.Response{Type: "remoteCtrlSessionCode", Remote: &api.Remote{RemoteCtrl_: info, SessionCode: code}})
	select {
	case err := <-a.verdict:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// verify compares the code that the controller shows, once: a wrong one ends
// the session.
func (a *attach) verify(code string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state != "pendingConfirmation" || a.asked {
		return fmt.Errorf("%w that waits for a code", ErrInactive)
	}
	a.asked = true
	if !xrcp.SameCode(code, a.code) {
		a.verdict <- ErrWrongCode
		return ErrWrongCode
	}
	a.verdict <- nil
	return nil
}

// save stores the pairing: see xrcphost.Config.
func (a *attach) save(ctx context.Context, p *xrcp.ControllerPairing) error {
	a.mu.Lock()
	now := a.h.now()
	n := KnownCtrl{Users: slices.Clone(a.ask.users), PairedAt: now}
	if a.ctrl != nil {
		n = *a.ctrl
	} else if a.ask.lifetime > 0 {
		n.ExpiresAt = now.Add(a.ask.lifetime)
	}
	n.Pairing, n.Name, n.Invitation = p, a.app.DeviceName, remembered(a.inv, n.Invitation)
	if p.Confirmed {
		n.LastAt = now
	}
	known := a.ctrl != nil
	a.mu.Unlock()
	if known { // forgotten meanwhile?
		if _, err := a.h.ctrl(ctx, func(c *KnownCtrl) bool { return c.ID == n.ID }); err != nil {
			return err
		}
	}
	if err := a.h.cfg.Store.PutCtrl(ctx, &n); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ctrl = &n
	return nil
}
