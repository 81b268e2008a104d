package api

import (
	"encoding/json"
	"time"
)

// Version is the version of the line protocol announced in [Hello].
const Version = 1

// Request is a line from a client. Exactly one of Cmd and Method is set.
type Request struct {
	CorrID string          `json:"corrId"`
	Cmd    string          `json:"cmd,omitempty"`
	Method string          `json:"method,omitempty"`
	Params json.RawMessage `json:"params,omitempty"`
}

// Reply is a line to a client: the answer to a request, which carries its
// CorrID, or an event, which carries none but has a Seq once it is logged.
// A line that could not be read is answered with "corrId":null.
type Reply struct {
	CorrID *string         `json:"corrId,omitempty"`
	Resp   json.RawMessage `json:"resp"`
	// Seq is the position in the event log of the profile: durable, growing by
	// at least one with every event, never used twice.
	Seq int64 `json:"seq,omitempty"`
	// TS is when the event was logged.
	TS time.Time `json:"ts,omitzero"`
	// V is the version of the line protocol, present in lines that only
	// simplexd sends.
	V int `json:"v,omitempty"`
}

// Hello is the first line that simplexd writes to its own clients.
type Hello struct {
	Type    string `json:"type"` // "hello"
	V       int    `json:"v"`
	Version string `json:"version"`
	Profile string `json:"profile,omitempty"`
	LastSeq int64  `json:"lastSeq"`
}

// Lagged tells a subscriber that it fell too far behind the event log. It gets
// no further events until it subscribes again with after=After.
type Lagged struct {
	Type    string `json:"type"` // "lagged"
	After   int64  `json:"after"`
	LastSeq int64  `json:"lastSeq"`
}
