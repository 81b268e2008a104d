package remote

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/discovery"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcphost"
)

// verifyTime is how long the bot API's verification waits for the session.
const verifyTime = 15 * time.Second

// Exec executes the bot API's commands of a host: about the one session that
// it knows of. ok is false for other commands.
func (h *Host) Exec(ctx context.Context, cmd string) (r api.Response, ok bool) {
	cmd = strings.TrimRight(cmd, " \t\r\n")
	word := func(words ...string) (string, bool) {
		for _, w := range words {
			if rest, found := strings.CutPrefix(cmd, w+" "); found {
				return strings.TrimLeft(rest, " "), true
			}
			if cmd == w {
				return "", true
			}
		}
		return "", false
	}
	if rest, ok := word("/connect remote ctrl", "/crc"); ok {
		return h.execConnect(ctx, rest), true
	}
	if rest, ok := word("/verify remote ctrl"); ok {
		return h.execVerify(ctx, rest), true
	}
	if rest, ok := word("/confirm remote ctrl"); ok {
		return h.execConfirm(ctx, rest), true
	}
	if rest, ok := word("/delete remote ctrl"); ok {
		return h.execDelete(ctx, rest), true
	}
	switch cmd {
	case "/list remote ctrls":
		return h.execList(ctx), true
	case "/stop remote ctrl":
		h.stopSeeking()
		if a := h.slotted(); a != nil {
			a.stop("stopped")
			<-a.done
		}
		return api.Response{Type: "cmdOk"}, true
	case "/find remote ctrl", "/start remote ctrl":
		return h.execFind(ctx), true
	}
	return api.Response{}, false
}

// SetName is "/set device name".
func (h *Host) SetName(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.name = name
}

// slotted is the bot API's session: the one it began, or the only one.
func (h *Host) slotted() *attach {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.slot == nil && len(h.open) == 1 {
		for _, a := range h.open {
			return a
		}
	}
	return h.slot
}

func (h *Host) execList(ctx context.Context) api.Response {
	all, err := h.ctrls(ctx)
	if err != nil {
		return exception(err)
	}
	list := []api.RemoteCtrlInfo{}
	open := h.sessions()
	for _, c := range all {
		if !c.Pairing.Confirmed && c.LastAt.IsZero() {
			continue
		}
		l := api.RemoteCtrlInfo{RemoteCtrlID: c.ID, CtrlDeviceName: c.Name}
		for _, a := range open {
			if i := a.info(); i != nil && i.RemoteCtrlID == c.ID {
				l.SessionState = i.SessionState
			}
		}
		list = append(list, l)
	}
	return api.Response{Type: "remoteCtrlList", Remote: &api.Remote{RemoteCtrls: list}}
}

func (h *Host) execConnect(ctx context.Context, link string) api.Response {
	inv, err := xrcp.ParseInvitation(link)
	if err != nil {
		return errorAnswer(parseFail)
	}
	if h.slotted() != nil {
		return errorAnswer(ctrlError("busy"))
	}
	a, known, err := h.begin(ctx, inv, askOptions{}, false)
	switch {
	case errors.Is(err, xrcp.ErrInvitation), errors.Is(err, xrcp.ErrStale):
		return errorAnswer(ctrlError("badInvitation"))
	case errors.Is(err, xrcp.ErrApp), errors.Is(err, xrcp.ErrVersion):
		return errorAnswer(badVersion(inv))
	case err != nil:
		return exception(err)
	}
	h.mu.Lock()
	if h.open[a.id] == a {
		h.slot = a
	}
	h.mu.Unlock()
	r := &api.Remote{CtrlApp: inv.App, AppVersion: AppVersion}
	if known != nil {
		r.RemoteCtrl_ = &api.RemoteCtrlInfo{RemoteCtrlID: known.ID, CtrlDeviceName: known.Name,
			SessionState: &api.RemoteSession{Type: "connecting"}}
	}
	return api.Response{Type: "remoteCtrlConnecting", Remote: r}
}

// begin attaches the controller of an invitation that people gave us.
func (h *Host) begin(ctx context.Context, inv *xrcp.SignedInvitation, ask askOptions, auto bool) (*attach, *KnownCtrl, error) {
	if err := inv.Verify(); err != nil {
		return nil, nil, err
	}
	if err := inv.CheckTime(h.now(), xrcp.DefaultWindow); err != nil {
		return nil, nil, err
	}
	known, err := h.ctrl(ctx, func(c *KnownCtrl) bool { return c.Pairing.Controller == inv.CA })
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, nil, err
	}
	if known != nil {
		if err := known.Pairing.Check(&inv.Invitation); err != nil {
			return nil, nil, err
		}
	}
	a, err := h.start(ctx, inv, known, auto && known != nil, nil, ask)
	return a, known, err
}

func (h *Host) execVerify(ctx context.Context, code string) api.Response {
	a := h.slotted()
	if a == nil {
		return errorAnswer(ctrlError("inactive"))
	}
	switch err := a.verify(code); {
	case errors.Is(err, ErrWrongCode):
		<-a.done
		return errorAnswer(ctrlError("timeout"))
	case err != nil:
		return errorAnswer(ctrlError("badState"))
	}
	ctx, cancel := context.WithTimeout(ctx, verifyTime)
	defer cancel()
	select {
	case <-a.greeted:
	case <-ctx.Done():
		a.stop("stopped")
		return errorAnswer(ctrlError("timeout"))
	}
	if info := a.info(); info != nil && info.SessionState.Type == "connected" {
		return api.Response{Type: "remoteCtrlConnected", Remote: &api.Remote{RemoteCtrl: info}}
	}
	return errorAnswer(ctrlError("timeout"))
}

