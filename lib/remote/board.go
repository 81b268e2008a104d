package remote

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/xrcp/discovery"
)

// BoardConfig is what a [Board] is made of. Desk must be set.
type BoardConfig struct {
	Desk *Desk
	// Emit puts an event into the program's log, Mirror one of a host's.
	Emit   func(ctx context.Context, r api.Response) error
	Mirror func(ctx context.Context, typ string, resp json.RawMessage) error
	// Dir has a folder for the files of each host.
	Dir string
	Log *slog.Logger
}

// Board is the controller's side in the words of the bot API: the commands
// "/start remote host" and their kin. Safe for concurrent use.
type Board struct {
	cfg     BoardConfig
	log     *slog.Logger
	all     sync.WaitGroup
	started chan struct{} // closed when Run has begun

	mu     sync.Mutex
	runCtx context.Context               // guarded by mu, as is what follows
	ending bool                          //
	open   map[api.RemoteHostID]*driving // 0 is a host that is new
}

// driving is one session with a host, from the invitation on.
type driving struct {
	offer  *Offer
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	host    *KnownHost // guarded by mu, as is what follows; nil while it is new
	state   string
	code    string
	session *Attached
	stopped bool // by a command: nobody is told
}

// NewBoard makes a board; it starts nothing.
func NewBoard(cfg BoardConfig) *Board {
	b := &Board{cfg: cfg, log: cfg.Log, started: make(chan struct{}), open: map[api.RemoteHostID]*driving{}}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	return b
}

// Run holds sessions until ctx ends, and waits for them. To be called once.
func (b *Board) Run(ctx context.Context) error {
	b.mu.Lock()
	b.runCtx = ctx
	b.mu.Unlock()
	close(b.started)
	<-ctx.Done()
	b.mu.Lock()
	b.ending = true
	b.mu.Unlock()
	b.all.Wait()
	return nil
}

func hostError(id api.RemoteHostID, typ string, more any) *api.ChatError {
	key := map[string]any{"type": "new"}
	if id != 0 {
		key = map[string]any{"type": "id", "remoteHostId": id}
	}
	what := map[string]any{"type": typ}
	if more != nil {
		what["data"] = more
	}
	k, _ := json.Marshal(key) // strings and numbers: cannot fail
	w, _ := json.Marshal(what)
	return &api.ChatError{Type: "errorRemoteHost", RHKey: k, RemoteHostError: w}
}

func noHost(id api.RemoteHostID) api.Response {
	n := int64(id)
	return errorAnswer(&api.ChatError{Type: "errorStore", StoreError: &api.StoreError{Type: "remoteHostNotFound", RemoteHostID: &n}})
}

// Exec executes a command about remote hosts; ok is false for others.
func (b *Board) Exec(ctx context.Context, cmd string) (r api.Response, ok bool) {
	verb, rest, ok := hostCommand(strings.TrimRight(cmd, " \t\r\n"))
	if !ok {
		return r, false
	}
	if verb == "list" {
		return b.list(ctx), true
	}
	word, rest, _ := strings.Cut(rest, " ")
	id, err := strconv.ParseInt(word, 10, 64)
	host := api.RemoteHostID(id)
	switch {
	case verb == "switch" && word == "local":
		return api.Response{Type: "currentRemoteHost"}, true
	case word == "new" && (verb == "start" || verb == "stop"):
		host = 0
	case err != nil || host == 0:
		return errorAnswer(parseFail), true
	}
	switch verb {
	case "start":
		return b.start(ctx, host, rest), true
	case "stop":
		b.stop(host)
		return api.Response{Type: "cmdOk"}, true
	}
	known, err := b.cfg.Desk.Host(ctx, host)
	if errors.Is(err, ErrNotFound) {
		return noHost(host), true
	}
	if err != nil {
		return exception(err), true
	}
	switch verb {
	case "switch":
		return api.Response{Type: "currentRemoteHost", Remote: &api.Remote{RemoteHost_: b.info(known)}}, true
	case "delete":
		b.stop(host)
		if err := b.cfg.Desk.Forget(ctx, host); err != nil && !errors.Is(err, ErrNotFound) {
			return exception(err), true
		}
		return api.Response{Type: "cmdOk"}, true
	case "store":
		return b.store(ctx, known, rest), true
	}
	return b.get(ctx, known, rest), true
}

