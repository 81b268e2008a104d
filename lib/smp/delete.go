package smp

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/wire"
)

// OFF stops a queue from taking messages; what is in it can still be
// received. smp: Suspend queue
type OFF struct{}

// DEL deletes a queue. smp: Delete queue
type DEL struct{}

// QUE asks for a queue's state; the answer is [INFO]. smp: Get queue state
type QUE struct{}

// DELD says that the queue was deleted by another connection; it is [END]
// below v10. smp: Queue deleted notification
type DELD struct{}

// INFO is the state of a queue, for debugging; JSON on the wire.
type INFO struct{ Info QueueInfo }

// QueueInfo is the state of a queue. Its JSON keys and their order are those
// of the wire.
type QueueInfo struct {
	Snd  bool       `json:"qiSnd"` // secured
	Ntf  bool       `json:"qiNtf"` // notifications are on
	Sub  *QueueSub  `json:"qiSub,omitempty"`
	Size int        `json:"qiSize"` // messages waiting, the quota marker included
	Msg  *QueueHead `json:"qiMsg,omitempty"`
}

// QueueSub is the subscription of a queue.
type QueueSub struct {
	Thread    string  `json:"qSubThread"`           // noSub, subPending, subThread or prohibitSub
	Delivered *string `json:"qDelivered,omitempty"` // base64url of the message delivered and not acknowledged
}

// QueueHead is the first waiting message.
type QueueHead struct {
	ID   string    `json:"msgId"` // base64url
	Time time.Time `json:"msgTs"`
	Type string    `json:"msgType"` // message or quota
}

// Tag is "OFF".
func (OFF) Tag() string { return "OFF" }

// Tag is "DEL".
func (DEL) Tag() string { return "DEL" }

// Tag is "QUE".
func (QUE) Tag() string { return "QUE" }

// Tag is "DELD".
func (DELD) Tag() string { return "DELD" }

// Tag is "INFO".
func (INFO) Tag() string { return "INFO" }

// Party is [Recipient].
func (OFF) Party() Party { return Recipient }

// Party is [Recipient].
func (DEL) Party() Party { return Recipient }

// Party is [Recipient].
func (QUE) Party() Party { return Recipient }

func (OFF) appendTo(b []byte, _ wire.Version) []byte { return append(b, "OFF"...) }
func (DEL) appendTo(b []byte, _ wire.Version) []byte { return append(b, "DEL"...) }
func (QUE) appendTo(b []byte, _ wire.Version) []byte { return append(b, "QUE"...) }

func (DELD) appendTo(b []byte, v wire.Version) []byte {
	if v < VersionDeleted {
		return append(b, "END"...)
	}
	return append(b, "DELD"...)
}

func (m INFO) appendTo(b []byte, _ wire.Version) []byte {
	j, err := json.Marshal(m.Info)
	if err != nil { // a time outside the years 0..9999
		j = []byte(`{"qiSnd":false,"qiNtf":false,"qiSize":0}`)
	}
	return append(append(b, "INFO "...), j...)
}

func queueInfo(d *wire.Decoder) QueueInfo {
	var q QueueInfo
	if err := json.Unmarshal(d.Tail(), &q); err != nil {
		d.Fail(fmt.Errorf("%w: %v", wire.ErrSyntax, err))
	}
	return q
}
