package commit

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// The types of messages. Any other string is a message of a program that knows
// more than we; it may not touch the members.
const (
	TypeInitial    = "initial"
	TypeText       = "text/plain"
	TypeEdited     = "application/edited-message"
	TypeFile       = "application/data-transfer+json"
	TypeMember     = "member"
	TypeVote       = "vote"
	TypeProfile    = "application/update-profile"
	TypeCall       = "application/call-history+json"
	TypeCollab     = "application/collab-doc+json"
	TypeCheckpoint = "application/checkpoint"
)

// Action is what a member message does.
type Action string

// The actions. Elevate and Demote are ours: a daemon refuses them.
const (
	Add     Action = "add"
	Join    Action = "join"
	Remove  Action = "remove" // leave
	Ban     Action = "ban"
	Unban   Action = "unban"
	Elevate Action = "elevate" // a member becomes an admin, by vote
	Demote  Action = "demote"  // an admin becomes a member, by vote or by itself
)

// Scope is the mode of a conversation: who is meant to invite.
type Scope int

// The modes. No rule of validation tells AdminInvites, InvitesOnly and Public
// apart.
const (
	OneToOne     Scope = 0
	AdminInvites Scope = 1
	InvitesOnly  Scope = 2
	Public       Scope = 3
	Document     Scope = 4
)

// String is the word of the command line.
func (s Scope) String() string {
	if s >= 0 && int(s) < len(scopes) {
		return scopes[s]
	}
	return "mode " + strconv.Itoa(int(s))
}

var scopes = [...]string{"one-to-one", "admin-invites", "invites-only", "public", "document"}

// ParseScope reads the word of a mode or its number.
func ParseScope(s string) (Scope, error) {
	for i, w := range scopes {
		if s == w || s == strconv.Itoa(i) {
			return Scope(i), nil
		}
	}
	return 0, fmt.Errorf("commit: mode %q: %w", s, ErrMalformed)
}

// Message is the JSON object of a commit: its values are strings, [json.Number],
// bools, nil, maps and slices.
type Message map[string]any

// ParseMessage reads a message: one JSON object and nothing else.
func ParseMessage(b []byte) (Message, error) {
	m, err := parseObject(b, false)
	if err != nil {
		return nil, fmt.Errorf("commit: message: %v: %w", err, ErrMalformed)
	}
	return m, nil
}

// ParseMessagePrefix reads a message as daemons do, which do not look at what
// follows it.
func ParseMessagePrefix(b []byte) (Message, error) {
	m, err := parseObject(b, true)
	if err != nil {
		return nil, fmt.Errorf("commit: message: %v: %w", err, ErrMalformed)
	}
	return m, nil
}

// AppendBinary appends the JSON as daemons write it.
func (m Message) AppendBinary(b []byte) ([]byte, error) {
	return appendJSON(b, map[string]any(m)), nil
}