// hostCommand takes a command apart.
func hostCommand(cmd string) (verb, rest string, ok bool) {
	if cmd == "/list remote hosts" {
		return "list", "", true
	}
	for _, verb := range []string{"switch", "start", "stop", "delete"} {
		if rest, ok := strings.CutPrefix(cmd, "/"+verb+" remote host"); ok && (rest == "" || rest[0] == ' ') {
			return verb, strings.TrimPrefix(rest, " "), true
		}
	}
	for _, verb := range []string{"store", "get"} {
		if rest, ok := strings.CutPrefix(cmd, "/"+verb+" remote file "); ok {
			return verb, rest, true
		}
	}
	return "", "", false
}

func (b *Board) running(id api.RemoteHostID) *driving {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open[id]
}

// info is a host in the bot API's words.
func (b *Board) info(h *KnownHost) *api.RemoteHostInfo {
	i := &api.RemoteHostInfo{RemoteHostID: h.ID, HostDeviceName: h.Name, StorePath: h.StorePath, BindAddress: h.Bind, BindPort: h.Port}
	if d := b.running(h.ID); d != nil {
		i.SessionState = d.stateNow()
	}
	return i
}

func (d *driving) stateNow() *api.RemoteSession {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &api.RemoteSession{Type: d.state, SessionCode: d.code}
}

func (b *Board) list(ctx context.Context) api.Response {
	all, err := b.cfg.Desk.Hosts(ctx)
	if err != nil {
		return exception(err)
	}
	list := []api.RemoteHostInfo{}
	for _, h := range all {
		list = append(list, *b.info(h))
	}
	return api.Response{Type: "remoteHostList", Remote: &api.Remote{RemoteHosts: list}}
}

// startOptions reads "multicast=on addr=IP iface=NAME port=N", in any order.
func startOptions(rest string) (o OfferOptions, ok bool) {
	o.Multicast, o.Ports = true, []uint16{0}
	for _, word := range strings.Fields(rest) {
		name, value, _ := strings.Cut(word, "=")
		value = strings.Trim(value, `"`)
		switch name {
		case "multicast":
			o.Multicast = value == "on"
			if !o.Multicast && value != "off" {
				return o, false
			}
		case "addr":
			o.Addr = value
		case "iface":
			if o.Addr == "" {
				o.Addr = value
			}
		case "port":
			n, err := strconv.ParseUint(value, 10, 16)
			if err != nil {
				return o, false
			}
			o.Ports = []uint16{uint16(n)}
		default:
			return o, false
		}
	}
	return o, true
}

