package remote

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcphost"
)

// Methods are those of [Host.Call]. They may take long, and are to be called
// beside others.
var Methods = map[string]bool{"remoteConnect": true, "remoteVerify": true, "remoteWait": true, "remoteStop": true,
	"remoteList": true, "remoteForget": true, "remoteSet": true, "remoteServe": true}

// Call executes a structured method. Errors are [*api.Error].
func (h *Host) Call(ctx context.Context, method string, params json.RawMessage) (any, error) {
	v, err := h.call(ctx, method, params)
	if err != nil {
		return nil, callError(err)
	}
	return v, nil
}

func (h *Host) call(ctx context.Context, method string, params json.RawMessage) (any, error) {
	var p api.RemoteSessionParams
	switch method {
	case "remoteConnect":
		return h.callConnect(ctx, params)
	case "remoteServe":
		return h.callServe(ctx, params)
	case "remoteList":
		list, err := h.List(ctx)
		h.mu.Lock()
		defer h.mu.Unlock()
		return api.AttachedResult{Type: "attached", Ctrls: list, Listen: h.listen}, err
	}
	if err := read(params, &p); err != nil {
		return nil, err
	}
	switch method {
	case "remoteForget":
		if _, err := h.ctrl(ctx, func(c *KnownCtrl) bool { return c.ID == p.Ctrl }); err != nil {
			return nil, err
		}
		return api.OK{Type: "ok"}, h.forget(ctx, p.Ctrl, "forgotten")
	case "remoteSet":
		return api.OK{Type: "ok"}, h.Set(ctx, p)
	}
	a, err := h.session(p)
	if err != nil {
		return nil, err
	}
	switch method {
	case "remoteVerify":
		return h.callVerify(ctx, a, p.Code)
	case "remoteStop":
		a.stop("stopped")
		<-a.done
		return api.OK{Type: "ok"}, nil
	}
	return h.callWait(ctx, a)
}

func read(params json.RawMessage, v any) error {
	if len(params) == 0 {
		return nil
	}
	if err := json.Unmarshal(params, v); err != nil {
		return &api.Error{Type: "error", Code: api.CodeUsage, Message: "parameters: " + err.Error()}
	}
	return nil
}

// callConnect answers when there is a session code to compare, or at once for
// a controller that is known.
func (h *Host) callConnect(ctx context.Context, params json.RawMessage) (any, error) {
	var p api.RemoteConnectParams
	if err := read(params, &p); err != nil {
		return nil, err
	}
	inv, err := xrcp.ParseInvitation(p.Link)
	if err != nil {
		return nil, err
	}
	a, _, err := h.begin(ctx, inv, askOptions{lifetime: time.Duration(p.Lifetime * float64(time.Second)), users: p.Users, via: p.Via}, true)
	if err != nil {
		return nil, err
	}
	at := a.coded
	if a.auto {
		at = a.greeted
	}
	select {
	case <-at:
	case <-ctx.Done():
		a.stop("given up")
		return nil, ctx.Err()
	}
	if err := a.failed(); err != nil {
		return nil, err
	}
	return api.AttachedResult{Type: "attached", Ctrls: []api.Attached{a.line()}}, nil
}

// failed is why a session is over, if it is.
func (a *attach) failed() error {
	a.h.mu.Lock()
	open := a.h.open[a.id] == a
	a.h.mu.Unlock()
	if open {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		return net.ErrClosed
	}
	return a.err
}

func (h *Host) callVerify(ctx context.Context, a *attach, code string) (any, error) {
	err := a.verify(code)
	if errors.Is(err, ErrWrongCode) {
		<-a.done
	}
	if err != nil {
		return nil, err
	}
	select {
	case <-a.greeted:
	case <-ctx.Done():
		a.stop("given up")
		return nil, ctx.Err()
	}
	if err := a.failed(); err != nil {
		return nil, err
	}
	return api.AttachedResult{Type: "attached", Ctrls: []api.Attached{a.line()}}, nil
}

// callWait answers when a session is over. Whoever waits holds it: the session
// ends when the waiting is given up.
func (h *Host) callWait(ctx context.Context, a *attach) (any, error) {
	select {
	case <-a.done:
	case <-ctx.Done():
		a.stop("stopped")
		<-a.done
	}
	l := a.line()
	l.State, l.Session, l.Reason = "idle", 0, "the controller has gone"
	a.mu.Lock()
	if a.err != nil {
		l.Reason = a.err.Error()
	}
	a.mu.Unlock()
	return api.AttachedResult{Type: "attached", Ctrls: []api.Attached{l}}, nil
}

func (h *Host) callServe(ctx context.Context, params json.RawMessage) (any, error) {
	var p api.RemoteServeParams
	if err := read(params, &p); err != nil {
		return nil, err
	}
	err := h.Serve(ctx, p, func(at net.Addr) {
		r := &api.Remote{}
		if at != nil {
			r.LocalAddrs = []api.RemoteAddr{{Address: at.String()}}
		}
		h.emit(ctx, api.Response{Type: "remoteCtrlServing", Remote: r})
	})
	if err != nil {
		return nil, err
	}
	for _, a := range h.sessions() {
		if a.auto {
			a.stop("stopped")
		}
	}
	return api.OK{Type: "ok"}, nil
}

// codes are the API's codes of our errors, the first that fits.
var codes = []struct {
	is   error
	code api.ErrorCode
}{
	{ErrNotFound, api.CodeNotFound},
	{ErrInactive, api.CodeNotFound},
	{ErrWrongCode, api.CodeRefused},
	{xrcp.ErrIdentity, api.CodeRefused},
	{xrcphost.ErrCode, api.CodeRefused},
	{xrcp.ErrStale, api.CodeData},
	{xrcp.ErrInvitation, api.CodeData},
	{xrcp.ErrApp, api.CodeProtocol},
	{xrcp.ErrVersion, api.CodeProtocol},
	{xrcp.ErrRefused, api.CodeProtocol},
	{xrcp.ErrHello, api.CodeProtocol},
	{carrier.ErrNoRoad, api.CodeUnavailable},
	{ErrBusy, api.CodeTimeout},
	{context.DeadlineExceeded, api.CodeTimeout},
	{net.ErrClosed, api.CodeUnavailable},
}

func callError(err error) error {
	var e *api.Error
	if errors.As(err, &e) {
		return e
	}
	e = &api.Error{Type: "error", Code: api.CodeInternal, Message: err.Error()}
	var network net.Error
	if errors.As(err, &network) {
		e.Code = api.CodeUnavailable
	}
	for _, known := range codes {
		if errors.Is(err, known.is) {
			e.Code = known.code
			break
		}
	}
	return e
}