func (h *Host) execDelete(ctx context.Context, rest string) api.Response {
	id, err := strconv.ParseInt(rest, 10, 64)
	if err != nil {
		return errorAnswer(parseFail)
	}
	for _, a := range h.sessions() {
		if a.ctrlID() == api.RemoteCtrlID(id) {
			return errorAnswer(ctrlError("busy"))
		}
	}
	if err := h.forget(ctx, api.RemoteCtrlID(id), "deleted"); err != nil && !errors.Is(err, ErrNotFound) {
		return exception(err)
	}
	return api.Response{Type: "cmdOk"}
}

// execFind waits, in the background, for a known controller to announce
// itself.
func (h *Host) execFind(ctx context.Context) api.Response {
	if err := h.running(ctx); err != nil {
		return exception(err)
	}
	if h.slotted() != nil {
		return errorAnswer(ctrlError("busy"))
	}
	all, err := h.ctrls(ctx)
	if err != nil {
		return exception(err)
	}
	if len(all) == 0 {
		return errorAnswer(ctrlError("noKnownControllers"))
	}
	r, err := discovery.Receive(discovery.Group)
	if err != nil {
		return exception(err)
	}
	h.stopSeeking()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ending {
		return exception(errors.Join(ErrEnded, r.Close()))
	}
	seek, cancel := context.WithCancel(h.runCtx)
	h.seeking = cancel
	h.all.Go(func() { h.seek(seek, cancel, r) })
	return api.Response{Type: "cmdOk"}
}

func (h *Host) stopSeeking() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seeking != nil {
		h.seeking()
		h.seeking = nil
	}
}

func (h *Host) seek(ctx context.Context, cancel context.CancelFunc, r *discovery.Receiver) {
	defer cancel()
	defer func() { _ = r.Close() }()
	for {
		a, from, err := r.Next(ctx)
		if err != nil {
			return
		}
		c, inv, err := h.find(ctx, a)
		if err != nil || inv.Host != from.String() {
			continue
		}
		s, err := h.start(ctx, inv, c, false, nil, askOptions{})
		if err != nil {
			continue
		}
		h.mu.Lock()
		if h.open[s.id] == s {
			h.slot = s
		}
		h.mu.Unlock()
		h.emit(ctx, api.Response{Type: "remoteCtrlFound", Remote: &api.Remote{RemoteCtrl: s.info(), CtrlAppInfo: inv.App, AppVersion: AppVersion}})
		return
	}
}

// execConfirm agrees to the controller that was found: it is on its way.
func (h *Host) execConfirm(_ context.Context, rest string) api.Response {
	id, err := strconv.ParseInt(rest, 10, 64)
	if err != nil {
		return errorAnswer(parseFail)
	}
	a := h.slotted()
	if a == nil {
		return errorAnswer(ctrlError("badState"))
	}
	info := a.info()
	if info == nil || info.RemoteCtrlID != api.RemoteCtrlID(id) {
		return errorAnswer(ctrlError("badController"))
	}
	return api.Response{Type: "remoteCtrlConnecting", Remote: &api.Remote{RemoteCtrl_: info, CtrlApp: a.inv.App, AppVersion: AppVersion}}
}

func badVersion(inv *xrcp.SignedInvitation) *api.ChatError {
	app, _ := xrcp.ParseCtrlApp(inv.App) // its version or none
	b, _ := json.Marshal(map[string]string{"type": "badVersion", "appVersion": app.AppVersionRange.Max})
	return &api.ChatError{Type: "errorRemoteCtrl", RemoteCtrlError: b}
}

// exception is an error that the bot API has no name for.
func exception(err error) api.Response {
	text := err.Error()
	return errorAnswer(&api.ChatError{Type: "error", ErrorType: &api.ErrorType{Type: "exception", Message: &text}})
}

// stopReason is why a session ended, in the bot API's words.
func stopReason(state string, err error) *api.RemoteStop {
	if state == "connected" {
		return &api.RemoteStop{Type: "disconnected"}
	}
	if state == "pendingConfirmation" {
		var e *api.ChatError
		if errors.Is(err, ErrWrongCode) || errors.Is(err, xrcphost.ErrCode) || errors.Is(err, context.DeadlineExceeded) {
			e = ctrlError("timeout")
		} else {
			e = rcpError(err)
		}
		return &api.RemoteStop{Type: "setupFailed", ChatError: e}
	}
	return &api.RemoteStop{Type: "connectionFailed", ChatError: rcpError(err)}
}

// rcpError is an error of the protocol, in the bot API's words.
func rcpError(err error) *api.ChatError {
	rcp := map[string]string{"type": "exception"}
	switch {
	case err == nil:
		rcp["exception"] = "the connection ended"
	case errors.Is(err, xrcp.ErrIdentity):
		rcp["type"] = "identity"
	case errors.Is(err, xrcp.ErrInvitation), errors.Is(err, xrcp.ErrStale):
		rcp["type"] = "invitation"
	case errors.Is(err, xrcp.ErrVersion):
		rcp["type"] = "version"
	default:
		rcp["exception"] = err.Error()
	}
	b, _ := json.Marshal(map[string]any{"type": "RCP", "rcpErr": rcp}) // strings: cannot fail
	return &api.ChatError{Type: "errorAgent", AgentError: b}
}
