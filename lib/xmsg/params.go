package xmsg

import (
	"encoding/json"
	"fmt"
	"time"
)

// Extra are the fields of an object that its type does not name.
type Extra = map[string]json.RawMessage

// New is the parameters of x.msg.new.
type New struct {
	Content  Content         `json:"content"`
	Mentions json.RawMessage `json:"mentions,omitempty"`
	File     json.RawMessage `json:"file,omitempty"`
	// TTL is how long the message lives once it is read, in seconds.
	TTL     *int            `json:"ttl,omitempty"`
	Live    *bool           `json:"live,omitempty"`
	Scope   json.RawMessage `json:"scope,omitempty"`
	Quote   *Quote          `json:"quote,omitempty"`
	Forward *bool           `json:"forward,omitempty"`
	Extra   Extra           `json:"-"`
}

// Quote is the message that another answers.
type Quote struct {
	Ref     Ref     `json:"msgRef"`
	Content Content `json:"content"`
	Extra   Extra   `json:"-"`
}

// Ref names a message of either side.
type Ref struct {
	MsgID  MsgID     `json:"msgId,omitempty"`
	SentAt time.Time `json:"sentAt"`
	// Sent tells whether who refers to the message also sent it.
	Sent     bool   `json:"sent"`
	MemberID string `json:"memberId,omitempty"`
	Extra    Extra  `json:"-"`
}

// Update is the parameters of x.msg.update.
type Update struct {
	MsgID    MsgID           `json:"msgId"`
	Content  Content         `json:"content"`
	Mentions json.RawMessage `json:"mentions,omitempty"`
	TTL      *int            `json:"ttl,omitempty"`
	Live     *bool           `json:"live,omitempty"`
	Extra    Extra           `json:"-"`
}

// Del is the parameters of x.msg.del.
type Del struct {
	MsgID    MsgID  `json:"msgId"`
	MemberID string `json:"memberId,omitempty"`
	Extra    Extra  `json:"-"`
}

// React is the parameters of x.msg.react.
type React struct {
	MsgID    MsgID           `json:"msgId"`
	MemberID string          `json:"memberId,omitempty"`
	Reaction json.RawMessage `json:"reaction"`
	Add      bool            `json:"add"`
	Extra    Extra           `json:"-"`
}

// Profile is what a party tells about itself. Preferences is an object by
// feature.
type Profile struct {
	DisplayName string          `json:"displayName"`
	FullName    string          `json:"fullName"`
	ShortDescr  string          `json:"shortDescr,omitempty"`
	Image       string          `json:"image,omitempty"`
	ContactLink string          `json:"contactLink,omitempty"`
	Preferences json.RawMessage `json:"preferences,omitempty"`
	PeerType    string          `json:"peerType,omitempty"`
	Extra       Extra           `json:"-"`
}

// Info is the parameters of x.info.
type Info struct {
	Profile Profile `json:"profile"`
	Extra   Extra   `json:"-"`
}

// Contact is the parameters of x.contact: a request to a contact address.
type Contact struct {
	Profile      Profile  `json:"profile"`
	ContactReqID string   `json:"contactReqId,omitempty"`
	WelcomeMsgID MsgID    `json:"welcomeMsgId,omitempty"`
	MsgID        MsgID    `json:"msgId,omitempty"`
	Content      *Content `json:"content,omitempty"`
	Extra        Extra    `json:"-"`
}

// Probe is the parameters of x.info.probe and x.info.probe.ok.
type Probe struct {
	Probe string `json:"probe"`
	Extra Extra  `json:"-"`
}

// ProbeCheck is the parameters of x.info.probe.check.
type ProbeCheck struct {
	ProbeHash string `json:"probeHash"`
	Extra     Extra  `json:"-"`
}

// ParseNew reads the parameters of x.msg.new. [ErrSyntax].
func ParseNew(b []byte) (New, error) {
	n, err := parse[New](EventNew, b)
	return n, needContent(EventNew, n.Content, err)
}

// ParseUpdate reads the parameters of x.msg.update. [ErrSyntax].
func ParseUpdate(b []byte) (Update, error) {
	u, err := parse[Update](EventUpdate, b)
	err = needContent(EventUpdate, u.Content, err)
	return u, needMsgID(EventUpdate, u.MsgID, err)
}

// ParseDel reads the parameters of x.msg.del. [ErrSyntax].
func ParseDel(b []byte) (Del, error) {
	d, err := parse[Del](EventDel, b)
	return d, needMsgID(EventDel, d.MsgID, err)
}

// ParseReact reads the parameters of x.msg.react. [ErrSyntax].
func ParseReact(b []byte) (React, error) {
	r, err := parse[React](EventReact, b)
	return r, needMsgID(EventReact, r.MsgID, err)
}

// ParseInfo reads the parameters of x.info. [ErrSyntax] if there is no profile
// or if it has no name.
func ParseInfo(b []byte) (Info, error) {
	i, err := parse[Info](EventInfo, b)
	return i, needName(EventInfo, i.Profile, err)
}

// ParseContact reads the parameters of x.contact. [ErrSyntax].
func ParseContact(b []byte) (Contact, error) {
	c, err := parse[Contact](EventContact, b)
	return c, needName(EventContact, c.Profile, err)
}

// ParseProbe reads the parameters of x.info.probe and x.info.probe.ok.
func ParseProbe(b []byte) (Probe, error) { return parse[Probe](EventProbe, b) }

// ParseProbeCheck reads the parameters of x.info.probe.check.
func ParseProbeCheck(b []byte) (ProbeCheck, error) { return parse[ProbeCheck](EventProbeCheck, b) }

func parse[T any](e Event, b []byte) (T, error) {
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		return v, fmt.Errorf("xmsg: parse %s: %w: %v", e, ErrSyntax, err)
	}
	return v, nil
}

func needMsgID(e Event, id MsgID, err error) error {
	if err == nil && id == "" {
		err = fmt.Errorf("xmsg: parse %s: msgId: %w", e, ErrSyntax)
	}
	return err
}

func needContent(e Event, c Content, err error) error {
	if err == nil && c.Type == "" {
		err = fmt.Errorf("xmsg: parse %s: content: %w", e, ErrSyntax)
	}
	return err
}

func needName(e Event, p Profile, err error) error {
	if err == nil && p.DisplayName == "" {
		err = fmt.Errorf("xmsg: parse %s: profile without a name: %w", e, ErrSyntax)
	}
	return err
}

// Params writes parameters: one of the types above, or nil for {}.
func Params(v any) (json.RawMessage, error) {
	if v == nil {
		return json.RawMessage("{}"), nil
	}
	b, err := marshal(v)
	if err != nil {
		return nil, fmt.Errorf("xmsg: write params: %w", err)
	}
	return b, nil
}
