package main

import (
	"context"
	"os"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/profile"
	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/secret"
	"github.com/simplexkit/simplexkit/lib/store"
)

// keySource is the source that the flags of a prefix name, or else the
// credential or the terminal.
func (e *env) keySource(c *ucli.Context, prefix, what, credential string) (*secret.Source, error) {
	s := &secret.Source{
		File: c.String(prefix + "-file"), FD: c.Int(prefix + "-fd"), Command: c.String(prefix + "-command"),
		Credential: credential, Flag: prefix, What: what,
	}
	s.Stdin, _ = e.stdin.(*os.File)
	s.Stderr, _ = e.stderr.(*os.File)
	return s, s.Check()
}

// options are what every command opens the profile with.
func (e *env) options() profile.Options {
	return profile.Options{
		Home: e.home, Log: e.log,
		Key:      func(ctx context.Context) (*store.Secret, error) { return e.key.Read(ctx, false) },
		KeyGiven: e.key.Given(),
	}
}

// newKey reads a new secret, and gives it to whoever asks: it is read before
// anything is made, and once.
func (e *env) newKey(ctx context.Context, from *secret.Source) (func(context.Context) (*store.Secret, error), error) {
	s, err := from.Read(ctx, true)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*store.Secret, error) { return s.Copy(), nil }, nil
}
