package relayhome

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/smpserver"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/transport/gotls"
)

// lockWait is how long a home that is in use is waited for.
const lockWait = 3 * time.Second

// lockHome takes the home's lock, which the kernel frees with the process.
func lockHome(dir string) (*os.File, error) {
	f, err := lockFile(dir, fileLock)
	if exit.Code(err) == exit.TempFail {
		return nil, exit.Errorf(exit.TempFail, "relay home %s: in use by another process", dir).
			WithHint("a relay already runs on this home; stop it first")
	}
	return f, err
}

// lockFile takes the lock of one file.
func lockFile(dir, name string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, exit.Errorf(exit.CantCreate, "relay home: %w", err)
	}
	if err := own(f); err != nil {
		return nil, exit.Errorf(exit.CantCreate, "relay home: %w", errors.Join(err, f.Close()))
	}
	for limit := time.Now().Add(lockWait); ; time.Sleep(50 * time.Millisecond) {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(limit) {
			break
		}
	}
	_ = f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, exit.Errorf(exit.TempFail, "relay home %s: %s is held by another process", dir, name)
	}
	return nil, exit.Errorf(exit.IOErr, "relay home: lock: %w", err)
}

// ServeOptions are for [Home.Serve]; the zero value is fit for use.
type ServeOptions struct {
	Listen   string       // overrides the settings
	Listener net.Listener // used instead of listening; closed at the end
	// Open is used instead of listening, once the home is locked.
	Open   func(context.Context) (net.Listener, error)
	Logger *slog.Logger // nil: none
	// Ready is called when clients can connect.
	Ready func(*Relay)
	// Configure may change the relay's configuration.
	Configure func(*smpserver.Config)
}

// Relay is a home that is being served.
type Relay struct {
	*smpserver.Server
	Home  *Home
	Addr  net.Addr // it listens on, or the first of them
	Store queuestore.Store
	gate  *gate
}

// Serve runs the relay until ctx ends, and returns nil after all is on disk
// and closed. It fails with [exit.TempFail] within seconds if the home is in
// use, and with [exit.OSErr] if the port is.
func (h *Home) Serve(ctx context.Context, o ServeOptions) (err error) {
	if h.cred.Key.PublicKey().Alg() == key.Ed448 && !gotls.Patched {
		return exit.Errorf(exit.Config, "relay: this program was built without what certificates with Ed448 need").
			WithHint("build it with make, or go over to Ed25519, with the same address: relayctl smp cert rotate")
	}
	lock, err := lockHome(h.Dir)
	if err != nil {
		if o.Listener != nil {
			_ = o.Listener.Close()
		}
		return err
	}
	defer lock.Close()
	l := o.Listener
	switch {
	case l != nil:
	case o.Open != nil:
		l, err = o.Open(ctx)
	default:
		l, err = ListenAll(ctx, orElse(o.Listen, h.Settings.ListenAddr()))
	}
	if err != nil {
		return err
	}
	defer l.Close()
	db, err := h.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if e := db.Close(); err == nil && e != nil {
			err = storeError(e)
		}
	}()
	who, err := h.readUsers()
	if err != nil {
		return err
	}
	g := newGate(h.Settings.Password, who)
	cfg := h.config(db, g, o)
	proxy, endProxy := h.runProxy(o.Logger)
	defer endProxy()
	if proxy != nil && cfg.Proxy == nil {
		cfg.Proxy = proxy
	}
	s, err := smpserver.New(cfg)
	if err != nil {
		return exit.Errorf(exit.Config, "relay: %w", err)
	}
	if o.Ready != nil {
		o.Ready(&Relay{Server: s, Home: h, Addr: l.Addr(), Store: db, gate: g})
	}
	if err := s.Serve(ctx, l); err != nil {
		return exit.Errorf(exit.OSErr, "relay: %w", err)
	}
	return nil
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (h *Home) config(db queuestore.Store, g *gate, o ServeOptions) smpserver.Config {
	s := h.Settings
	c := smpserver.Config{
		Store: db, Credential: h.cred, Logger: o.Logger, NoNewQueues: s.NoNew, Quota: s.Quota,
		MessageTTL: time.Duration(s.TTLDays) * 24 * time.Hour, IdleTTL: time.Duration(s.IdleMins) * time.Minute,
	}
	s.limit(&c)
	c.Passwords = g.admits
	if o.Configure != nil {
		o.Configure(&c)
	}
	return c
}

// Reload reads the certificate again, for connections from now on, and the
// users.
func (r *Relay) Reload() error {
	fresh := &Home{Dir: r.Home.Dir}
	who, err := fresh.readUsers()
	if err != nil {
		return err
	}
	r.gate.set(who)
	if err := fresh.loadCredential(); err != nil {
		return err
	}
	if err := r.SetCredential(fresh.cred); err != nil {
		return exit.Errorf(exit.Config, "relay: %w", err)
	}
	return nil
}

// storeError gives an error of the database its exit code.
func storeError(err error) error {
	code := exit.IOErr
	switch {
	case errors.Is(err, store.ErrCorrupt), errors.Is(err, store.ErrNewerSchema):
		code = exit.DataErr
	case errors.Is(err, store.ErrBusy):
		code = exit.TempFail
	}
	return exit.Errorf(code, "relay: %w", err)
}
