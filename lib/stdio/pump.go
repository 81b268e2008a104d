package stdio

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
)

// subscribe starts the events anew. Without a place to begin, a named consumer
// goes on after what it acknowledged, others after the last event.
func (s *session) subscribe(r api.Request) {
	var p api.SubscribeParams
	if len(r.Params) > 0 {
		if err := json.Unmarshal(r.Params, &p); err != nil {
			s.answer(r.CorrID, nil, &api.Error{Type: "error", Code: api.CodeUsage, Message: "stdio: parameters: " + err.Error()})
			return
		}
	}
	var after int64
	var err error
	switch {
	case p.After != nil:
		after = *p.After
	case p.Consumer != "":
		after, err = s.core.Cursor(s.ctx, p.Consumer)
	default:
		after, err = s.core.LastSeq(s.ctx)
	}
	if err != nil {
		s.answer(r.CorrID, nil, err)
		return
	}
	s.stopPump()
	s.pumps.Wait()
	s.answer(r.CorrID, api.OK{Type: "ok", Seq: after}, nil)
	s.startPump(after, p.Types)
}

// startPump writes the events after a number, of the given types or all.
func (s *session) startPump(after int64, types []string) {
	ctx, cancel := context.WithCancel(s.ctx)
	s.stopPump = cancel
	s.pumps.Add(1)
	go func() {
		defer s.pumps.Done()
		defer cancel()
		s.pump(ctx, after, types)
	}()
}

// pump reads events from the log at the pace at which the client reads lines:
// nothing waits for it, and nothing is held for it in memory.
func (s *session) pump(ctx context.Context, after int64, types []string) {
	for {
		events, err := s.core.NextEvents(ctx, after, eventPage)
		if errors.Is(err, chat.ErrLagged) || err == nil && s.lags(ctx, after) {
			s.lagged(ctx, after)
			return
		}
		if err != nil {
			if ctx.Err() == nil {
				s.o.Log.Error("stdio: reading events", "err", err)
			}
			return
		}
		for _, e := range events {
			if ctx.Err() != nil {
				return
			}
			after = e.Seq
			if len(types) > 0 && !slices.Contains(types, e.Type) {
				continue
			}
			if !s.sendJSON(api.Reply{Resp: e.Resp, Seq: e.Seq, TS: e.TS}) {
				return
			}
		}
	}
}

func (s *session) lags(ctx context.Context, after int64) bool {
	last, err := s.core.LastSeq(ctx)
	return err == nil && last-after > s.o.MaxLag
}

func (s *session) lagged(ctx context.Context, after int64) {
	last, err := s.core.LastSeq(ctx)
	if err != nil {
		return
	}
	b, err := json.Marshal(api.Lagged{Type: "lagged", After: after, LastSeq: last})
	if err == nil {
		s.sendJSON(api.Reply{Resp: b, V: api.Version})
	}
	if s.o.DropLagged {
		s.dropped.Store(true)
		select { // the writer ends the session when it has written the above
		case s.out <- nil:
		case <-s.ctx.Done():
		}
	}
}
