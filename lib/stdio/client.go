package stdio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/simplexkit/simplexkit/lib/api"
)

// ErrClosed is what requests get when the session has ended before the answer.
var ErrClosed = errors.New("stdio: session ended before the answer")

// Client is the other side of a session. Safe for concurrent use; the
// callbacks may call its methods.
type Client struct {
	rw io.ReadWriter

	writing sync.Mutex // held while a line is written; no lock is taken under it

	mu      sync.Mutex
	next    int                             // guarded by mu
	waiting map[string]chan json.RawMessage // guarded by mu; corrId → answer, with room for it
	hello   *api.Hello                      // guarded by mu
	sub     *subscriber                     // guarded by mu; nil without one

	ended chan struct{} // closed when Run has ended
	once  sync.Once     // closes ended
}

// NewClient makes a client over rw, which [Client.Close] closes if it is an
// io.Closer. [Client.Run] must run for calls to return.
func NewClient(rw io.ReadWriter) *Client {
	return &Client{rw: rw, waiting: map[string]chan json.RawMessage{}, ended: make(chan struct{})}
}

// Run reads until the session ends and returns why; nil at the end of input.
// When ctx ends, it closes rw.
func (c *Client) Run(ctx context.Context) error {
	defer c.once.Do(func() { close(c.ended) })
	stop := context.AfterFunc(ctx, func() { _ = c.Close() }) // to end the read
	defer stop()
	lines := newLineReader(c.rw)
	for {
		line, err := lines.next()
		if errors.Is(err, ErrLineTooLong) || errors.Is(err, ErrNotUTF8) {
			continue
		}
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err == io.EOF || errors.Is(err, io.ErrClosedPipe) {
				return nil
			}
			return fmt.Errorf("stdio: reading: %w", err)
		}
		c.take(line)
	}
}

// take gives a line to who waits for it. Lines that nobody waits for, and
// lines of kinds not known, are dropped.
func (c *Client) take(line []byte) {
	var r struct {
		api.Reply
		Type string `json:"type"`
	}
	if json.Unmarshal(line, &r) != nil {
		return
	}
	if r.CorrID != nil {
		c.mu.Lock()
		ch := c.waiting[*r.CorrID]
		delete(c.waiting, *r.CorrID)
		c.mu.Unlock()
		if ch != nil {
			ch <- r.Resp
		}
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Type == "hello" {
		c.hello = new(api.Hello)
		_ = json.Unmarshal(line, c.hello) // what it says was valid a moment ago
	}
	if c.sub != nil && r.Resp != nil {
		c.sub.put(r.Reply)
	}
}

// subscriber holds events until its callback takes them, so that the callback
// can wait for answers. The other side bounds how many there are: MaxLag.
type subscriber struct {
	cancel context.CancelFunc
	more   chan struct{} // has room for one: there are events
	events []api.Reply   // guarded by Client.mu
}

func (s *subscriber) put(r api.Reply) {
	s.events = append(s.events, r)
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// Hello is the other side's first line, if it has come and is one.
func (c *Client) Hello() (api.Hello, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hello == nil {
		return api.Hello{}, false
	}
	return *c.hello, true
}

// Do sends a request and returns the answer's resp. Its CorrID is replaced.
func (c *Client) Do(ctx context.Context, r api.Request) (json.RawMessage, error) {
	ch := make(chan json.RawMessage, 1)
	c.mu.Lock()
	c.next++
	r.CorrID = strconv.Itoa(c.next)
	c.waiting[r.CorrID] = ch
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, r.CorrID)
		c.mu.Unlock()
	}()
	line, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("stdio: writing a request: %w", err)
	}
	if len(line) > MaxLine {
		return nil, &api.Error{Type: "error", Code: api.CodeLineTooLong, Message: ErrLineTooLong.Error()}
	}
	c.writing.Lock()
	_, err = c.rw.Write(append(line, '\n'))
	c.writing.Unlock()
	if err != nil {
		return nil, fmt.Errorf("stdio: writing a request: %w", err)
	}
	select {
	case resp := <-ch:
		return resp, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.ended:
		select {
		case resp := <-ch:
			return resp, nil
		default:
			return nil, ErrClosed
		}
	}
}

// Exec executes a bot API command.
func (c *Client) Exec(ctx context.Context, cmd string) (r api.Response, err error) {
	raw, err := c.Do(ctx, api.Request{Cmd: cmd})
	if err == nil {
		err = json.Unmarshal(raw, &r)
	}
	return r, err
}

// Call executes a structured method and reads its result into result, which
// may be nil. The error is an [*api.Error] when the other side refused.
func (c *Client) Call(ctx context.Context, method string, params, result any) error {
	r := api.Request{Method: method}
	if params != nil {
		b, err := json.Marshal(params)
		if err != nil {
			return fmt.Errorf("stdio: writing parameters: %w", err)
		}
		r.Params = b
	}
	raw, err := c.Do(ctx, r)
	if err != nil {
		return err
	}
	e := new(api.Error)
	if err := json.Unmarshal(raw, e); err != nil {
		return fmt.Errorf("stdio: reading the answer to %s: %w", method, err)
	}
	if e.Type == "error" {
		return e
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(raw, result); err != nil {
		return fmt.Errorf("stdio: reading the answer to %s: %w", method, err)
	}
	return nil
}

// Recv calls line for every received message that p asks for, in the order of
// their numbers: until there are no more or p.Limit were given, or with
// p.Follow until ctx ends. It returns the first error of line, and that of ctx.
func (c *Client) Recv(ctx context.Context, p api.RecvParams, line func(api.RecvLine) error) error {
	p.Unread = p.Unread || p.Since == nil
	follow, left := p.Follow, p.Limit
	p.Follow = false
	for {
		p.Limit = left
		var r api.RecvResult
		if err := c.Call(ctx, "recv", p, &r); err != nil {
			return err
		}
		for _, l := range r.Messages {
			if err := line(l); err != nil {
				return err
			}
			if left--; left == 0 {
				return nil
			}
		}
		left = max(left, 0)
		p.Since = &r.LastSeq
		if len(r.Messages) == 0 {
			if p.Follow = follow; !follow {
				return nil
			}
			continue
		}
		p.Follow = false
	}
}

// Subscribe is the method "subscribe": it calls event for every event until
// ctx or the session ends, or event returns an error, which it returns. There
// is one subscriber at a time; a second one takes the place of the first. An
// event of type "lagged" is the last.
func (c *Client) Subscribe(ctx context.Context, p api.SubscribeParams, event func(api.Reply) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sub := &subscriber{cancel: cancel, more: make(chan struct{}, 1)}
	c.mu.Lock()
	if c.sub != nil {
		c.sub.cancel()
	}
	c.sub = sub
	c.mu.Unlock()
	called := make(chan error, 1)
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		called <- c.Call(ctx, "subscribe", p, nil)
	}()
	defer func() {
		cancel()
		<-returned
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.sub == sub {
			c.sub = nil
		}
	}()
	return c.follow(ctx, sub, called, event)
}

func (c *Client) follow(ctx context.Context, sub *subscriber, called <-chan error, event func(api.Reply) error) error {
	for {
		select {
		case err := <-called:
			if err != nil {
				return err
			}
		case <-sub.more:
			c.mu.Lock()
			events := sub.events
			sub.events = nil
			c.mu.Unlock()
			for _, r := range events {
				if err := event(r); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-c.ended:
			return ErrClosed
		}
	}
}

// Close ends the session: requests under way fail with [ErrClosed].
func (c *Client) Close() error {
	if cl, ok := c.rw.(io.Closer); ok {
		return cl.Close()
	}
	return nil
}
