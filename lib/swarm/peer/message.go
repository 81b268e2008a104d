package peer

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// Types of messages.
const (
	typeCommit  = "application/im-gitmessage-id"
	typeInvite  = "application/invite+json"
	typeWanted  = "application/invite"
	typeTyping  = "application/im-iscomposing+xml"
	typeRead    = "message/imdn+xml"
	maxMessage  = 512 << 10
	maxProfile  = 64_000 // of a value of an invitation; longer ones are left out
	clockSkew   = 5 * time.Minute
	maxMetadata = 32
)

// envelope is a message. Body is a JSON value of the type, a string for XML.
type envelope struct {
	Type string          `json:"type"`
	Body json.RawMessage `json:"body"`
}

// notice is the body of application/im-gitmessage-id.
type notice struct {
	Commit commit.ObjectID `json:"commit"`
	Device string          `json:"deviceId"`
	ID     commit.ObjectID `json:"id"`
}

type inviteBody struct {
	Conversation commit.ObjectID   `json:"conversationId"`
	Metadata     map[string]string `json:"metadatas"`
	Received     int64             `json:"received"`
	ReceivedMS   int64             `json:"receivedMs"`
}

type composing struct {
	XMLName xml.Name `xml:"isComposing"`
	State   string   `xml:"state"`
	ID      string   `xml:"conversation"`
}

type imdn struct {
	XMLName xml.Name `xml:"imdn"`
	Message string   `xml:"message-id"`
	ID      string   `xml:"conversation"`
	Status  struct {
		Displayed *struct{} `xml:"status>displayed"`
	} `xml:"display-notification"`
}

// send sends a message and waits until the other side has taken it.
func (e *Engine) send(ctx context.Context, to ident.DeviceID, kind string, body any) (answer, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return answer{}, err
	}
	s, done, err := e.open(ctx, to, protoMessage, exchangeTime)
	if err != nil {
		return answer{}, err
	}
	defer done()
	if err := writeJSON(s, envelope{kind, b}); err != nil {
		return answer{}, err
	}
	return readAnswer(s)
}

// Invite sends an invitation to a device. Values that are too long are left
// out.
func (e *Engine) Invite(ctx context.Context, to ident.DeviceID, in Invite) error {
	at := in.Received
	if at.IsZero() {
		at = time.Now()
	}
	meta := map[string]string{}
	for k, v := range in.Metadata {
		if len(v) < maxProfile {
			meta[k] = v
		}
	}
	_, err := e.send(ctx, to, typeInvite, inviteBody{in.Conversation, meta, at.Unix(), at.UnixMilli()})
	return err
}

// AskInvite asks a device for an invitation to a conversation.
func (e *Engine) AskInvite(ctx context.Context, to ident.DeviceID, conv commit.ObjectID) error {
	_, err := e.send(ctx, to, typeWanted, conv.String())
	return err
}

// Typing tells the connected devices of a conversation that we write, or
// stopped. It is not sent again.
func (e *Engine) Typing(id commit.ObjectID, active bool) {
	c := composing{State: "idle", ID: id.String()}
	if active {
		c.State = "active"
	}
	e.tellAll(id, typeTyping, c)
}

// Read tells the connected devices of a conversation up to where we have read.
func (e *Engine) Read(id, message commit.ObjectID) {
	m := imdn{Message: message.String(), ID: id.String()}
	m.Status.Displayed = &struct{}{}
	e.tellAll(id, typeRead, m)
}

// tellAll sends to the neighbours, and to whom else there is a connection now.
func (e *Engine) tellAll(id commit.ObjectID, kind string, v any) {
	c := e.conv(id)
	if c == nil {
		return
	}
	text, err := xml.Marshal(v)
	if err != nil {
		return
	}
	e.spawn(func(ctx context.Context) {
		devs, err := e.cfg.Store.Members(ctx, id)
		if err != nil {
			return
		}
		for _, dev := range devs {
			if e.cfg.Net.Road(dev) == 0 {
				continue
			}
			e.spawn(func(ctx context.Context) {
				if _, err := e.send(ctx, dev, kind, string(text)); err != nil {
					e.log.Debug("swarm: not told", "type", kind, "err", err)
				}
			})
		}
	})
}

