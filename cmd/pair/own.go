package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/remote"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/remotedb"
)

// ownDir is where this machine's pairings with hosts are.
func ownDir(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	for _, name := range []string{"STATE_DIRECTORY", "XDG_DATA_HOME"} {
		first, _, _ := strings.Cut(os.Getenv(name), ":")
		if filepath.IsAbs(first) {
			return filepath.Join(first, "simplexkit", "pair"), nil
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", exit.Errorf(exit.Config, "neither HOME nor XDG_DATA_HOME is set").WithHint("--dir names the directory")
	}
	return filepath.Join(home, ".local", "share", "simplexkit", "pair"), nil
}

// own is this machine's list of hosts.
type own struct {
	*remote.Desk
	db *store.DB
}

// openOwn opens the list, which may be sealed like a profile. Several pair
// may have it open.
func (e *env) openOwn(ctx context.Context) (_ *own, err error) {
	if err := os.MkdirAll(e.dir, 0o700); err != nil {
		return nil, exit.Errorf(exit.CantCreate, "%w", err)
	}
	db, err := store.Open(ctx, filepath.Join(e.dir, "pair.db"), store.Options{SecureDelete: true})
	if err != nil {
		return nil, fmt.Errorf("list of hosts: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	if err := e.unseal(ctx, db); err != nil {
		return nil, err
	}
	d, err := remotedb.Open(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("list of hosts: %w", err)
	}
	return &own{remote.NewDesk(remote.DeskConfig{Store: d, Name: e.name, Log: e.log}), db}, nil
}

func (e *env) unseal(ctx context.Context, db *store.DB) error {
	made, err := db.Version(ctx, "remote")
	if err != nil {
		return err
	}
	if !db.Encrypted() && (made != 0 || !e.key.Given()) {
		if e.key.Given() {
			return exit.Errorf(exit.Usage, "the list of hosts in %s is not sealed, and a key was given for it", e.dir)
		}
		return nil
	}
	s, err := e.key.Read(ctx, !db.Encrypted())
	if err != nil {
		return err
	}
	defer s.Wipe()
	if !db.Encrypted() {
		return db.Protect(ctx, s)
	}
	err = db.Unlock(ctx, s)
	if errors.Is(err, store.ErrWrongKey) {
		return &exit.Error{Code: exit.NoPerm, Reason: "wrong_key", Err: errors.New("wrong passphrase or key for the list of hosts")}
	}
	return err
}

// Close closes the list.
func (o *own) Close() error { return o.db.Close() }

// withOwn runs fn with the list.
func (e *env) withOwn(ctx context.Context, fn func(*own) error) error {
	o, err := e.openOwn(ctx)
	if err != nil {
		return e.classify(err)
	}
	err = fn(o)
	if cerr := o.Close(); err == nil {
		err = cerr
	}
	return e.classify(err)
}

// host finds a host by its number, by what we call it, or by its own name.
func (o *own) host(ctx context.Context, name string) (*remote.KnownHost, error) {
	all, err := o.Hosts(ctx)
	if err != nil {
		return nil, err
	}
	var found []*remote.KnownHost
	id, nerr := strconv.ParseInt(name, 10, 64)
	for _, h := range all {
		if nerr == nil && h.ID == api.RemoteHostID(id) || h.Alias == name {
			return h, nil
		}
		if h.Name == name {
			found = append(found, h)
		}
	}
	switch len(found) {
	case 0:
		return nil, exit.Errorf(exit.NoUser, "no host %q is known here", name).WithHint("pair ls lists the hosts; pair invite pairs with one")
	case 1:
		return found[0], nil
	}
	return nil, exit.Errorf(exit.NoUser, "%d hosts have the name %q", len(found), name).WithHint("use the number that pair ls shows, or pair rename one")
}

// hold keeps a host for one program that stays with it: two would take it from
// each other, as the host has one session with this machine. The kernel gives
// it back when the process ends.
func (o *own) hold(dir string, h *remote.KnownHost) (release func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("host-%d.lock", h.ID)), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, exit.Errorf(exit.CantCreate, "%w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, exit.Errorf(exit.TempFail, "another pair is connected to this host").
			WithHint("pair exec runs single commands meanwhile")
	}
	return func() { _ = f.Close() }, nil
}

// privateFile makes a file for this user alone.
func privateFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if errors.Is(err, fs.ErrPermission) {
		return nil, exit.Errorf(exit.NoPerm, "%w", err)
	}
	if err != nil {
		return nil, exit.Errorf(exit.CantCreate, "%w", err)
	}
	return f, nil
}
