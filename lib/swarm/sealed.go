package swarm

import (
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// A sealed conversation keeps the text of messages from who has a copy of the
// repository and is no member: a stolen disk's backup, a host of git. A text is
// sealed with AES-256-GCM under a key of its own, made of the group's key, the
// author's device and a random salt. The group's key is random, is never in the
// repository, and is replaced by the first text after any change of members or
// banned devices. Members ask each other for keys that they lack over their TLS
// links, and are given those that were made while they were members: somebody
// new does not read what was before, somebody banned not what comes after.
//
// What it does not give: within the time of one key, who gets the key reads all
// texts of that time; who wrote, when, to what it answers, members, files' names
// and the profile are in the clear.

// sealedPrefix is how the body of a sealed text begins:
// sealed:1:<key>:<base64 of salt and ciphertext>.
const sealedPrefix = "sealed:1:"

// notOpened is shown for a text whose key has not come yet.
const notOpened = "(sealed; its key has not come yet)"

// GroupKey is a key of a sealed conversation.
type GroupKey struct {
	ID      string    `json:"id"`
	Key     []byte    `json:"key"`
	Created time.Time `json:"created"`
	// Members are the accounts that may have it, Roster the state of members
	// and devices that it was made for.
	Members []string `json:"members"`
	Roster  string   `json:"roster"`
}

// Format writes the ID: keys are not for logs.
func (k *GroupKey) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("group key " + k.ID)) }

// roster is who reads a conversation, and a digest of it.
func (s *snapshot) roster(ctx context.Context) (members []string, digest string, err error) {
	for _, dir := range []string{"admins", "members"} {
		who, err := s.names(ctx, dir)
		if err != nil {
			return nil, "", err
		}
		members = append(members, who...)
	}
	slices.Sort(members)
	banned, err := s.names(ctx, "banned/devices")
	if err != nil {
		return nil, "", err
	}
	h := sha256.Sum256([]byte(strings.Join(members, " ") + "|" + strings.Join(banned, " ")))
	return members, hex.EncodeToString(h[:8]), nil
}

