package stdio

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/simplexkit/simplexkit/lib/api"
)

// invalidRequest is what the bot API says of a line that is no request.
const invalidRequest = "invalid request"

// parseRequest reads a line. corrId must be a string, and there must be either
// a command or a method.
func parseRequest(line []byte) (r api.Request, err error) {
	var v struct {
		CorrID *string         `json:"corrId"`
		Cmd    *string         `json:"cmd"`
		Method string          `json:"method"`
		Params json.RawMessage `json:"params"`
	}
	if err := json.Unmarshal(line, &v); err != nil {
		return r, fmt.Errorf("stdio: reading a request: %w", err)
	}
	if v.CorrID == nil || (v.Cmd != nil) == (v.Method != "") {
		return r, errors.New("stdio: reading a request: corrId and one of cmd and method must be there")
	}
	r = api.Request{CorrID: *v.CorrID, Method: v.Method, Params: v.Params}
	if v.Cmd != nil {
		r.Cmd = *v.Cmd
	}
	return r, nil
}

// read reads requests until there are no more, and executes them.
func (s *session) read(lines *lineReader) error {
	for {
		line, err := lines.next()
		switch {
		case errors.Is(err, ErrLineTooLong), errors.Is(err, ErrNotUTF8):
			s.refuse(invalidRequest + ": " + err.Error())
			continue
		case err == nil:
		case s.ctx.Err() != nil:
			return s.ctx.Err()
		default:
			return err
		}
		r, err := parseRequest(line)
		if err != nil {
			s.refuse(invalidRequest)
			continue
		}
		if r.Method == "" {
			s.reply(r.CorrID, s.core.Exec(s.ctx, r.Cmd))
			continue
		}
		s.call(r)
	}
}

// call executes a method: at once, or beside the others if it waits.
func (s *session) call(r api.Request) {
	switch r.Method {
	case "subscribe":
		s.subscribe(r)
	case "send":
		s.callSend(r)
	case "connect", "wait", "recv", "invite":
		s.beside(r.CorrID, func() (any, error) { return s.core.Call(s.ctx, r.Method, r.Params) })
	default:
		if strings.HasPrefix(r.Method, "remote") { // these wait for people, and for other machines
			s.beside(r.CorrID, func() (any, error) { return s.core.Call(s.ctx, r.Method, r.Params) })
			return
		}
		v, err := s.core.Call(s.ctx, r.Method, r.Params)
		s.answer(r.CorrID, v, err)
	}
}

// beside answers a request when it is done, without holding up the next.
func (s *session) beside(corrID string, fn func() (any, error)) {
	select {
	case s.slot <- struct{}{}:
	case <-s.ctx.Done():
		return
	}
	s.requests.Add(1)
	go func() {
		defer s.requests.Done()
		v, err := fn()
		s.answer(corrID, v, err)
		<-s.slot
	}()
}

func (s *session) answer(corrID string, v any, err error) {
	var e *api.Error
	switch {
	case err == nil:
		s.reply(corrID, v)
	case errors.As(err, &e):
		s.reply(corrID, e)
	default:
		s.reply(corrID, api.Error{Type: "error", Code: api.CodeInternal, Message: err.Error()})
	}
}

// callSend stores the message in its turn, then waits for it beside the others.
func (s *session) callSend(r api.Request) {
	var p api.SendParams
	if err := json.Unmarshal(r.Params, &p); err != nil || p.Wait == "queued" {
		v, err := s.core.Call(s.ctx, "send", r.Params)
		s.answer(r.CorrID, v, err)
		return
	}
	level := p.Wait
	if level == "" {
		level = "sent"
	}
	if level != "sent" && level != "delivered" {
		v, err := s.core.Call(s.ctx, "send", r.Params) // refuses the level
		s.answer(r.CorrID, v, err)
		return
	}
	p.Wait = "queued"
	v, err := s.callJSON("send", p)
	queued, ok := v.(*api.SendResult)
	if err != nil || !ok {
		s.answer(r.CorrID, v, err)
		return
	}
	s.beside(r.CorrID, func() (any, error) {
		v, err := s.callJSON("wait", api.WaitParams{ItemID: queued.ItemID, State: level})
		if done, ok := v.(*api.SendResult); ok && done != nil {
			done.MessageID = queued.MessageID
			done.Elapsed += queued.Elapsed
		}
		return v, err
	})
}

func (s *session) callJSON(method string, params any) (any, error) {
	b, err := json.Marshal(params)
	if err != nil {
		return nil, fmt.Errorf("stdio: writing parameters: %w", err)
	}
	return s.core.Call(s.ctx, method, b)
}
