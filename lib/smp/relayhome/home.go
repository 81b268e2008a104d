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
//	queues.db    queues and messages, unless the settings name another store
//	store-dsn    connection string of a PostgreSQL database, if that is the store
//	relay.lock   held by the process that serves
//
// All files can be read by their owner only. Errors carry the exit code of
// package exit, and a hint where a person can do something.
package relayhome

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/settings"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/queuedump"
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

// Home is a relay's directory that has been read.
type Home struct {
	Dir      string
	Settings Settings
	// Origins tells where each of the settings came from.
	Origins *settings.Set
	// Progress, if not nil, is told now and then how far an import is.
	Progress func(read, all queuedump.Totals)

	id   smp.Fingerprint
	cred *transport.Credential
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
	if w := s.check(); w != nil {
		return nil, exit.Errorf(exit.Usage, "relay settings: %s: %w", w.key, w.err)
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	lock, err := claim(dir, o.Force)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if err := generate(dir, s, o.Now); err != nil {
		return nil, err
	}
	return Load(dir)
}

// claim locks a directory for a new home, which it makes if need be.
func claim(dir string, force bool) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, exit.Errorf(exit.CantCreate, "relay home: %w", err)
	}
	lock, err := lockHome(dir)
	if err != nil || force {
		return lock, err
	}
	for _, name := range []string{fileSettings, fileCAKey, fileCACert, fileKey, fileCert} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			_ = lock.Close()
			return nil, exit.Errorf(exit.CantCreate, "relay home %s: %s is there already", dir, name).
				WithHint("choose another --home; --force replaces keys and address, so that clients lose this relay")
		}
	}
	return lock, nil
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
		return err
	}
	return writeFiles(dir, []file{
		{fileCAKey, transport.AppendKeyPEM(nil, ca.Key)},
		{fileCACert, transport.Chain{ca.Cert}.AppendPEM(nil)},
		{fileKey, transport.AppendKeyPEM(nil, leaf.Key)},
		{fileCert, leaf.Chain.AppendPEM(nil)},
		{fileFingerprint, []byte(id.String() + "\n")},
		{fileSettings, text}, // the last: a home with settings is whole
	})
}

type file struct {
	name string
	text []byte
}

func writeFiles(dir string, files []file) error {
	for _, f := range files {
		if err := writeFile(filepath.Join(dir, f.name), f.text); err != nil {
			return err
		}
	}
	return nil
}

// own gives a new file to the directory's owner, if root made it: the relay
// may run as somebody else.
func own(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	st, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	dir := st.Sys().(*syscall.Stat_t)
	return f.Chown(int(dir.Uid), int(dir.Gid))
}

// writeFile replaces a file as a whole, readable by the owner only.
func writeFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return exit.Errorf(exit.CantCreate, "relay home: %w", err)
	}
	if err = own(f); err == nil {
		_, err = f.Write(text)
	}
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

// loadCredential reads certificate and key, and checks that they are those of
// the address.
func (h *Home) loadCredential() error {
	fail := func(code int, name string, err error) error {
		return exit.Errorf(code, "%s: %w", filepath.Join(h.Dir, name), err)
	}
	text, err := readSecret(h.Dir, filePair) // see replaceLeaf
	both := err == nil
	if !both {
		text, err = read(h.Dir, fileCert)
	}
	if err != nil {
		return err
	}
	chain, err := transport.ParseChainPEM(text)
	if err != nil {
		return fail(exit.Config, fileCert, err)
	}
	if !both {
		if text, err = readSecret(h.Dir, fileKey); err != nil {
			return err
		}
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
