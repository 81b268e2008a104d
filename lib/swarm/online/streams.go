package online

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/p2p"
	"github.com/simplexkit/simplexkit/lib/swarm"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/peer"
)

const (
	protoRedeem = "/simplexkit/swarm/redeem/1"
	protoKey    = "/simplexkit/swarm/key/1"
	protoLink   = "/simplexkit/swarm/link/1"
)

const (
	maxObject  = 64 << 10
	maxArchive = 16 << 20
)

// request is what the three protocols ask.
type request struct {
	Conv  commit.ObjectID `json:"conv,omitzero"`
	Token string          `json:"token,omitempty"`
	Key   string          `json:"key,omitempty"`
}

// response is what they answer.
type response struct {
	Error   string          `json:"error,omitempty"`
	Key     *swarm.GroupKey `json:"key,omitempty"`
	Archive []byte          `json:"archive,omitempty"`
}

// ask sends a request and reads the answer.
func ask(s peer.Stream, q request, limit int64) (r response, err error) {
	s.SetEnd(time.Now().Add(stepTime))
	if err := json.NewEncoder(s).Encode(q); err != nil {
		return r, err
	}
	if err := s.CloseWrite(); err != nil {
		return r, err
	}
	if err := read(s, &r, limit); err != nil {
		return r, err
	}
	if r.Error != "" {
		return r, fmt.Errorf("%w: %.200s", peer.ErrRemote, r.Error)
	}
	return r, nil
}

func read(r io.Reader, v any, limit int64) error {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return err
	}
	if int64(len(b)) > limit {
		return peer.ErrFrame
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %v", peer.ErrFrame, err)
	}
	return nil
}

// answer writes the answer; the error of the request is in it.
func answer(s io.Writer, r response, err error) error {
	switch {
	case errors.Is(err, swarm.ErrRights), errors.Is(err, swarm.ErrNotFound):
		r = response{Error: strings.TrimPrefix(err.Error(), "swarm: ")}
	case err != nil:
		r = response{Error: "cannot do that now"}
	}
	return json.NewEncoder(s).Encode(r)
}

func (o *Online) redeem(ctx context.Context, dev ident.DeviceID, id commit.ObjectID, token string) error {
	s, err := o.devs.Open(ctx, dev, protoRedeem)
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = ask(s, request{Conv: id, Token: token}, maxObject)
	return err
}

func (o *Online) serveRedeem(ctx context.Context, from ident.DeviceID, s peer.Stream) error {
	s.SetEnd(time.Now().Add(stepTime))
	var q request
	if err := read(s, &q, maxObject); err != nil {
		return err
	}
	u, err := o.node.Whose(ctx, from)
	if err == nil {
		err = o.node.Redeem(ctx, q.Conv, q.Token, u)
	}
	return answer(s, response{}, err)
}

func (o *Online) askKey(ctx context.Context, dev ident.DeviceID, id commit.ObjectID, key string) error {
	s, err := o.devs.Open(ctx, dev, protoKey)
	if err != nil {
		return err
	}
	defer s.Close()
	r, err := ask(s, request{Conv: id, Key: key}, maxObject)
	if err != nil {
		return err
	}
	if r.Key == nil || r.Key.ID != key {
		return peer.ErrFrame
	}
	return o.node.TakeKey(ctx, id, r.Key)
}

func (o *Online) serveKey(ctx context.Context, from ident.DeviceID, s peer.Stream) error {
	s.SetEnd(time.Now().Add(stepTime))
	var q request
	if err := read(s, &q, maxObject); err != nil {
		return err
	}
	k, err := o.node.GiveKey(ctx, q.Conv, q.Key, from)
	return answer(s, response{Key: k}, err)
}

// pinLife is how long a PIN is good.
const pinLife = 10 * time.Minute

// pins is the PIN that is good now.
type pins struct {
	mu     sync.Mutex
	secret string
	until  time.Time
}

func (p *pins) make() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secret, p.until = rand.Text()+rand.Text(), time.Now().Add(pinLife)
	return p.secret
}

// take tells whether the secret is right, once: after any attempt there is no
// PIN.
func (p *pins) take(secret string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	ok := p.secret != "" && time.Now().Before(p.until) && subtle.ConstantTimeCompare([]byte(secret), []byte(p.secret)) == 1
	p.secret = ""
	return ok
}

// pin is the text of a PIN.
type pin struct {
	Peer   string   `json:"p"`
	Addrs  []string `json:"a"`
	Secret string   `json:"k"`
}

const pinPrefix = "swarm:/link#"

// ErrPIN is returned for what is no PIN.
var ErrPIN = errors.New("online: malformed PIN")

// PIN implements [swarm.Network].
func (o *Online) PIN(context.Context) (string, error) {
	b, err := json.Marshal(pin{o.host.ID().String(), o.host.Addrs(), o.pins.make()})
	if err != nil {
		return "", err
	}
	return pinPrefix + base64.RawURLEncoding.EncodeToString(b), nil
}

func parsePIN(s string) (p pin, err error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(s), pinPrefix)
	if !ok || len(text) > maxObject {
		return p, fmt.Errorf("%w: it begins with %s", ErrPIN, pinPrefix)
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil {
		return p, fmt.Errorf("%w: %v", ErrPIN, err)
	}
	return p, nil
}

func (o *Online) serveLink(ctx context.Context, s *p2p.Stream) error {
	s.SetEnd(time.Now().Add(stepTime))
	var q request
	if err := read(s, &q, maxObject); err != nil {
		return err
	}
	if !o.pins.take(q.Token) {
		return answer(s, response{}, fmt.Errorf("%w: the PIN is not good any more; make a new one", swarm.ErrRights))
	}
	b, err := o.node.Archive(ctx, q.Token)
	return answer(s, response{Archive: b}, err)
}

// Link gets the sealed archive of the account whose device gave a PIN, and the
// passphrase it is sealed with. The device proves itself by its key, which the
// PIN names.
func Link(ctx context.Context, text string) (archive []byte, passphrase string, err error) {
	p, err := parsePIN(text)
	if err != nil {
		return nil, "", err
	}
	id, err := p2p.ParsePeerID(p.Peer)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %v", ErrPIN, err)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, "", err
	}
	host, err := p2p.Open(p2p.Config{Key: key, Listen: []string{}})
	if err != nil {
		return nil, "", err
	}
	defer host.Close()
	host.AddAddrs(id, p.Addrs, time.Hour)
	s, err := host.Open(ctx, id, protoLink)
	if err != nil {
		return nil, "", err
	}
	defer s.Close()
	r, err := ask(s, request{Token: p.Secret}, maxArchive)
	return r.Archive, p.Secret, err
}
