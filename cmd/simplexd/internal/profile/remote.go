package profile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/home"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/remote"
	"github.com/simplexkit/simplexkit/lib/store/remotedb"
)

// remotes are both sides of remote control: controllers that use this profile,
// and hosts that this program uses.
type remotes struct {
	*remote.Host
	board *remote.Board
	desk  *remote.Desk
}

// Run runs both sides until ctx ends.
func (r *remotes) Run(ctx context.Context) error {
	var boarding sync.WaitGroup
	var err error
	boarding.Go(func() { err = r.board.Run(ctx) })
	herr := r.Host.Run(ctx)
	boarding.Wait()
	return errors.Join(err, herr)
}

// Exec executes the commands of remote control; ok is false for others.
func (r *remotes) Exec(ctx context.Context, cmd string) (a api.Response, ok bool) {
	if name, ok := strings.CutPrefix(cmd, "/set device name "); ok {
		name = strings.TrimSpace(name)
		r.SetName(name)
		r.desk.SetName(name)
		return api.Response{Type: "cmdOk"}, true
	}
	if a, ok := r.board.Exec(ctx, cmd); ok {
		return a, true
	}
	return r.Host.Exec(ctx, cmd)
}

// openRemote makes them.
func openRemote(ctx context.Context, h home.Home, p *Profile) (*remotes, error) {
	db, err := remotedb.Open(ctx, p.db)
	if err != nil {
		return nil, err
	}
	name, err := os.Hostname()
	if p.name != "" {
		name = p.name + " at " + name
	}
	if err != nil || name == "" {
		name = "simplexd"
	}
	desk := remote.NewDesk(remote.DeskConfig{Store: db, Name: name, Log: p.log})
	return &remotes{
		Host: remote.NewHost(remote.HostConfig{
			Store: db, API: p.Core, Emit: p.Core.Announce, Name: name, Log: p.log,
			Files: remote.Folder{Dir: filepath.Join(h.Dir, "files")},
		}),
		board: remote.NewBoard(remote.BoardConfig{
			Desk: desk, Emit: p.Core.Announce, Mirror: p.Core.Mirror, Dir: filepath.Join(h.Dir, "remote"), Log: p.log,
		}),
		desk: desk,
	}, nil
}