// start makes an invitation and waits for the host in the background.
func (b *Board) start(ctx context.Context, id api.RemoteHostID, rest string) api.Response {
	o, ok := startOptions(rest)
	if !ok {
		return errorAnswer(parseFail)
	}
	if id != 0 {
		h, err := b.cfg.Desk.Host(ctx, id)
		if errors.Is(err, ErrNotFound) {
			return noHost(id)
		}
		if err != nil {
			return exception(err)
		}
		o.Host = h
	}
	addrs, err := discovery.Addresses()
	if err != nil {
		return exception(err)
	}
	if known := discovery.Prefer(addrs, o.Addr)[0]; known.IP.String() != o.Addr && known.Interface != o.Addr {
		o.Addr = "" // one that is not ours: the best that is
	}
	select {
	case <-b.started:
	case <-ctx.Done():
		return exception(ctx.Err())
	}
	o.Via = []carrier.Name{carrier.TCP, carrier.Multicast} // what the reference's hosts know
	d := &driving{done: make(chan struct{}), state: "starting", host: o.Host}
	o.Confirm = func(ctx context.Context, code string) error {
		d.mu.Lock()
		d.code, d.state = code, "pendingConfirmation"
		d.mu.Unlock()
		r := &api.Remote{SessionCode: code}
		if o.Host != nil {
			r.RemoteHost_ = b.info(o.Host)
		}
		b.emit(ctx, "remoteHostSessionCode", r)
		return nil
	}
	var failed error
	o.OnFailure = func(err error) { // one that is past the code: there is no other
		if d.stateNow().Type == "pendingConfirmation" {
			d.mu.Lock()
			failed = err
			d.mu.Unlock()
			d.cancel()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ending {
		return exception(ErrEnded)
	}
	if b.open[id] != nil {
		return errorAnswer(hostError(id, "busy", nil))
	}
	if d.offer, err = b.cfg.Desk.Offer(ctx, o); err != nil {
		return exception(err)
	}
	var runCtx context.Context
	runCtx, d.cancel = context.WithCancel(b.runCtx)
	b.open[id] = d
	b.all.Go(func() {
		err := b.drive(runCtx, d, id)
		d.mu.Lock()
		if failed != nil {
			err = failed
		}
		d.mu.Unlock()
		b.end(runCtx, d, id, err)
	})
	_, port := d.offer.Address()
	r := &api.Remote{Invitation: d.offer.Invitation().String(), CtrlPort: strconv.Itoa(int(port))}
	for _, a := range addrs {
		r.LocalAddrs = append(r.LocalAddrs, api.RemoteAddr{Address: a.IP.String(), Interface: a.Interface})
	}
	if h := o.Host; h != nil {
		r.RemoteHost_ = &api.RemoteHostInfo{RemoteHostID: h.ID, HostDeviceName: h.Name, StorePath: h.StorePath, BindAddress: h.Bind,
			SessionState: &api.RemoteSession{Type: "starting"}}
	}
	return api.Response{Type: "remoteHostStarted", Remote: r}
}

// drive waits for the host and mirrors its events.
func (b *Board) drive(ctx context.Context, d *driving, id api.RemoteHostID) error {
	a, err := d.offer.Accept(ctx)
	if err != nil {
		return err
	}
	d.mu.Lock()
	fresh := d.host == nil
	d.host, d.session, d.state = a.Host, a, "confirmed"
	d.mu.Unlock()
	b.mu.Lock()
	if fresh {
		delete(b.open, id) // another new one can be invited
		b.open[a.Host.ID] = d
	}
	b.mu.Unlock()
	if fresh {
		b.emit(ctx, "newRemoteHost", &api.Remote{RemoteHost: b.info(a.Host)})
	}
	d.mu.Lock()
	d.state = "connected"
	d.mu.Unlock()
	b.emit(ctx, "remoteHostConnected", &api.Remote{RemoteHost: b.info(a.Host)})
	l := NewLink(LinkConfig{Desk: b.cfg.Desk, First: a, Event: func(ctx context.Context, _ int64, resp json.RawMessage) error {
		var kind struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(resp, &kind); err != nil || b.cfg.Mirror == nil {
			return err
		}
		return b.cfg.Mirror(ctx, kind.Type, resp)
	}})
	return l.Run(ctx)
}

// end tells that a session is over, unless a command ended it.
func (b *Board) end(ctx context.Context, d *driving, id api.RemoteHostID, err error) {
	state := d.stateNow()
	d.cancel()
	d.mu.Lock()
	host, stopped := d.host, d.stopped
	d.mu.Unlock()
	if host != nil {
		id = host.ID
	}
	b.mu.Lock()
	stopped = stopped || b.runCtx.Err() != nil
	b.mu.Unlock()
	// Who stops it meanwhile waits until the end has been told.
	defer close(d.done)
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.open[id] == d {
			delete(b.open, id)
		}
	}()
	if !stopped {
		reason := &api.RemoteStop{Type: "disconnected"}
		if state.Type != "connected" {
			reason = &api.RemoteStop{Type: "crashed", ChatError: rcpError(err)}
		}
		b.emit(ctx, "remoteHostStopped", &api.Remote{RemoteHostID_: id, RHSState: state, RHStopReason: reason})
	}
}

func (b *Board) stop(id api.RemoteHostID) {
	d := b.running(id)
	if d == nil {
		return
	}
	d.mu.Lock()
	d.stopped = true
	d.mu.Unlock()
	d.cancel()
	<-d.done
}

func (b *Board) emit(ctx context.Context, typ string, r *api.Remote) {
	if b.cfg.Emit == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := b.cfg.Emit(ctx, api.Response{Type: typ, Remote: r}); err != nil {
		b.log.Warn("remote: telling of a session", "err", err)
	}
}