// ParseMessage reads a message of the message protocol, for what it is.
func ParseMessage(b []byte) (any, error) {
	var m envelope
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrFrame, err)
	}
	var text string
	switch m.Type {
	case typeCommit:
		var n notice
		if err := body(m, &n); err != nil {
			return nil, err
		}
		return n, nil
	case typeInvite:
		var in inviteBody
		if err := body(m, &in); err != nil {
			return nil, err
		}
		return in, nil
	case typeWanted, typeTyping, typeRead:
		if err := body(m, &text); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%w: message of type %.40q", ErrFrame, m.Type)
	}
	return parseText(m.Type, text)
}

func body(m envelope, v any) error {
	if err := json.Unmarshal(m.Body, v); err != nil {
		return fmt.Errorf("%w: %s: %v", ErrFrame, m.Type, err)
	}
	return nil
}

// wanted, typing and read are what messages of text say.
type (
	wanted struct{ ID commit.ObjectID }
	typing struct {
		ID     commit.ObjectID
		Active bool
	}
	readTo struct{ ID, Message commit.ObjectID }
)

func parseText(kind, text string) (any, error) {
	bad := func(err error) (any, error) { return nil, fmt.Errorf("%w: %s: %v", ErrFrame, kind, err) }
	switch kind {
	case typeWanted:
		id, err := commit.ParseObjectID(text)
		if err != nil {
			return bad(err)
		}
		return wanted{id}, nil
	case typeTyping:
		var c composing
		if err := xml.Unmarshal([]byte(text), &c); err != nil {
			return bad(err)
		}
		id, err := commit.ParseObjectID(c.ID)
		if err != nil {
			return bad(err)
		}
		return typing{id, c.State == "active"}, nil
	}
	var m imdn
	if err := xml.Unmarshal([]byte(text), &m); err != nil {
		return bad(err)
	}
	id, err := commit.ParseObjectID(m.ID)
	if err != nil {
		return bad(err)
	}
	msg, err := commit.ParseObjectID(m.Message)
	if err != nil {
		return bad(err)
	}
	if m.Status.Displayed == nil {
		return bad(errors.New("not displayed"))
	}
	return readTo{id, msg}, nil
}

func (e *Engine) serveMessage(ctx context.Context, from ident.DeviceID, s Stream) error {
	s.SetEnd(time.Now().Add(exchangeTime))
	if !e.flow(from).take(1) {
		return errBusy // no word is wasted on it
	}
	b, err := readFrame(s, maxMessage)
	if err != nil {
		return err
	}
	m, err := ParseMessage(b)
	if err != nil {
		return err
	}
	a, err := e.take(ctx, from, m)
	if err != nil {
		return refuse(s, err)
	}
	return writeJSON(s, a)
}

// take does what a message asks.
func (e *Engine) take(ctx context.Context, from ident.DeviceID, m any) (answer, error) {
	var none answer
	switch m := m.(type) {
	case notice:
		return e.takeNotice(ctx, from, m)
	case inviteBody:
		return none, e.cfg.Inbox.Invited(ctx, from, m.invite(time.Now()))
	case wanted:
		return none, e.cfg.Inbox.InviteWanted(ctx, from, m.ID)
	case typing:
		if err := e.cfg.Store.Allow(ctx, m.ID, from); err != nil {
			return none, err
		}
		return none, e.cfg.Inbox.Typing(ctx, from, m.ID, m.Active)
	case readTo:
		if err := e.cfg.Store.Allow(ctx, m.ID, from); err != nil {
			return none, err
		}
		return none, e.cfg.Inbox.Read(ctx, from, m.ID, m.Message)
	}
	return none, ErrFrame
}

