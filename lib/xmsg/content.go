package xmsg

import (
	"encoding/json"
	"fmt"
)

// Types of content that the protocol names.
const (
	TypeText   = "text"
	TypeLink   = "link"
	TypeImage  = "image"
	TypeVideo  = "video"
	TypeVoice  = "voice"
	TypeFile   = "file"
	TypeReport = "report"
	TypeChat   = "chat"
)

// UnknownText stands for content of a type that is not known and has no text.
const UnknownText = "unknown message type"

// Content is what a message says: an object with a type and mostly a text. It
// keeps the object as it came, so that content of any type can be stored,
// shown as its text, and passed on.
type Content struct {
	Type     string
	Text     string
	Duration int    // seconds, of video and voice
	Reason   string // of a report
	raw      json.RawMessage
}

// TextContent is content of type "text".
func TextContent(text string) Content {
	b := append([]byte(`{"type":"text","text":`), appendString(nil, text)...)
	return Content{Type: TypeText, Text: text, raw: append(b, '}')}
}

// ParseContent reads content. A known type without the fields that it needs,
// and an unknown type, have at least a text. [ErrSyntax] if b is no object with
// a type.
func ParseContent(b []byte) (Content, error) {
	c := Content{}
	err := c.UnmarshalJSON(b)
	return c, err
}

// UnmarshalJSON is [ParseContent].
func (c *Content) UnmarshalJSON(b []byte) error {
	fields, err := object(b)
	if err != nil {
		return fmt.Errorf("xmsg: parse content: %w", err)
	}
	var v Content
	if json.Unmarshal(fields["type"], &v.Type) != nil || v.Type == "" {
		return fmt.Errorf("xmsg: parse content: type: %w", ErrSyntax)
	}
	if raw, ok := take(fields, "text"); !ok || json.Unmarshal(raw, &v.Text) != nil {
		if v.Type == TypeText {
			return fmt.Errorf("xmsg: parse content: text: %w", ErrSyntax)
		}
		v.Text = UnknownText
	}
	_ = json.Unmarshal(fields["duration"], &v.Duration) // absent or odd: 0
	_ = json.Unmarshal(fields["reason"], &v.Reason)
	v.raw = append(json.RawMessage(nil), b...)
	*c = v
	return nil
}

// MarshalJSON writes the object as it came.
func (c Content) MarshalJSON() ([]byte, error) {
	if c.raw == nil {
		return nil, fmt.Errorf("xmsg: write content: %w", ErrSyntax)
	}
	return c.raw, nil
}

// Raw is the object as it came.
func (c Content) Raw() json.RawMessage { return c.raw }

// Known tells whether the protocol has the type.
func (c Content) Known() bool {
	switch c.Type {
	case TypeText, TypeLink, TypeImage, TypeVideo, TypeVoice, TypeFile, TypeReport, TypeChat:
		return true
	}
	return false
}

// Display is one text for lists and terminals.
func (c Content) Display() string {
	switch c.Type {
	case TypeVoice:
		s := fmt.Sprintf("voice message (%02d:%02d)", c.Duration/60, c.Duration%60)
		if c.Text != "" && c.Text != UnknownText {
			s += "; " + c.Text
		}
		return s
	case TypeReport:
		s := "report " + c.Reason
		if c.Text != "" {
			s += ": " + c.Text
		}
		return s
	}
	return c.Text
}
