// Package queuedump moves queues and messages from one store to another by
// way of a file: lines of JSON, of which the first says what it is and the
// last has totals and the SHA-256 of all lines before.
//
//	{"format":"simplexkit-smp-queues","v":1}
//	{"service":{"certificate":…,"role":"M","id":…}}     all services,
//	{"queue":{"n":1,"recipientId":…,"senderId":…,…}}    all queues,
//	{"message":{"queue":1,"id":…,"time":…,"body":…}}    all messages in the order of their arrival
//	{"end":{"services":…,"queues":…,"messages":…,"sha256":…}}
//
// IDs, keys (DER SubjectPublicKeyInfo) and bodies are base64; times are Unix
// seconds; a message names its queue by n, which has no other use. The file
// has the secrets that encrypt messages between relay and recipient, and the
// messages as their senders have encrypted them. Later versions may add
// fields; a reader refuses a v that it does not know.
package queuedump

import (
	"encoding/json"
	"errors"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

var (
	// ErrFormat says that a file is no dump, or damaged, or cut short.
	ErrFormat = errors.New("queuedump: not a whole dump of queues")
	// ErrVersion says that a later release has written the dump.
	ErrVersion = errors.New("queuedump: dump of a newer release")
	// ErrNotEmpty says that the store has queues already.
	ErrNotEmpty = errors.New("queuedump: the store is not empty")
	// ErrConflict says that an ID of a queue in the dump belongs to another
	// queue in the store.
	ErrConflict = errors.New("queuedump: the store has another queue with the same ID")
)

const (
	formatName    = "simplexkit-smp-queues"
	formatVersion = 1
)

// Totals counts what was written or read.
type Totals struct {
	Services int64 `json:"services"`
	Queues   int64 `json:"queues"`
	Messages int64 `json:"messages"`
}

// Store is what is written to a dump.
type Store interface {
	queuestore.Store
	queuestore.Lister
}

// line is one line: one of the fields is there.
type line struct {
	Format  string   `json:"format,omitempty"`
	V       int      `json:"v,omitempty"`
	Service *service `json:"service,omitempty"`
	Queue   *queue   `json:"queue,omitempty"`
	Message *message `json:"message,omitempty"`
	End     *end     `json:"end,omitempty"`
}

type service struct {
	Certificate []byte `json:"certificate"`
	Role        string `json:"role"`
	ID          []byte `json:"id"`
}

type queue struct {
	N             int64             `json:"n"`
	RecipientID   []byte            `json:"recipientId"`
	SenderID      []byte            `json:"senderId"`
	RecipientKeys [][]byte          `json:"recipientKeys"`
	Secret        []byte            `json:"secret"`
	SenderKey     []byte            `json:"senderKey,omitempty"`
	Mode          string            `json:"mode,omitempty"`
	Status        queuestore.Status `json:"status,omitempty"`
	Blocking      *smp.BlockingInfo `json:"blocking,omitempty"`
	LinkID        []byte            `json:"linkId,omitempty"`
	Link          *link             `json:"link,omitempty"`
	Notifier      *notifier         `json:"notifier,omitempty"`
	ServiceID     []byte            `json:"serviceId,omitempty"`
}

type link struct {
	Fixed []byte `json:"fixed"`
	User  []byte `json:"user"`
}

type notifier struct {
	ID        []byte `json:"id"`
	Key       []byte `json:"key"`
	Secret    []byte `json:"secret"`
	ServiceID []byte `json:"serviceId,omitempty"`
}

type message struct {
	Queue  int64  `json:"queue"`
	ID     []byte `json:"id"`
	Time   int64  `json:"time"`
	Notify bool   `json:"notify,omitempty"`
	Quota  bool   `json:"quota,omitempty"`
	Body   []byte `json:"body"`
}

type end struct {
	Totals
	SHA256 []byte `json:"sha256"`
}

func (l line) encode() ([]byte, error) {
	b, err := json.Marshal(l)
	return append(b, '\n'), err
}
