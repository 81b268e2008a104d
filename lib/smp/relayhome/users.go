package relayhome

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp"
)

// User is somebody with a password for creating queues.
type User struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
}

// users is the file users.json: passwords hashed by PBKDF2 with HMAC-SHA-256
// and a salt. All share the salt, so that one hash tells whose a password is.
type users struct {
	V          int        `json:"v"`
	Salt       []byte     `json:"salt"`
	Iterations int        `json:"iterations"`
	Users      []userHash `json:"users"`
}

type userHash struct {
	User
	Hash []byte `json:"hash"`
}

const fileUsers = "users.json"

// hashIterations make guessing passwords from a stolen file slow. A relay
// computes them once for each password it is shown, see gate.
const hashIterations = 50_000

var userName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

func (h *Home) readUsers() (u users, err error) {
	b, err := readSecret(h.Dir, fileUsers)
	if exit.Code(err) == exit.NoInput {
		salt := make([]byte, 16)
		_, _ = rand.Read(salt) // crypto/rand.Read never returns an error
		return users{V: 1, Salt: salt, Iterations: hashIterations}, nil
	}
	if err != nil {
		return u, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&u); err != nil || u.V != 1 || len(u.Salt) < 16 || u.Iterations < 1 || u.Iterations > 10_000_000 {
		return u, exit.Errorf(exit.DataErr, "%s: not a file of users", filepath.Join(h.Dir, fileUsers)).
			WithHint("restore it from a backup, or remove it and add the users anew")
	}
	return u, nil
}

func (u *users) hash(p smp.BasicAuth) []byte {
	b, err := pbkdf2.Key(sha256.New, string(p), u.Salt, u.Iterations, sha256.Size)
	if err != nil {
		return nil // only for hashes that the FIPS mode refuses
	}
	return b
}

// changeUsers lets one process at a time change the file.
func (h *Home) changeUsers(fn func(*users) error) error {
	lock, err := lockFile(h.Dir, fileUsers+".lock")
	if err != nil {
		return err
	}
	defer lock.Close()
	u, err := h.readUsers()
	if err == nil {
		err = fn(&u)
	}
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(u, "", "  ")
	if err != nil {
		return exit.Errorf(exit.Software, "relay users: %w", err)
	}
	return writeFile(filepath.Join(h.Dir, fileUsers), append(b, '\n'))
}

// AddUser gives somebody a password, or with an empty one makes a random one.
// With replace it may be somebody who has one. A running relay must be told,
// see [Relay.Reload].
func (h *Home) AddUser(name string, p smp.BasicAuth, replace bool) (smp.BasicAuth, error) {
	if !userName.MatchString(name) {
		return "", exit.Errorf(exit.Usage, "relay users: %q is no name: letters, digits, '.', '_', '@' and '-', at most 64", name)
	}
	if p == "" {
		b := make([]byte, 24)
		_, _ = rand.Read(b) // crypto/rand.Read never returns an error
		p = smp.BasicAuth(base64.RawURLEncoding.EncodeToString(b))
	}
	if w := (Settings{Hosts: []string{"h"}, Password: string(p)}).checkPassword(); w != nil {
		return "", exit.Errorf(exit.DataErr, "relay users: password: %w", w.err)
	}
	return p, h.changeUsers(func(u *users) error {
		i := slices.IndexFunc(u.Users, func(o userHash) bool { return o.Name == name })
		hash := u.hash(p)
		if slices.ContainsFunc(u.Users, func(o userHash) bool { return o.Name != name && bytes.Equal(o.Hash, hash) }) {
			return exit.Errorf(exit.DataErr, "relay users: this password is somebody's already")
		}
		switch {
		case i < 0:
			u.Users = append(u.Users, userHash{User{name, time.Now().UTC().Truncate(time.Second)}, hash})
		case replace:
			u.Users[i].Hash = hash
		default:
			return exit.Errorf(exit.CantCreate, "relay users: %s has a password already", name).WithHint("--replace gives another one")
		}
		return nil
	})
}

// RemoveUser takes a user's password away. The queues made with it stay.
func (h *Home) RemoveUser(name string) error {
	return h.changeUsers(func(u *users) error {
		n := len(u.Users)
		u.Users = slices.DeleteFunc(u.Users, func(o userHash) bool { return o.Name == name })
		if len(u.Users) == n {
			return exit.Errorf(exit.NoUser, "relay users: no user %q", name).WithHint("relayctl smp users lists them")
		}
		return nil
	})
}

// Users lists who has a password.
func (h *Home) Users() ([]User, error) {
	u, err := h.readUsers()
	out := make([]User, 0, len(u.Users))
	for _, o := range u.Users {
		out = append(out, o.User)
	}
	return out, err
}

// gate decides which passwords may create queues: that of the settings, and
// those of users; all, if there is none.
type gate struct {
	own   string // of the settings
	users atomic.Pointer[users]
	seed  [32]byte // of the keys in known

	mu    sync.Mutex
	known map[[32]byte]bool // passwords that were hashed already
}

// maxKnown bounds the memory of passwords that were shown.
const maxKnown = 4096

func newGate(own string, u users) *gate {
	g := &gate{own: own, known: map[[32]byte]bool{}}
	_, _ = rand.Read(g.seed[:]) // crypto/rand.Read never returns an error
	g.users.Store(&u)
	return g
}

func (g *gate) set(u users) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.users.Store(&u)
	clear(g.known)
}

// admits is for smpserver.Config.Passwords.
func (g *gate) admits(p *smp.BasicAuth) bool {
	u := g.users.Load()
	if g.own == "" && len(u.Users) == 0 {
		return true
	}
	if p == nil {
		return false
	}
	if g.own != "" && subtle.ConstantTimeCompare([]byte(*p), []byte(g.own)) == 1 {
		return true
	}
	if len(u.Users) == 0 {
		return false
	}
	mac := hmac.New(sha256.New, g.seed[:])
	_, _ = fmt.Fprint(mac, string(*p)) // a hash takes all
	k := [32]byte(mac.Sum(nil))
	g.mu.Lock()
	defer g.mu.Unlock() // one hash at a time: guessing takes one core at most
	ok, known := g.known[k]
	if known && g.users.Load() == u {
		return ok
	}
	u = g.users.Load()
	hash := u.hash(*p)
	for _, o := range u.Users {
		if hash != nil && subtle.ConstantTimeCompare(hash, o.Hash) == 1 {
			ok = true
		}
	}
	if len(g.known) >= maxKnown {
		clear(g.known)
	}
	g.known[k] = ok
	return ok
}

// checkPassword is nil for one that addresses can hold.
func (s Settings) checkPassword() *wrong {
	if a, err := smp.ParseAuthServer(s.address("").String()); err != nil || s.Password != "" && (a.BasicAuth == nil || string(*a.BasicAuth) != s.Password) {
		return &wrong{"new_queue_password", errors.New("must be printable, without spaces, '@', ':' and '/'")}
	}
	return nil
}