// invite is what an invitation says; times far ahead of ours are ours.
func (m inviteBody) invite(now time.Time) Invite {
	at := time.Unix(m.Received, 0)
	if m.ReceivedMS > 0 {
		at = time.UnixMilli(m.ReceivedMS)
	}
	if at.After(now.Add(clockSkew)) || m.Received < 0 {
		at = now
	}
	in := Invite{Conversation: m.Conversation, Metadata: map[string]string{}, Received: at}
	for k, v := range m.Metadata {
		if len(v) < maxProfile && len(k) < 64 && len(in.Metadata) < maxMetadata {
			in.Metadata[k] = v
		}
	}
	return in
}

func (e *Engine) takeNotice(ctx context.Context, from ident.DeviceID, n notice) (answer, error) {
	err := e.cfg.Store.Allow(ctx, n.ID, from)
	switch {
	case errors.Is(err, ErrIgnored):
		return answer{}, nil // who left need not be told so
	case errors.Is(err, ErrUnknown):
		e.wantInvite(from, n.ID)
		return answer{}, nil
	case err != nil:
		return answer{}, err
	}
	has, err := e.cfg.Store.Has(ctx, n.ID, n.Commit)
	if err != nil {
		return answer{}, err
	}
	e.cfg.Inbox.Delivered(ctx, from, n.ID, n.Commit)
	if c := e.conv(n.ID); c != nil {
		c.tell(func(ctx context.Context) { c.noticed(ctx, from, n.Commit) })
	}
	return answer{Has: has}, nil
}

// wantInvite asks for an invitation, which costs a device that floods us more
// than it costs us.
func (e *Engine) wantInvite(from ident.DeviceID, conv commit.ObjectID) {
	if !e.flow(from).take(20) {
		return
	}
	e.spawn(func(ctx context.Context) {
		if err := e.AskInvite(ctx, from, conv); err != nil {
			e.log.Debug("swarm: no invitation asked for", "err", err)
		}
	})
}

// outbox are the notifications for one device: of each conversation the last.
type outbox struct {
	pending map[commit.ObjectID]commit.ObjectID
}

// notify has a device notified of a commit in our history. What it was to be
// told before of the same conversation is below it: what we announce is our
// head, or was.
func (e *Engine) notify(dev ident.DeviceID, conv, c commit.ObjectID) {
	e.mu.Lock()
	o := e.outs[dev]
	fresh := o == nil
	if fresh {
		o = &outbox{pending: map[commit.ObjectID]commit.ObjectID{}}
		e.outs[dev] = o
	}
	o.pending[conv] = c
	e.mu.Unlock()
	if fresh && !e.spawn(func(ctx context.Context) { e.drain(ctx, dev) }) {
		e.mu.Lock()
		delete(e.outs, dev)
		e.mu.Unlock()
	}
}

// drain sends a device what it is to be told, one after the other.
func (e *Engine) drain(ctx context.Context, dev ident.DeviceID) {
	for {
		var conv, id commit.ObjectID
		e.mu.Lock()
		o := e.outs[dev]
		if len(o.pending) == 0 || ctx.Err() != nil {
			delete(e.outs, dev)
			e.mu.Unlock()
			return
		}
		for conv, id = range o.pending {
			break
		}
		delete(o.pending, conv)
		e.mu.Unlock()
		a, err := e.send(ctx, dev, typeCommit, notice{id, e.cfg.Net.Self().String(), conv})
		if err == nil && a.Has {
			e.cfg.Inbox.Delivered(ctx, dev, conv, id)
		}
		if c := e.conv(conv); c != nil && err != nil {
			c.tell(func(context.Context) { c.unsent(dev, id, err) })
		}
	}
}

// unsent is an input: a device could not be notified. If there is a channel to
// it, it is told of our head again when the channel is; others are asked less
// often from now on.
func (c *conv) unsent(dev ident.DeviceID, id commit.ObjectID, err error) {
	if by := c.recent.by[id]; by != nil {
		delete(by, dev)
	}
	if len(c.chans[dev]) == 0 {
		c.peer(dev).failed(time.Now(), err.Error())
	}
}
