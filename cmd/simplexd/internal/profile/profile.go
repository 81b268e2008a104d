// Package profile opens a profile: its database, its agent, its chat core and,
// where it has one, its embedded relay. The daemon and the commands that run
// without one use the same.
package profile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/home"
	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/agentdb"
	"github.com/simplexkit/simplexkit/lib/store/chatdb"
	"github.com/simplexkit/simplexkit/lib/store/remotedb"
	"github.com/simplexkit/simplexkit/lib/store/swarmkv"
	"github.com/simplexkit/simplexkit/lib/swarm"
)

// Options is what a profile is opened with. The caller holds the home's lock.
type Options struct {
	Home home.Home
	// Log may be nil.
	Log *slog.Logger
	// Config is nil to read the home's.
	Config *home.Config
	// Network goes before the settings' one.
	Network home.Network
	// Key gets the secret of an encrypted profile, which is wiped after use.
	// Nil: there is none.
	Key func(context.Context) (*store.Secret, error)
	// KeyGiven says that Key has a secret already: a profile that is not
	// encrypted is refused then, for it may have been put in the place of one
	// that is.
	KeyGiven bool
	// Summary says that programs are told of relays, by events; see chat.Config.
	Summary bool
}

// Profile is an open profile. [Profile.Run] or [Profile.Serve] makes it live.
type Profile struct {
	// Core answers the API.
	Core *chat.Core

	name, version string
	servers       []string
	log           *slog.Logger
	db            *store.DB
	agent         *agent.Agent
	relay         *relay // nil: none embedded
	conns         *agentdb.DB
	swarm         *swarm.Node
	swarmDir      string
	swarmNet      home.Swarm
	watch         *watch
	remote        *remotes
}

// Open opens the profile's database, whose errors are those of package store,
// and the embedded relay's port. It starts nothing.
func Open(ctx context.Context, o Options) (_ *Profile, err error) {
	cfg := o.Config
	if cfg == nil {
		if cfg, err = o.Home.ReadConfig(); err != nil {
			return nil, err
		}
	}
	p := &Profile{version: cli.Version(), log: o.Log}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if p.db, err = openDB(ctx, o); err != nil {
		return nil, err
	}
	if cfg, err = unsealConfig(ctx, p.db, cfg); err != nil {
		return nil, err
	}
	p.name, p.servers = cfg.Name, cfg.SMPServers
	servers := slices.Clone(cfg.SMPServers)
	if cfg.Relay != nil && o.Config == nil {
		if p.relay, err = openRelay(ctx, o.Home, cfg.Relay.Host, p.log); err != nil {
			return nil, err
		}
		servers = append(servers, p.relay.address)
	}
	network, err := o.Network.Or(cfg.Network).Agent()
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	p.watch, p.conns = newWatch(), agentdb.New(p.db)
	p.agent, err = agent.New(agent.Config{
		Network: network,
		Store:   p.conns,
		Dial:    agent.DialSMP(smpclient.Options{Log: p.log}),
		Servers: servers,
		Log:     p.log,
	})
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	chats, err := chatdb.Open(ctx, p.db)
	if err != nil {
		return nil, fmt.Errorf("profile: %s: %w", o.Home.DB(), err)
	}
	p.Core = chat.New(chat.Config{
		Store:   chats,
		Agent:   p.agent,
		PQ:      true,
		Log:     p.log,
		Version: p.version,
		Summary: o.Summary,
	})
	p.watch.next = p.Core
	p.swarm, p.swarmNet = p.openSwarm(o.Home.SwarmDir()), cfg.Swarm
	if p.remote, err = openRemote(ctx, o.Home, p); err != nil {
		return nil, fmt.Errorf("profile: %s: %w", o.Home.DB(), err)
	}
	return p, nil
}

// dbOptions: deleted keys and messages are overwritten.
var dbOptions = store.Options{SecureDelete: true}

// openDB opens the one database of a profile, with its key if it has one, and
// brings its schemas up to date.
func openDB(ctx context.Context, o Options) (_ *store.DB, err error) {
	path := o.Home.DB()
	db, err := store.Open(ctx, path, dbOptions)
	if err != nil {
		return nil, fmt.Errorf("profile: %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	if err := unlock(ctx, db, o); err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, agentdb.Migrations(), chatdb.Migrations(), remotedb.Migrations(), swarmkv.Migrations()); err != nil {
		return nil, fmt.Errorf("profile: %s: %w", path, err)
	}
	return db, nil
}

// Create makes the database with its first user, encrypted if o.Config says
// so. It takes from o.Config what is then kept in the database.
func Create(ctx context.Context, o Options, user api.InitParams) (err error) {
	if o.Config.Encrypted {
		if err := protect(ctx, o); err != nil {
			return err
		}
		defer func() {
			if err == nil {
				o.Config.Name, o.Config.SMPServers = "", nil
			}
		}()
	}
	p, err := Open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	params, err := json.Marshal(user)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	_, err = p.Core.Call(ctx, "init", params)
	return err
}

// Run runs the relay, the agent and the core until ctx ends, which is no
// error, and returns when all of them have ended. Each takes the others down
// with it. The relay is the last to end, so that what was under way is heard.
func (p *Profile) Run(ctx context.Context) error {
	relayCtx, stopRelay := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRelay()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var relayDone, all sync.WaitGroup
	var errs [4]error
	run := func(group *sync.WaitGroup, i int, ctx context.Context, what string, fn func(context.Context) error) {
		group.Go(func() {
			if err := fn(ctx); err != nil && ctx.Err() == nil {
				errs[i] = fmt.Errorf("profile: %s: %w", what, err)
			}
			cancel(errs[i])
		})
	}
	if p.relay != nil {
		run(&relayDone, 0, relayCtx, "embedded relay", p.relay.run)
	}
	run(&all, 1, ctx, "agent", func(ctx context.Context) error { return p.agent.Run(ctx, p.watch) })
	run(&all, 2, ctx, "chat", p.Core.Run)
	run(&all, 3, ctx, "remote control", p.remote.Run)
	all.Wait()
	stopRelay()
	relayDone.Wait()
	return errors.Join(errs[:]...)
}

// Alive is nil while the profile's database answers.
func (p *Profile) Alive(ctx context.Context) error {
	_, err := p.Core.LastSeq(ctx)
	return err
}

// Close closes what Open opened. Run must have returned.
func (p *Profile) Close() error {
	var errs []error
	if p.relay != nil {
		errs = append(errs, p.relay.close())
	}
	if p.swarm != nil {
		errs = append(errs, p.swarm.Close())
	}
	if p.db != nil {
		errs = append(errs, p.db.Close())
	}
	return errors.Join(errs...)
}
