package swarm

import (
	"context"
	"crypto/rand"
	"crypto/sha3"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/compose"
)

// sent is what was written under a key of the caller's.
type sent struct {
	Commit string `json:"commit,omitempty"` // empty until it is written
	After  string `json:"after"`            // the head before
}

// Say writes a message. A second call with the same idem writes nothing and
// returns what the first has written.
func (n *Node) Say(ctx context.Context, c *conv, idem string, m commit.Message) (commit.ObjectID, error) {
	plain := maps.Clone(m)
	if m.Type() != commit.TypeFile {
		if err := n.sealBody(ctx, c, m); err != nil {
			return commit.ObjectID{}, err
		}
	}
	if idem == "" {
		return n.write(ctx, c, said(m))
	}
	was, err := get[sent](ctx, n, kindIdem, c.id.String(), idem)
	if err == nil {
		if id, ok, err := n.written(ctx, c, was, plain); ok || err != nil {
			return id, err
		}
	} else if !isNotFound(err) {
		return commit.ObjectID{}, err
	}
	head, err := c.repo.Head(ctx)
	if err != nil {
		return commit.ObjectID{}, err
	}
	if err := n.cfg.Values.Put(ctx, value(kindIdem, c.id.String(), idem, sent{After: head.String()})); err != nil {
		return commit.ObjectID{}, err
	}
	id, err := n.write(ctx, c, said(m))
	if err != nil {
		return id, err
	}
	return id, n.cfg.Values.Put(ctx, value(kindIdem, c.id.String(), idem, sent{id.String(), head.String()}))
}

func said(m commit.Message) func(*snapshot) (*compose.Draft, error) {
	return func(*snapshot) (*compose.Draft, error) {
		d := compose.Message(m)
		return &d, nil
	}
}

// written finds what an earlier call wrote, also one that died before it could
// note the commit. m is not sealed.
func (n *Node) written(ctx context.Context, c *conv, was sent, m commit.Message) (commit.ObjectID, bool, error) {
	if was.Commit != "" {
		id, err := commit.ParseObjectID(was.Commit)
		return id, err == nil, err
	}
	after, err := commit.ParseObjectID(was.After)
	if err != nil {
		return after, false, err
	}
	a, err := n.self(ctx)
	if err != nil {
		return after, false, err
	}
	head, err := c.repo.Head(ctx)
	if err != nil {
		return after, false, err
	}
	list, err := c.repo.Missing(ctx, head, after)
	if err != nil {
		return after, false, err
	}
	want, err := m.AppendBinary(nil)
	if err != nil {
		return after, false, err
	}
	for _, meta := range list {
		if meta.Device != a.device.ID().String() || len(meta.Parents) != 1 {
			continue
		}
		k, err := commit.ReadCommit(ctx, c.repo, meta.ID)
		if err != nil {
			return after, false, err
		}
		if same, err := n.says(ctx, c, k.Message, want); err != nil || same {
			return meta.ID, same, err
		}
	}
	return after, false, nil
}

// says tells whether a commit's message is the wanted one, sealed or not.
func (n *Node) says(ctx context.Context, c *conv, message, want []byte) (bool, error) {
	m, err := commit.ParseMessage(message)
	if err != nil {
		return false, nil
	}
	if text, sealed := n.openBody(ctx, c, m); sealed {
		m["body"] = text
	}
	have, err := m.AppendBinary(nil)
	return string(have) == string(want), err
}

// original is the message that an edit, reply or reaction is about: never an
// edit itself.
func (n *Node) original(ctx context.Context, c *conv, id commit.ObjectID) (commit.ObjectID, commit.Message, error) {
	m, err := c.message(ctx, id)
	if err != nil {
		return id, nil, usagef("%s is no message", id)
	}
	if of, ok := m.Edit(); ok {
		m, err = c.message(ctx, of)
		return of, m, err
	}
	return id, m, nil
}

// ours fails unless a commit is of our account.
func (n *Node) ours(ctx context.Context, c *conv, id commit.ObjectID) error {
	a, err := n.self(ctx)
	if err != nil {
		return err
	}
	s, err := c.at(ctx, id)
	if err != nil {
		return err
	}
	u, ok, err := s.owner(ctx, s.head.Author.Email)
	if err != nil {
		return err
	}
	if !ok || u != a.device.URI() {
		return fmt.Errorf("%w: the message is not ours", ErrRights)
	}
	return nil
}

// Edit replaces the text of a message of ours; an empty one deletes it, a file
// too.
func (n *Node) Edit(ctx context.Context, c *conv, id commit.ObjectID, text string) (commit.ObjectID, error) {
	id, m, err := n.original(ctx, c, id)
	if err != nil {
		return id, err
	}
	if err := n.ours(ctx, c, id); err != nil {
		return id, err
	}
	switch {
	case m.Type() == commit.TypeFile && text == "":
		return n.Say(ctx, c, "", commit.NewFileDeletion(id))
	case m.Type() != commit.TypeText:
		return id, usagef("%s is no text", id)
	}
	return n.Say(ctx, c, "", commit.NewEdit(id, text))
}

// fileRecord is where a file lies here.
type fileRecord struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
	SHA3 string `json:"sha3"`
}

// Offer announces a file, which stays where it is.
func (n *Node) Offer(ctx context.Context, c *conv, path string, replyTo commit.ObjectID) (commit.ObjectID, error) {
	size, sum, err := digest(ctx, path)
	if err != nil {
		return commit.ObjectID{}, err
	}
	var tid [8]byte
	_, _ = rand.Read(tid[:]) // crypto/rand.Read never returns an error
	m := commit.NewFile(commit.File{Name: filepath.Base(path), SHA3: sum, Size: uint64(size), TID: binary.BigEndian.Uint64(tid[:]) >> 11})
	if !replyTo.IsZero() {
		m["reply-to"] = replyTo.String()
	}
	id, err := n.Say(ctx, c, "", m)
	if err != nil {
		return id, err
	}
	return id, n.cfg.Values.Put(ctx, value(kindFile, c.id.String(), id.String(), fileRecord{path, size, sum}))
}

// digest is a file's size and SHA3-512.
func digest(ctx context.Context, path string) (int64, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return 0, "", err
	} else if !st.Mode().IsRegular() {
		return 0, "", usagef("%s is no plain file", path)
	}
	h := sha3.New512()
	size, err := io.Copy(h, readerFunc(func(p []byte) (int, error) {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return f.Read(p)
	}))
	return size, hex.EncodeToString(h.Sum(nil)), err
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// file is what a message says of a file, and its name in transfers.
func (c *conv) file(ctx context.Context, id commit.ObjectID) (*api.SwarmFile, error) {
	m, err := c.message(ctx, id)
	if err != nil {
		return nil, err
	}
	f, ok := m.File()
	if !ok || f.Delete {
		return nil, usagef("%s offers no file", id)
	}
	return &api.SwarmFile{ID: m.FileID(id), Name: f.Name, Size: int64(f.Size), SHA3: f.SHA3}, nil
}
