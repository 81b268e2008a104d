package xrcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrMessage is returned for the JSON of a command or response that cannot be
// read.
var ErrMessage = errors.New("xrcp: bad message")

// A Command is what a controller asks of a host: exactly one member is set. On
// the wire it is an object with a "type".
type Command struct {
	Send      *Send
	Recv      *Recv
	StoreFile *StoreFile
	GetFile   *GetFile
}

// Send runs a command of the chat API.
type Send struct {
	Command string `json:"command"`
	// RetryNumber counts from 0 how often the command was sent before.
	RetryNumber int `json:"retryNumber"`
	// ID names the command, so that a host whose app information says Resume
	// runs it once, however often it comes. The reference passes over it.
	ID string `json:"id,omitempty"`
}

// Recv asks for the next event, to be answered without one after Wait.
type Recv struct {
	Wait Micros `json:"wait"`
	// After is the number of the last event that the controller has kept, for a
	// host whose app information says Resume; -1 is one that has kept none and
	// asks for what comes from now on. The reference passes over it.
	After *int64 `json:"after,omitempty"`
}

// Micros is a duration in whole microseconds.
type Micros int64

// Duration is the same in Go's unit, at most an hour.
func (m Micros) Duration() time.Duration {
	return time.Duration(min(max(m, 0), Micros(time.Hour/time.Microsecond))) * time.Microsecond
}

// StoreFile brings a file to the host, as an attachment.
type StoreFile struct {
	FileName   string `json:"fileName"`
	FileSize   uint32 `json:"fileSize"`
	FileDigest Digest `json:"fileDigest"`
}

// GetFile asks for a file, which comes as an attachment of the response.
type GetFile struct {
	File json.RawMessage `json:"file"` // {"userId", "fileId", "sent", "fileSource"}
}

// A Response is a host's answer: exactly one member is set.
type Response struct {
	Chat       *Result // to Send
	Event      *Event  // to Recv
	FileStored *FileStored
	File       *File
	Error      *ProtocolError
}

// Result is what the chat API says: exactly one member is set.
type Result struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  json.RawMessage `json:"error,omitempty"`
}

// Event holds the next event, or nil when none came in time.
type Event struct {
	Event *Result
	// Seq is the event's number in the host's log, or where the log stands when
	// there is no event; 0 of hosts that do not number them.
	Seq int64
}

// FileStored says where the host put a file.
type FileStored struct {
	FilePath string `json:"filePath"`
}

// File says what the attachment will be.
type File struct {
	FileSize   uint32 `json:"fileSize"`
	FileDigest Digest `json:"fileDigest"`
}

// marshal is json.Marshal without escapes for HTML, so that what passes through
// does so unchanged.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMessage, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// MarshalJSON writes the command with its type.
func (c Command) MarshalJSON() ([]byte, error) {
	switch {
	case c.Send != nil:
		return marshal(struct {
			Type string `json:"type"`
			*Send
		}{"send", c.Send})
	case c.Recv != nil:
		return marshal(struct {
			Type string `json:"type"`
			*Recv
		}{"recv", c.Recv})
	case c.StoreFile != nil:
		return marshal(struct {
			Type string `json:"type"`
			*StoreFile
		}{"storeFile", c.StoreFile})
	case c.GetFile != nil:
		return marshal(struct {
			Type string `json:"type"`
			*GetFile
		}{"getFile", c.GetFile})
	}
	return nil, fmt.Errorf("%w: empty command", ErrMessage)
}

// typeOf is the type of an object. Programs of Apple's platforms write
// {"_owsf": true, "send": {…}} for {"type": "send", …}: then body is the inner
// object.
func typeOf(b []byte) (name string, body []byte, err error) {
	var o map[string]json.RawMessage
	if err := json.Unmarshal(b, &o); err != nil {
		return "", nil, fmt.Errorf("%w: %v", ErrMessage, err)
	}
	if string(o["_owsf"]) == "true" && len(o) == 2 {
		for name, inner := range o {
			if name != "_owsf" {
				return name, inner, nil
			}
		}
	}
	if err := json.Unmarshal(o["type"], &name); err != nil {
		return "", nil, fmt.Errorf("%w: no type", ErrMessage)
	}
	return name, b, nil
}

// ParseCommand reads the JSON of a command. The error is [ErrMessage].
func ParseCommand(b []byte) (c Command, err error) {
	name, body, err := typeOf(b)
	if err != nil {
		return c, err
	}
	switch name {
	case "send":
		err = parseInto(body, &c.Send, "command", "retryNumber")
	case "recv":
		err = parseInto(body, &c.Recv, "wait")
	case "storeFile":
		err = parseInto(body, &c.StoreFile, "fileName", "fileSize", "fileDigest")
	case "getFile":
		err = parseInto(body, &c.GetFile, "file")
	default:
		err = fmt.Errorf("%w: unknown command", ErrMessage)
	}
	return c, err
}

// parseInto makes *into from an object that must have the members named.
func parseInto[T any](b []byte, into **T, members ...string) error {
	var o map[string]json.RawMessage
	if err := json.Unmarshal(b, &o); err != nil {
		return fmt.Errorf("%w: %v", ErrMessage, err)
	}
	for _, name := range members {
		if _, ok := o[name]; !ok {
			return fmt.Errorf("%w: no %s", ErrMessage, name)
		}
	}
	v := new(T)
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %v", ErrMessage, err)
	}
	*into = v
	return nil
}