// Str is a string, a number or a bool as a string; "" for what is missing or
// has parts.
func (m Message) Str(name string) string {
	switch v := m[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case int:
		return strconv.Itoa(v)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// Has tells whether the field is there.
func (m Message) Has(name string) bool { _, ok := m[name]; return ok }

// Type is the message's type, "" if it has none.
func (m Message) Type() string { s, _ := m["type"].(string); return s }

// Int is a number, also one written as a string.
func (m Message) Int(name string) (int64, bool) {
	n, err := strconv.ParseInt(m.Str(name), 10, 64)
	return n, err == nil
}

// Scope is the mode of an initial message.
func (m Message) Scope() (Scope, bool) {
	n, ok := m.Int("mode")
	if _, number := m["mode"].(string); number || !ok || n < 0 || n > int64(Document) {
		return 0, false
	}
	return Scope(n), true
}

// Action is what a member message does.
func (m Message) Action() Action { return Action(m.Str("action")) }

// Body is the text.
func (m Message) Body() string { return m.Str("body") }

func (m Message) ref(name string) (ObjectID, bool) {
	s, ok := m[name].(string)
	if !ok {
		return ObjectID{}, false
	}
	id, err := ParseObjectID(s)
	return id, err == nil
}

// ReplyTo is the commit that the message answers.
func (m Message) ReplyTo() (ObjectID, bool) { return m.ref("reply-to") }

// ReactTo is the commit that the message, a reaction, is about.
func (m Message) ReactTo() (ObjectID, bool) { return m.ref("react-to") }

// Edit is the commit that the message replaces; with an empty body, or an empty
// tid for a file, it deletes it.
func (m Message) Edit() (ObjectID, bool) { return m.ref("edit") }

// IsEdit tells whether the message edits or deletes another, in the old form or
// the new one.
func (m Message) IsEdit() bool { return m.Type() == TypeEdited || m.Str("edit") != "" }

// IsDeletion tells whether an edit leaves nothing.
func (m Message) IsDeletion() bool {
	if !m.IsEdit() {
		return false
	}
	if m.Type() == TypeFile {
		return m.Str("tid") == ""
	}
	return m.Body() == ""
}

// FileID is how a file transfer of the commit id is asked for:
// <commit>_<tid>[.ext].
func (m Message) FileID(id ObjectID) string {
	s := id.String() + "_" + m.Str("tid")
	if i := strings.LastIndexByte(m.Str("displayName"), '.'); i >= 0 && !strings.ContainsAny(m.Str("displayName")[i:], "/\\") {
		s += m.Str("displayName")[i:]
	}
	return s
}

// File is what a message says of a file.
type File struct {
	Name   string
	SHA3   string // SHA3-512 in hex
	TID    uint64
	Size   uint64
	Delete bool
}

// File is the file of a data-transfer message.
func (m Message) File() (File, bool) {
	if m.Type() != TypeFile {
		return File{}, false
	}
	f := File{Name: m.Str("displayName"), SHA3: m.Str("sha3sum"), Delete: m.IsDeletion()}
	f.TID, _ = strconv.ParseUint(m.Str("tid"), 10, 64)
	f.Size, _ = strconv.ParseUint(m.Str("totalSize"), 10, 64)
	return f, true
}

// NewInitial is the message of a first commit; invited is the other one of a
// conversation between two.
func NewInitial(mode Scope, invited ident.URI) Message {
	m := Message{"type": TypeInitial, "mode": int(mode)}
	if mode == OneToOne {
		m["invited"] = invited.String()
	}
	return m
}

// NewText is a text.
func NewText(body string) Message { return Message{"type": TypeText, "body": body} }

// NewReply is a text that answers a message, never an edit of it.
func NewReply(to ObjectID, body string) Message {
	return Message{"type": TypeText, "body": body, "reply-to": to.String()}
}

// NewReaction is a reaction, usually one emoji.
func NewReaction(to ObjectID, emoji string) Message {
	return Message{"type": TypeText, "body": emoji, "react-to": to.String()}
}

// NewEdit replaces the text of a message, the original and not an edit of it.
// An empty body deletes it.
func NewEdit(of ObjectID, body string) Message {
	return Message{"type": TypeText, "body": body, "edit": of.String()}
}

// NewFile announces a file.
func NewFile(f File) Message {
	return Message{"type": TypeFile, "displayName": f.Name, "sha3sum": f.SHA3,
		"tid": strconv.FormatUint(f.TID, 10), "totalSize": strconv.FormatUint(f.Size, 10)}
}

// NewFileDeletion takes a file back.
func NewFileDeletion(of ObjectID) Message {
	return Message{"type": TypeFile, "edit": of.String(), "tid": ""}
}

// NewMember is a change of the members; who is a URI or, where a device is
// banned, a device id.
func NewMember(a Action, who string) Message {
	return Message{"type": TypeMember, "action": string(a), "uri": who}
}

// NewVote is a vote about a member or a device.
func NewVote(who string) Message { return Message{"type": TypeVote, "uri": who} }

// NewProfile says that profile.vcf changed.
func NewProfile() Message { return Message{"type": TypeProfile} }

// NewCall is a call between two that took so many milliseconds.
func NewCall(to ident.URI, ms int64, reason string) Message {
	m := Message{"type": TypeCall, "to": to.String(), "duration": strconv.FormatInt(ms, 10)}
	if reason != "" {
		m["reason"] = reason
	}
	return m
}

// NewGroupCall is the begin of a call in a group or, with ms ≥ 0, its end.
func NewGroupCall(conf string, host ident.DeviceID, uri ident.URI, ms int64) Message {
	m := Message{"type": TypeCall, "confId": conf, "device": host.String(), "uri": uri.String()}
	if ms >= 0 {
		m["duration"] = strconv.FormatInt(ms, 10)
	}
	return m
}

// MergeMessage is the message of a merge of the commit theirs.
func MergeMessage(theirs ObjectID) []byte { return []byte("Merge commit '" + theirs.String() + "'") }
