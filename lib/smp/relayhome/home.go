// Package relayhome is a message relay's directory: its keys, certificates,
// settings and queues. A relay of its own and the one inside of a messenger
// are set up and run by it alike.
//
//	relay.toml   settings, see [Settings]
//	ca.crt       the offline certificate, whose SHA-256 is the relay's identity
//	ca.key       its key, needed only to renew server.crt; may be kept elsewhere
//	server.crt   the chain that is shown to clients, leaf first
//	server.key   the leaf's key
//	fingerprint  the identity as it stands in addresses
//	queues.db    queues and messages
//	relay.lock   held by the process that serves
//
// All files can be read by their owner only. Errors carry the exit code of
// package exit, and a hint where a person can do something.
package relayhome

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// The files of a home.
const (
	fileSettings    = "relay.toml"
	fileCACert      = "ca.crt"
	fileCAKey       = "ca.key"
	fileCert        = "server.crt"
	fileKey         = "server.key"
	fileFingerprint = "fingerprint"
	fileQueues      = "queues.db"
	fileLock        = "relay.lock"
)

// Settings are what relay.toml holds.
type Settings struct {
	Hosts    []string `toml:"hosts" comment:"names or addresses in the relay's address, the first is preferred"`
	Port     string   `toml:"port" comment:"port in the relay's address"`
	Listen   string   `toml:"listen" comment:"host:port to listen on; empty: the port, on all interfaces unless hosts are of this machine only"`
	Password string   `toml:"new_queue_password" comment:"needed to create queues; empty: everybody may"`
	NoNew    bool     `toml:"no_new_queues" comment:"refuse to create queues"`
	TTLDays  int      `toml:"message_ttl_days" comment:"messages are kept this long, in days"`
	Quota    int      `toml:"queue_quota" comment:"messages that wait in a queue"`
	MaxConns int      `toml:"max_connections" comment:"connections at once"`
}

// DefaultPort is that of SMP.
const DefaultPort = "5223"

func defaults() Settings {
	return Settings{Port: DefaultPort, TTLDays: 21, Quota: 128, MaxConns: 100_000}
}

// ListenAddr is the address to listen on.
func (s Settings) ListenAddr() string {
	if s.Listen != "" {
		return s.Listen
	}
	local := ""
	for _, h := range s.Hosts {
		ip := net.ParseIP(h)
		if h == "localhost" {
			ip = net.IPv4(127, 0, 0, 1)
		}
		if ip == nil || !ip.IsLoopback() || local != "" && local != ip.String() {
			return net.JoinHostPort("", s.Port)
		}
		local = ip.String()
	}
	return net.JoinHostPort(local, s.Port)
}

func (s Settings) check() error {
	if len(s.Hosts) == 0 {
		return exit.Errorf(exit.Config, "relay settings: no hosts")
	}
	if _, err := smp.ParseAuthServer(s.address("").String()); err != nil {
		return exit.Errorf(exit.Config, "relay settings: hosts, port or password: %w", err)
	}
	if s.TTLDays < 1 || s.Quota < 1 || s.MaxConns < 1 {
		return exit.Errorf(exit.Config, "relay settings: message_ttl_days, queue_quota and max_connections must be above 0")
	}
	return nil
}

// address is the address with some identity.
func (s Settings) address(id smp.Fingerprint) smp.AuthServer {
	if id == "" {
		id = smp.Fingerprint(make([]byte, 32))
	}
	a := smp.AuthServer{ServerAddr: smp.ServerAddr{Hosts: s.Hosts, Port: s.Port, KeyHash: id}}
	if s.Password != "" {
		p := smp.BasicAuth(s.Password)
		a.BasicAuth = &p
	}
	return a
}

// Home is a relay's directory that has been read.
type Home struct {
	Dir      string
	Settings Settings
	id       smp.Fingerprint
	cred     *transport.Credential
}

// Options are for [Init].
type Options struct {
	Hosts    []string // at least one
	Port     string   // empty is DefaultPort
	Listen   string
	Password string // empty: everybody may create queues
	// Force makes a new identity in place of an old one, whose address then
	// leads nowhere. Queues are kept.
	Force bool
	Now   time.Time // zero is time.Now
}

// Init makes a home. It refuses with [exit.CantCreate] to overwrite one.
func Init(dir string, o Options) (*Home, error) {
	s := defaults()
	s.Hosts, s.Listen, s.Password = o.Hosts, o.Listen, o.Password
	if o.Port != "" {
		s.Port = o.Port
	}
	if err := s.check(); err != nil {
		return nil, exit.Errorf(exit.Usage, "%w", err)
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, exit.Errorf(exit.CantCreate, "relay home: %w", err)
	}
	lock, err := lockHome(dir)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if !o.Force {
		for _, name := range []string{fileSettings, fileCAKey, fileCACert, fileKey, fileCert} {
			if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
				return nil, exit.Errorf(exit.CantCreate, "relay home %s: %s is there already", dir, name).
					WithHint("choose another --home; --force replaces keys and address, so that clients lose this relay")
			}
		}
	}
	if err := generate(dir, s, o.Now); err != nil {
		return nil, err
	}
	return Load(dir)
}

