package remote

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xrcp"
)

// flight is a command that runs.
type flight struct {
	done   chan struct{} // closed when the rest is set
	result xrcp.Result
	err    error
}

type flightKey struct {
	ctrl api.RemoteCtrlID
	id   string
}

// Interrupted is what a controller is told of a command that was cut short.
var Interrupted = commandError("interrupted: the host ended while this command ran; it may have been done, and was not tried again")

// once runs a command unless it has come before. The command goes on when the
// session that brought it has ended: its answer waits for the next one.
func (h *Host) once(ctx context.Context, ctrl api.RemoteCtrlID, id string, run func(context.Context) (xrcp.Result, error)) (xrcp.Result, error) {
	key := flightKey{ctrl, id}
	h.mu.Lock()
	f := h.flights[key]
	first := f == nil
	if first {
		if h.ending {
			h.mu.Unlock()
			return xrcp.Result{}, ErrEnded
		}
		f = &flight{done: make(chan struct{})}
		h.flights[key] = f
		h.all.Add(1)
	}
	h.mu.Unlock()
	if first {
		go func() {
			defer h.all.Done()
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commandTime)
			defer cancel()
			f.result, f.err = h.fly(ctx, key, run)
			h.mu.Lock()
			delete(h.flights, key)
			h.mu.Unlock()
			close(f.done)
		}()
	}
	select {
	case <-f.done:
		return f.result, f.err
	case <-ctx.Done():
		return xrcp.Result{}, ctx.Err()
	}
}

func (h *Host) fly(ctx context.Context, key flightKey, run func(context.Context) (xrcp.Result, error)) (xrcp.Result, error) {
	before, err := h.cfg.Store.Begin(ctx, key.ctrl, key.id, keepCommands)
	if err != nil {
		return xrcp.Result{}, fmt.Errorf("remote: noting a command: %w", err)
	}
	if before.Known {
		if before.Result == nil {
			return errorResult(Interrupted)
		}
		var r xrcp.Result
		err := json.Unmarshal(before.Result, &r)
		return r, err
	}
	r, err := run(ctx)
	if err != nil {
		r, err = errorResult(commandError(err.Error()))
	}
	if err != nil {
		return r, err
	}
	b, err := json.Marshal(r)
	if err == nil {
		err = h.cfg.Store.Finish(ctx, key.ctrl, key.id, b)
	}
	if err != nil {
		h.log.Warn("remote: noting an answer", "err", err)
	}
	return r, nil
}
