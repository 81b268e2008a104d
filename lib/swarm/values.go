package swarm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// Value is a value under a kind, a conversation (or "") and a key. Nil data
// takes it away.
type Value struct {
	Kind, Conv, Key string
	Data            []byte
}

// Values keep what a node knows. Calls may come from several goroutines.
type Values interface {
	// Get returns [ErrNotFound] if there is no such value.
	Get(ctx context.Context, kind, conv, key string) ([]byte, error)
	// List gives the values of a kind and a conversation, by key.
	List(ctx context.Context, kind, conv string) ([]Value, error)
	// Put writes all of them or, with an error, none.
	Put(ctx context.Context, values ...Value) error
	// Forget takes all values of a conversation away.
	Forget(ctx context.Context, conv string) error
}

// The kinds of values.
const (
	kindAccount = "account" // the one with the key ""
	kindConv    = "conv"    // key: conversation
	kindMark    = "mark"    // of a conversation: told, read, and read by others
	kindAbout   = "about"   // of a conversation, key: message; what edits it or reacts to it
	kindPref    = "pref"    // our settings of a conversation
	kindIdem    = "idem"    // what was sent under a key
	kindFile    = "file"    // key: commit; where a file lies here
	kindInvite  = "invite"  // of a conversation, key: URI; to be delivered
	kindToken   = "token"   // of a conversation, key: token; open invitations
	kindBlock   = "block"   // key: URI of an account that may not invite
	kindRevoked = "revoked" // key: a device of our account
	kindKey     = "key"     // of a sealed conversation, key: number
	kindPeer    = "peer"    // key: device; who it is and where it was
)

// get reads a value as JSON.
func get[T any](ctx context.Context, n *Node, kind, conv, key string) (v T, err error) {
	b, err := n.cfg.Values.Get(ctx, kind, conv, key)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return v, fmt.Errorf("swarm: value %s: %w", kind, err)
	}
	return v, nil
}

// value makes a value of JSON.
func value(kind, conv, key string, v any) Value {
	b, err := json.Marshal(v)
	if err != nil {
		panic("swarm: unreachable: values are plain structures: " + err.Error())
	}
	return Value{kind, conv, key, b}
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

// State is what a conversation is to us.
type State string

// The states.
const (
	Invited  State = "invited"
	Cloning  State = "cloning" // accepted, and not copied yet
	Member   State = "member"
	Left     State = "left" // said so, and not yet heard by another device
	Declined State = "declined"
	Blocked  State = "blocked"
	Removed  State = "removed" // erased
)

// convRecord is a conversation in the store.
type convRecord struct {
	ID      commit.ObjectID `json:"id"`
	State   State           `json:"state"`
	Mode    commit.Scope    `json:"mode"`
	Title   string          `json:"title,omitempty"`
	From    string          `json:"from,omitempty"`    // URI of who invites
	Devices []string        `json:"devices,omitempty"` // where it can be copied from
	Token   string          `json:"token,omitempty"`   // of an open invitation
	Created time.Time       `json:"created"`
	Changed time.Time       `json:"changed"` // last, between our devices
	Erase   bool            `json:"erase,omitempty"`
	Sealed  bool            `json:"sealed,omitempty"`
}

func (n *Node) record(ctx context.Context, id commit.ObjectID) (*convRecord, error) {
	r, err := get[convRecord](ctx, n, kindConv, "", id.String())
	if isNotFound(err) {
		return nil, fmt.Errorf("%w: conversation %s", ErrNotFound, id)
	}
	return &r, err
}

func (n *Node) records(ctx context.Context) ([]*convRecord, error) {
	all, err := n.cfg.Values.List(ctx, kindConv, "")
	if err != nil {
		return nil, err
	}
	out := make([]*convRecord, 0, len(all))
	for _, v := range all {
		r := new(convRecord)
		if err := json.Unmarshal(v.Data, r); err != nil {
			return nil, fmt.Errorf("swarm: conversation %s: %w", v.Key, err)
		}
		out = append(out, r)
	}
	return out, nil
}

// putRecord writes a conversation with other values.
func (n *Node) putRecord(ctx context.Context, r *convRecord, more ...Value) error {
	r.Changed = n.cfg.Now().UTC()
	err := n.cfg.Values.Put(ctx, append(more, value(kindConv, "", r.ID.String(), r))...)
	n.news.ring()
	return err
}

// edit changes a conversation's record.
func (n *Node) edit(ctx context.Context, id commit.ObjectID, fn func(*convRecord) error) error {
	n.editing.Lock()
	defer n.editing.Unlock()
	r, err := n.record(ctx, id)
	if err != nil {
		return err
	}
	if err := fn(r); err != nil {
		return err
	}
	return n.putRecord(ctx, r)
}
