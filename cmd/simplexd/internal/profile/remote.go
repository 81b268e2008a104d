package profile

import (
	"context"
	"os"
	"path/filepath"

	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/home"
	"github.com/simplexkit/simplexkit/lib/remote"
	"github.com/simplexkit/simplexkit/lib/store/remotedb"
)

// openRemote makes the part of a profile that lets controllers use it.
func openRemote(ctx context.Context, h home.Home, p *Profile) (*remote.Host, error) {
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
	return remote.NewHost(remote.HostConfig{
		Store: db, API: p.Core, Emit: p.Core.Announce, Name: name, Log: p.log,
		Files: remote.Folder{Dir: filepath.Join(h.Dir, "files")},
	}), nil
}
