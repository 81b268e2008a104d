package xmsg

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// Errors of parsing and encoding, found with errors.Is.
var (
	// ErrSyntax is a body or a message that does not have the form of one.
	ErrSyntax = errors.New("malformed")
	// ErrTooLarge is a message over [MaxBody], or one that does not fit even
	// compressed, or a compressed body that says it is larger than
	// [MaxExpanded].
	ErrTooLarge = errors.New("too large")
	// ErrUnsupported is an element of a binary batch that is not plain JSON:
	// signed and forwarded messages of groups.
	ErrUnsupported = errors.New("unsupported element")
)

// Event is a message's tag. The constants are those of the protocol; other
// values are possible and are ignored by who does not know them.
type Event string

// Events between two contacts, and some of those that groups use too.
const (
	EventNew        Event = "x.msg.new"
	EventFileDescr  Event = "x.msg.file.descr"
	EventUpdate     Event = "x.msg.update"
	EventDel        Event = "x.msg.del"
	EventReact      Event = "x.msg.react"
	EventFile       Event = "x.file"
	EventFileAcpt   Event = "x.file.acpt"
	EventFileInv    Event = "x.file.acpt.inv"
	EventFileCancel Event = "x.file.cancel"
	EventInfo       Event = "x.info"
	EventContact    Event = "x.contact"
	EventDirectDel  Event = "x.direct.del"
	EventProbe      Event = "x.info.probe"
	EventProbeCheck Event = "x.info.probe.check"
	EventProbeOk    Event = "x.info.probe.ok"
	EventOk         Event = "x.ok"
)

// Known tells whether the protocol has the event, whoever it is for.
func (e Event) Known() bool { return knownEvents[e] }

var knownEvents = func() map[Event]bool {
	m := map[Event]bool{}
	for _, e := range []Event{
		EventNew, EventFileDescr, EventUpdate, EventDel, "x.msg.deleted", EventReact,
		EventFile, EventFileAcpt, EventFileInv, EventFileCancel, EventInfo, EventContact,
		"x.member", EventDirectDel, EventProbe, EventProbeCheck, EventProbeOk, EventOk,
		"x.grp.inv", "x.grp.acpt", "x.grp.link.inv", "x.grp.link.reject", "x.grp.link.mem",
		"x.grp.link.acpt", "x.grp.relay.inv", "x.grp.relay.acpt", "x.grp.relay.test",
		"x.grp.relay.new", "x.grp.relay.reject", "x.grp.relay.cap", "x.grp.mem.new",
		"x.grp.mem.intro", "x.grp.mem.inv", "x.grp.mem.fwd", "x.grp.mem.info",
		"x.grp.mem.role", "x.grp.mem.restrict", "x.grp.mem.con", "x.grp.mem.con.all",
		"x.grp.mem.del", "x.grp.leave", "x.grp.del", "x.grp.info", "x.grp.prefs",
		"x.grp.direct.inv", "x.grp.roster", "x.grp.roster.ack", "x.grp.roster.request",
		"x.grp.msg.forward", "x.call.inv", "x.call.offer", "x.call.answer", "x.call.extra",
		"x.call.end",
	} {
		m[e] = true
	}
	return m
}()

// Notifies tells whether the other party's device should be woken for the event.
func (e Event) Notifies() bool {
	switch e {
	case EventNew, EventFile, EventContact, "x.grp.inv", "x.grp.mem.fwd", "x.grp.del", "x.call.inv":
		return true
	}
	return false
}

// MsgID is a sender's name for a message: random bytes as base64 text, the
// form that the wire and the bot API share. Compare it as text.
type MsgID string

// MakeMsgID makes a MsgID of 12 random bytes. What is sent is the base64 text
// of the base64 text of them, as the other programs have it.
func MakeMsgID(random [12]byte) MsgID {
	inner := base64.StdEncoding.EncodeToString(random[:])
	return MsgID(base64.URLEncoding.EncodeToString([]byte(inner)))
}

