package commit

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
)

// ObjectID is the SHA-1 name of a git object.
type ObjectID [20]byte

// ErrMalformed is wrapped by the errors of all Parse functions here.
var ErrMalformed = errors.New("malformed")

// ErrNotFound is wrapped by the error of an [Objects] that lacks the object.
var ErrNotFound = errors.New("object not found")

// ParseObjectID reads 40 lower-case hex digits.
func ParseObjectID(s string) (ObjectID, error) {
	var id ObjectID
	if len(s) != 2*len(id) {
		return id, fmt.Errorf("commit: id of %d characters: %w", len(s), ErrMalformed)
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return id, fmt.Errorf("commit: id with %q: %w", c, ErrMalformed)
		}
	}
	_, err := hex.Decode(id[:], []byte(s))
	return id, err
}

// String is 40 hex digits.
func (id ObjectID) String() string { return hex.EncodeToString(id[:]) }

// IsZero tells whether id is all zero, the name of nothing.
func (id ObjectID) IsZero() bool { return id == ObjectID{} }

// MarshalText writes the hex digits.
func (id ObjectID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is ParseObjectID.
func (id *ObjectID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseObjectID(string(b))
	return err
}

// Type is the kind of a git object, numbered as in packs.
type Type uint8

// The kinds of objects. A conversation has no tags.
const (
	TypeCommit Type = 1
	TypeTree   Type = 2
	TypeBlob   Type = 3
	TypeTag    Type = 4
)

// String is git's word.
func (t Type) String() string {
	switch t {
	case TypeCommit:
		return "commit"
	case TypeTree:
		return "tree"
	case TypeBlob:
		return "blob"
	case TypeTag:
		return "tag"
	}
	return "type " + strconv.Itoa(int(t))
}

// Object is an object without its git header.
type Object struct {
	Type Type
	Data []byte
}

// ID is the object's name.
func (o Object) ID() ObjectID { return Hash(o.Type, o.Data) }

// Hash is the name of the object of type t with content data.
func Hash(t Type, data []byte) ObjectID {
	h := sha1.New()
	var head [32]byte
	b := append(head[:0], t.String()...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(len(data)), 10)
	h.Write(append(b, 0))
	h.Write(data)
	var id ObjectID
	h.Sum(id[:0])
	return id
}

// EmptyBlob and EmptyTree are the names of nothing in a file and in a folder.
var (
	EmptyBlob = Hash(TypeBlob, nil)
	EmptyTree = Hash(TypeTree, nil)
)

// Objects reads a repository's objects. The error wraps ErrNotFound if there is
// no such object; any other is a fault of the storage and says nothing about
// the object. The caller does not change the bytes, which stay as they are. It
// may be called from several goroutines at once.
type Objects interface {
	Object(ctx context.Context, id ObjectID) (Type, []byte, error)
}

// Mem is objects in memory. Writing needs a lock of the user's.
type Mem map[ObjectID]Object

// Object reads from the map.
func (m Mem) Object(_ context.Context, id ObjectID) (Type, []byte, error) {
	o, ok := m[id]
	if !ok {
		return 0, nil, fmt.Errorf("commit: %v: %w", id, ErrNotFound)
	}
	return o.Type, o.Data, nil
}

// Add puts objects in and returns the name of the last.
func (m Mem) Add(objects ...Object) (last ObjectID) {
	for _, o := range objects {
		last = o.ID()
		m[last] = o
	}
	return last
}

// Over reads from the first of layers that has the object: new objects over
// those of a repository.
type Over []Objects

// Object asks the layers in order.
func (l Over) Object(ctx context.Context, id ObjectID) (Type, []byte, error) {
	err := fmt.Errorf("commit: %v: %w", id, ErrNotFound)
	for _, o := range l {
		var t Type
		var b []byte
		if t, b, err = o.Object(ctx, id); err == nil || !errors.Is(err, ErrNotFound) {
			return t, b, err
		}
	}
	return 0, nil, err
}

// Read reads an object that must be of type want; the error wraps ErrMalformed
// if it is of another.
func Read(ctx context.Context, objects Objects, id ObjectID, want Type) ([]byte, error) {
	t, b, err := objects.Object(ctx, id)
	if err != nil {
		return nil, err
	}
	if t != want {
		return nil, fmt.Errorf("commit: %v is a %v, not a %v: %w", id, t, want, ErrMalformed)
	}
	return b, nil
}

// ReadCommit reads and parses a commit.
func ReadCommit(ctx context.Context, objects Objects, id ObjectID) (*Commit, error) {
	b, err := Read(ctx, objects, id, TypeCommit)
	if err != nil {
		return nil, err
	}
	return ParseCommit(b)
}

// ReadTree reads and parses a tree; the empty tree needs no object.
func ReadTree(ctx context.Context, objects Objects, id ObjectID) (*Tree, error) {
	if id == EmptyTree {
		return &Tree{}, nil
	}
	b, err := Read(ctx, objects, id, TypeTree)
	if err != nil {
		return nil, err
	}
	return ParseTree(b)
}