// MarshalJSON writes the response with its type.
func (r Response) MarshalJSON() ([]byte, error) {
	switch {
	case r.Chat != nil:
		return marshal(struct {
			Type string  `json:"type"`
			Chat *Result `json:"chatResponse"`
		}{"chatResponse", r.Chat})
	case r.Event != nil:
		return marshal(struct {
			Type  string  `json:"type"`
			Event *Result `json:"chatEvent,omitempty"`
			Seq   int64   `json:"seq,omitempty"`
		}{"chatEvent", r.Event.Event, r.Event.Seq})
	case r.FileStored != nil:
		return marshal(struct {
			Type string `json:"type"`
			*FileStored
		}{"fileStored", r.FileStored})
	case r.File != nil:
		return marshal(struct {
			Type string `json:"type"`
			*File
		}{"file", r.File})
	case r.Error != nil:
		return marshal(struct {
			Type  string         `json:"type"`
			Error *ProtocolError `json:"remoteProcotolError"` // the reference's spelling
		}{"protocolError", r.Error})
	}
	return nil, fmt.Errorf("%w: empty response", ErrMessage)
}

// ParseResponse reads the JSON of a response. The error is [ErrMessage].
func ParseResponse(b []byte) (r Response, err error) {
	name, body, err := typeOf(b)
	if err != nil {
		return r, err
	}
	var in struct {
		Chat  *Result        `json:"chatResponse"`
		Event *Result        `json:"chatEvent"`
		Seq   int64          `json:"seq"`
		Error *ProtocolError `json:"remoteProcotolError"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return r, fmt.Errorf("%w: %v", ErrMessage, err)
	}
	switch name {
	case "chatResponse":
		if r.Chat = in.Chat; !r.Chat.valid() {
			err = fmt.Errorf("%w: neither result nor error", ErrMessage)
		}
	case "chatEvent":
		if r.Event = (&Event{in.Event, in.Seq}); in.Event != nil && !in.Event.valid() {
			err = fmt.Errorf("%w: neither result nor error", ErrMessage)
		}
	case "fileStored":
		err = parseInto(body, &r.FileStored, "filePath")
	case "file":
		err = parseInto(body, &r.File, "fileSize", "fileDigest")
	case "protocolError":
		if r.Error = in.Error; r.Error == nil {
			err = fmt.Errorf("%w: no error", ErrMessage)
		}
	default:
		err = fmt.Errorf("%w: unknown response", ErrMessage)
	}
	if err != nil {
		return Response{}, err
	}
	return r, nil
}

func (r *Result) valid() bool { return r != nil && (r.Result != nil) != (r.Error != nil) }

// ProtocolError is an error of this protocol that a host answers with.
type ProtocolError struct {
	Type string // the reference's name of it
	Text string // what else it says, for people
}

// Error is the name and the text.
func (e *ProtocolError) Error() string {
	if e.Text == "" {
		return "xrcp: host: " + e.Type
	}
	return "xrcp: host: " + e.Type + ": " + e.Text
}

// protocolErrors are the names of our errors and the member with the text, if
// they have one.
var protocolErrors = []struct {
	err        error
	name, text string
}{
	{ErrMessage, "invalidJSON", "invalidJSON"},
	{ErrBodySize, "invalidSize", ""},
	{ErrBody, "invalidBody", "invalidBody"},
	{ErrBinding, "pRESessionCode", ""},
	{ErrNoFile, "noFile", ""},
	{ErrFileSize, "fileSize", ""},
	{ErrDigest, "fileDigest", ""},
	{ErrReplay, "pREDuplicateId", ""},
	{ErrSignature, "pRERemoteControl", "ctrlAuth"},
}

// AsProtocolError is the error that a host answers with.
func AsProtocolError(err error) *ProtocolError {
	var p *ProtocolError
	if errors.As(err, &p) {
		return p
	}
	for _, known := range protocolErrors {
		if errors.Is(err, known.err) {
			p = &ProtocolError{Type: known.name}
			if known.text != "" {
				p.Text = err.Error()
			}
			return p
		}
	}
	return &ProtocolError{Type: "exception", Text: err.Error()}
}

// MarshalJSON writes the object of the reference.
func (e ProtocolError) MarshalJSON() ([]byte, error) {
	o := map[string]any{"type": e.Type}
	switch e.Type {
	case "invalidJSON", "invalidBody":
		o[e.Type] = e.Text
	case "exception":
		o["someException"] = e.Text
	case "unexpectedResponse":
		o["response"] = e.Text
	case "hTTP2":
		o["http2Error"] = e.Text
	case "pRERemoteControl":
		o["rcError"] = map[string]string{"type": "ctrlAuth"}
	}
	return marshal(o)
}

// UnmarshalJSON reads any object with a type; the rest of it becomes the text.
func (e *ProtocolError) UnmarshalJSON(b []byte) error {
	name, body, err := typeOf(b)
	if err != nil {
		return err
	}
	e.Type, e.Text = printable([]byte(name)), ""
	var o map[string]json.RawMessage
	if err := json.Unmarshal(body, &o); err != nil {
		return nil // {"_owsf": true, "name": 5}: the name is all there is to say
	}
	for member, raw := range o {
		var s string
		if member == "type" {
			continue
		}
		if json.Unmarshal(raw, &s) != nil {
			s = string(raw)
		}
		e.Text = printable([]byte(s))
	}
	return nil
}