// Message is one chat message.
type Message struct {
	// V is the sender's range of versions; the zero value is written as none
	// and means version 1.
	V     VersionRange
	MsgID MsgID // may be empty
	Event Event
	// Params is a JSON object. Read it with the Parse function of the event.
	Params json.RawMessage
	// Extra are fields beside the known ones.
	Extra map[string]json.RawMessage
}

// ParseMessage reads one JSON message. [ErrSyntax].
func ParseMessage(b []byte) (Message, error) {
	var m Message
	fields, err := object(b)
	if err != nil {
		return m, fmt.Errorf("xmsg: parse message: %w", err)
	}
	if raw, ok := take(fields, "v"); ok {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return m, fmt.Errorf("xmsg: parse message: v: %w", ErrSyntax)
		}
		if m.V, err = ParseVersionRange(s); err != nil {
			return m, err
		}
	}
	if raw, ok := take(fields, "msgId"); ok {
		if m.MsgID, err = parseMsgID(raw); err != nil {
			return m, err
		}
	}
	raw, _ := take(fields, "event")
	if json.Unmarshal(raw, (*string)(&m.Event)) != nil || m.Event == "" {
		return m, fmt.Errorf("xmsg: parse message: event: %w", ErrSyntax)
	}
	m.Params, _ = take(fields, "params")
	if _, err := object(m.Params); err != nil {
		return m, fmt.Errorf("xmsg: parse %s: params: %w", tagText(m.Event), err)
	}
	if len(fields) > 0 {
		m.Extra = fields
	}
	return m, nil
}

// AppendJSON appends the message as JSON: v, msgId, event, params, the rest.
func (m Message) AppendJSON(b []byte) ([]byte, error) {
	b = append(b, '{')
	if m.V != (VersionRange{}) {
		b = append(b, `"v":"`...)
		b = append(b, m.V.String()...)
		b = append(b, `",`...)
	}
	if m.MsgID != "" {
		b = append(b, `"msgId":`...)
		b = appendString(b, string(m.MsgID))
		b = append(b, ',')
	}
	b = append(b, `"event":`...)
	b = appendString(b, string(m.Event))
	b = append(b, `,"params":`...)
	params := m.Params
	if params == nil {
		params = json.RawMessage("{}")
	}
	if _, err := object(params); err != nil {
		return nil, fmt.Errorf("xmsg: write %s: params: %w", tagText(m.Event), err)
	}
	b = append(b, params...)
	for _, k := range sortedKeys(m.Extra) {
		b = append(b, ',')
		b = appendString(b, k)
		b = append(b, ':')
		b = append(b, m.Extra[k]...)
	}
	return append(b, '}'), nil
}

func parseMsgID(raw json.RawMessage) (MsgID, error) {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("xmsg: parse msgId: %w", ErrSyntax)
	}
	if _, err := base64.URLEncoding.DecodeString(s); err == nil {
		return MsgID(s), nil
	}
	if _, err := base64.StdEncoding.DecodeString(s); err != nil {
		return "", fmt.Errorf("xmsg: parse msgId: not base64: %w", ErrSyntax)
	}
	return MsgID(s), nil
}

// tagText bounds what a peer can put into an error message.
func tagText(e Event) string {
	if len(e) > 40 {
		e = e[:40]
	}
	return fmt.Sprintf("%q", string(e))
}

// object reads a JSON object's fields.
func object(b []byte) (map[string]json.RawMessage, error) {
	if t := bytes.TrimLeft(b, " \t\r\n"); len(t) == 0 || t[0] != '{' {
		return nil, fmt.Errorf("%w: not an object", ErrSyntax)
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrSyntax, err)
	}
	return m, nil
}

// take removes a field and returns it; null counts as absent.
func take(fields map[string]json.RawMessage, key string) (json.RawMessage, bool) {
	raw, ok := fields[key]
	delete(fields, key)
	if !ok || string(raw) == "null" {
		return nil, false
	}
	return raw, true
}