func (n *Node) groupKeys(ctx context.Context, id commit.ObjectID) ([]*GroupKey, error) {
	all, err := n.cfg.Values.List(ctx, kindKey, id.String())
	var out []*GroupKey
	for _, v := range all {
		k := new(GroupKey)
		if err := json.Unmarshal(v.Data, k); err != nil {
			return nil, err
		}
		if len(k.Key) > 0 {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b *GroupKey) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return out, err
}

// groupKey is the key to seal with: the latest, or a new one if members changed
// since it was made.
func (n *Node) groupKey(ctx context.Context, c *conv) (*GroupKey, error) {
	s, err := c.at(ctx, commit.ObjectID{})
	if err != nil {
		return nil, err
	}
	members, digest, err := s.roster(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := n.groupKeys(ctx, c.id)
	if err != nil {
		return nil, err
	}
	if len(keys) > 0 && keys[len(keys)-1].Roster == digest {
		return keys[len(keys)-1], nil
	}
	k := &GroupKey{Key: make([]byte, 32), Created: n.cfg.Now().UTC(), Members: members, Roster: digest}
	_, _ = rand.Read(k.Key) // crypto/rand.Read never returns an error
	h := sha256.Sum256(append([]byte("simplexkit swarm key id "), k.Key...))
	k.ID = hex.EncodeToString(h[:8])
	return k, n.cfg.Values.Put(ctx, value(kindKey, c.id.String(), k.ID, k))
}

// bodyKey is the key of one text.
func (k *GroupKey) bodyKey(c *conv, m commit.Message, salt []byte) (cipher.AEAD, []byte, error) {
	key, err := hkdf.Key(sha256.New, k.Key, salt, "simplexkit swarm text", 32)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(block)
	// What the text is about cannot be exchanged without the key.
	about := strings.Join([]string{c.id.String(), m.Type(), m.Str("reply-to"), m.Str("react-to"), m.Str("edit")}, " ")
	return aead, []byte(about), err
}

// sealBody seals a message's text if its conversation is sealed.
func (n *Node) sealBody(ctx context.Context, c *conv, m commit.Message) error {
	r, err := n.record(ctx, c.id)
	if err != nil || !r.Sealed || m.Body() == "" {
		return err
	}
	k, err := n.groupKey(ctx, c)
	if err != nil {
		return err
	}
	salt := make([]byte, 32)
	_, _ = rand.Read(salt) // crypto/rand.Read never returns an error
	aead, about, err := k.bodyKey(c, m, salt)
	if err != nil {
		return err
	}
	// The key is used once, so the nonce may be zero.
	b := aead.Seal(salt, make([]byte, aead.NonceSize()), []byte(m.Body()), about)
	m["body"] = sealedPrefix + k.ID + ":" + base64.RawStdEncoding.EncodeToString(b)
	return nil
}

// openBody opens a sealed text; sealed is false for one that is not.
func (n *Node) openBody(ctx context.Context, c *conv, m commit.Message) (text string, sealed bool) {
	rest, ok := strings.CutPrefix(m.Body(), sealedPrefix)
	if !ok {
		return "", false
	}
	id, text, ok := strings.Cut(rest, ":")
	b, err := base64.RawStdEncoding.DecodeString(text)
	if !ok || err != nil || len(b) < 32 || !isKeyID(id) {
		return "", false
	}
	k, err := get[GroupKey](ctx, n, kindKey, c.id.String(), id)
	if isNotFound(err) {
		// Wanted: the network asks members for it.
		err = n.cfg.Values.Put(ctx, value(kindKey, c.id.String(), id, GroupKey{ID: id}))
		if net := n.network(); net != nil && err == nil {
			net.Deliver()
		}
	}
	if err != nil || len(k.Key) == 0 {
		return notOpened, true
	}
	aead, about, err := k.bodyKey(c, m, b[:32])
	if err != nil {
		return notOpened, true
	}
	plain, err := aead.Open(nil, make([]byte, aead.NonceSize()), b[32:], about)
	if err != nil {
		return "(sealed, and damaged)", true
	}
	return string(plain), true
}

func isKeyID(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == 16
}

// WantedKeys are the keys that texts of a conversation were sealed with and
// that we lack.
func (n *Node) WantedKeys(ctx context.Context, id commit.ObjectID) (out []string, err error) {
	all, err := n.cfg.Values.List(ctx, kindKey, id.String())
	for _, v := range all {
		var k GroupKey
		if json.Unmarshal(v.Data, &k) == nil && len(k.Key) == 0 {
			out = append(out, v.Key)
		}
	}
	return out, err
}

// GiveKey is a key for a device that asks; the error is [ErrRights] if its
// account was no member when the key was made, or is none now.
func (n *Node) GiveKey(ctx context.Context, id commit.ObjectID, key string, dev ident.DeviceID) (*GroupKey, error) {
	k, err := get[GroupKey](ctx, n, kindKey, id.String(), key)
	if err != nil {
		return nil, err
	}
	if len(k.Key) == 0 {
		return nil, ErrNotFound
	}
	st, err := n.Standing(ctx, id, dev)
	if err != nil {
		return nil, err
	}
	c, err := n.open(ctx, id)
	if err != nil {
		return nil, err
	}
	s, err := c.at(ctx, commit.ObjectID{})
	if err != nil {
		return nil, err
	}
	owner, err := n.ownerOf(ctx, s, dev.String())
	if err != nil {
		return nil, err
	}
	if st != Welcome || !slices.Contains(k.Members, owner) {
		return nil, ErrRights
	}
	return &k, nil
}

// TakeKey takes a key that a member gave.
func (n *Node) TakeKey(ctx context.Context, id commit.ObjectID, k *GroupKey) error {
	h := sha256.Sum256(append([]byte("simplexkit swarm key id "), k.Key...))
	if len(k.Key) != 32 || k.ID != hex.EncodeToString(h[:8]) {
		return errors.New("swarm: a key that is not the one asked for")
	}
	if err := n.cfg.Values.Put(ctx, value(kindKey, id.String(), k.ID, k)); err != nil {
		return err
	}
	err := n.edit(ctx, id, func(r *convRecord) error {
		r.Sealed = true
		return nil
	})
	n.news.ring()
	return err
}