func generate(dir string, s Settings, now time.Time) error {
	ca, err := transport.GenerateCA("SMP server CA", now)
	if err != nil {
		return exit.Errorf(exit.Software, "relay home: %w", err)
	}
	leaf, err := ca.GenerateLeaf(s.Hosts[0], now)
	if err != nil {
		return exit.Errorf(exit.Software, "relay home: %w", err)
	}
	id := smp.ChainIdentity(leaf.Chain)
	text, err := s.encode()
	if err != nil {
		return exit.Errorf(exit.Software, "relay home: %w", err)
	}
	for _, f := range []struct {
		name string
		text []byte
	}{
		{fileCAKey, transport.AppendKeyPEM(nil, ca.Key)},
		{fileCACert, transport.Chain{ca.Cert}.AppendPEM(nil)},
		{fileKey, transport.AppendKeyPEM(nil, leaf.Key)},
		{fileCert, leaf.Chain.AppendPEM(nil)},
		{fileFingerprint, []byte(id.String() + "\n")},
		{fileSettings, text}, // the last: a home with settings is whole
	} {
		if err := writeFile(filepath.Join(dir, f.name), f.text); err != nil {
			return err
		}
	}
	return nil
}

func (s Settings) encode() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintln(&b, "# Settings of this message relay, read at start.")
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		fmt.Fprintf(&b, "\n# %s\n", tag.Get("comment"))
		if err := toml.NewEncoder(&b).Encode(map[string]any{tag.Get("toml"): v.Field(i).Interface()}); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// writeFile replaces a file as a whole, readable by the owner only.
func writeFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return exit.Errorf(exit.CantCreate, "relay home: %w", err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return exit.Errorf(exit.IOErr, "relay home: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// Load reads a home.
func Load(dir string) (*Home, error) {
	h := &Home{Dir: dir, Settings: defaults()}
	text, err := read(dir, fileSettings)
	if err != nil {
		var e *exit.Error
		if errors.As(err, &e) && e.Code == exit.NoInput {
			e.Hint = "make a relay with: relayctl smp init --home " + dir + " --host HOST"
		}
		return nil, err
	}
	meta, err := toml.Decode(string(text), &h.Settings)
	if err != nil {
		return nil, exit.Errorf(exit.Config, "%s: %w", filepath.Join(dir, fileSettings), err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		var names []string
		for _, k := range unknown {
			names = append(names, k.String())
		}
		return nil, exit.Errorf(exit.Config, "%s: no such settings: %s", filepath.Join(dir, fileSettings), strings.Join(names, ", "))
	}
	if err := h.Settings.check(); err != nil {
		return nil, err
	}
	return h, h.loadCredential()
}

// loadCredential reads certificate and key, and checks that they are those of
// the address.
func (h *Home) loadCredential() error {
	fail := func(code int, name string, err error) error {
		return exit.Errorf(code, "%s: %w", filepath.Join(h.Dir, name), err)
	}
	text, err := read(h.Dir, fileCert)
	if err != nil {
		return err
	}
	chain, err := transport.ParseChainPEM(text)
	if err != nil {
		return fail(exit.Config, fileCert, err)
	}
	if text, err = readSecret(h.Dir, fileKey); err != nil {
		return err
	}
	defer clear(text)
	var k key.SignKey
	if k, err = transport.ParseKeyPEM(text); err != nil {
		return fail(exit.Config, fileKey, err)
	}
	cred := &transport.Credential{Chain: chain, Key: k}
	if err := cred.Check(time.Now()); err != nil {
		return fail(exit.Config, fileCert, err)
	}
	id := smp.ChainIdentity(chain)
	if text, err = read(h.Dir, fileFingerprint); err != nil {
		return err
	}
	if strings.TrimSpace(string(text)) != id.String() {
		return fail(exit.Config, fileCert, errors.New("the certificate is not of the identity in "+fileFingerprint))
	}
	h.cred, h.id = cred, id
	return nil
}

func read(dir, name string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, exit.Errorf(exit.NoInput, "relay home: %w", err)
	case err != nil:
		return nil, exit.Errorf(exit.IOErr, "relay home: %w", err)
	}
	return b, nil
}

// readSecret refuses a file that others may read.
func readSecret(dir, name string) ([]byte, error) {
	path := filepath.Join(dir, name)
	if st, err := os.Stat(path); err == nil && st.Mode().Perm()&0o077 != 0 {
		return nil, exit.Errorf(exit.NoPerm, "%s: others may read it", path).WithHint("chmod 600 %s, if nobody has copied it", path)
	}
	return read(dir, name)
}

// Fingerprint is the relay's identity.
func (h *Home) Fingerprint() smp.Fingerprint { return h.id }

// Address is what clients are given, with the password if there is one.
func (h *Home) Address() smp.AuthServer { return h.Settings.address(h.id) }
