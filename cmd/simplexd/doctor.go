package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/cmd/internal/doctor"
	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/home"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/relaycheck"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/store"
)

const doctorHelp = `Looks at the files of the profile and who may read them, its settings, who uses it, the
database, the disk, the clock, the relays and systemd, and says what to do. Nothing is
changed. It works with the daemon and without it.

Exit codes are those of the Monitoring Plugins, of the worst finding: 0 OK, 1 WARNING,
2 CRITICAL, 3 UNKNOWN (it could not look); and 64 for wrong arguments.`

func doctorCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:        "doctor",
		Usage:       "look for what is wrong with the profile and around it",
		Description: doctorHelp,
		CustomHelpTemplate: cli.Help([]string{
			"simplexd doctor",
			"simplexd doctor --json | jq '.findings[] | select(.state != \"ok\")'",
			"simplexd doctor --ntp pool.ntp.org",
			"simplexd doctor --offline -q && echo all is well",
		}),
		Flags: []ucli.Flag{
			&ucli.BoolFlag{Name: "offline", Usage: "do not connect to relays", EnvVars: []string{"SIMPLEXD_OFFLINE"}},
			&ucli.StringFlag{Name: "ntp", Usage: "compare the clock with that of `SERVER`", EnvVars: []string{"SIMPLEXD_NTP"}},
		},
		Action: func(c *ucli.Context) error {
			if c.NArg() != 0 {
				return exit.Errorf(exit.Usage, "doctor takes no arguments")
			}
			ctx, cancel := e.limit(c.Context, 2*time.Minute)
			defer cancel()
			return e.report(doctor.NewReport(e.examine(ctx, c.Bool("offline"), c.String("ntp"))))
		},
	}
}

// report prints a report, and gives its exit code. With --quiet it prints only
// what is not well.
func (e *env) report(r doctor.Report) error {
	text, err := r.Text(), error(nil)
	if e.json {
		text, err = r.JSON()
	} else if e.quiet {
		var b strings.Builder
		for _, f := range r.Findings {
			if f.State != doctor.OK && f.State != doctor.Skipped {
				b.WriteString(f.String() + "\n")
			}
		}
		text = b.String()
	}
	if err == nil {
		err = e.write([]byte(text))
	}
	if err != nil {
		return doctor.Broken(err)
	}
	return r.Err()
}

func (e *env) examine(ctx context.Context, offline bool, ntp string) []doctor.Finding {
	cfg, err := e.home.ReadConfig()
	out := []doctor.Finding{settingsFinding(e.home, err)}
	if errors.Is(err, home.ErrNoProfile) {
		return append(out, doctor.Clock(ctx, ntp))
	}
	out = append(out, filesFinding(e.home))
	daemon := e.daemonFinding(ctx)
	out = append(out, daemon.Finding, databaseFinding(ctx, e.home, daemon.running))
	if daemon.lock != nil {
		_ = daemon.lock.Close() // the file stays
	}
	out = append(out, doctor.Disk(e.home.Dir), doctor.Clock(ctx, ntp))
	if err == nil {
		out = append(out, e.relayFindings(ctx, cfg, offline, daemon.running)...)
	}
	return append(out, doctor.Linger("simplexd.service", os.Getenv))
}

func settingsFinding(h home.Home, err error) doctor.Finding {
	var bad *home.ConfigError
	switch {
	case err == nil:
		return doctor.Found("settings", doctor.OK, "%s", h.Config)
	case errors.Is(err, home.ErrNoProfile):
		return doctor.Found("settings", doctor.Critical, "no profile in %s", h.Dir).
			WithHint("simplexd init NAME makes a profile; --home names another directory")
	case errors.As(err, &bad):
		return doctor.Found("settings", doctor.Critical, "%v", err).WithHint("mend the file")
	}
	return doctor.Found("settings", doctor.Unknown, "%v", err)
}

// filesFinding looks at who may read the profile.
func filesFinding(h home.Home) doctor.Finding {
	var bad []string
	for _, path := range []string{h.Dir, h.Config, h.DB(), h.DB() + "-wal", h.DB() + "-shm", h.Socket, h.RelayDir()} {
		if what := doctor.Private(path); what != "" {
			bad = append(bad, what)
		}
	}
	if len(bad) == 0 {
		return doctor.Found("files", doctor.OK, "%s and what is in it are for you alone", h.Dir)
	}
	return doctor.Found("files", doctor.Critical, "others may read the profile, or it is another's").WithLines(bad...).
		WithHint("chmod -R go= %s, or chown it", h.Dir)
}

// daemonFinding is what was found out about who uses the profile; the lock is
// ours if nobody does.
type daemonFinding struct {
	doctor.Finding
	running bool
	lock    *home.Lock
}

func (e *env) daemonFinding(ctx context.Context) daemonFinding {
	d, dialErr := e.dial(ctx)
	if d != nil {
		d.Close()
		return daemonFinding{doctor.Found("daemon", doctor.OK, "runs, version %s, and answers on %s", d.hello.Version, e.home.Socket), true, nil}
	}
	lock, err := e.home.TryLock()
	switch {
	case errors.Is(err, home.ErrLocked):
		return daemonFinding{doctor.Found("daemon", doctor.Critical, "%v, and answers nothing: %v", err, dialErr).
			WithHint("another command may be at work: try again; else stop that process"), true, nil}
	case err != nil:
		return daemonFinding{doctor.Found("daemon", doctor.Unknown, "%v", err), false, nil}
	}
	f := doctor.Found("daemon", doctor.OK, "does not run; nobody uses the profile")
	if _, err := os.Lstat(e.home.Socket); err == nil {
		f = doctor.Found("daemon", doctor.Warning, "does not run, and has left %s: it was killed", e.home.Socket).
			WithHint("nothing is lost; the next simplexd serve replaces the socket")
	}
	return daemonFinding{f, false, lock}
}

// databaseFinding reads the whole database, as it is on the disk.
func databaseFinding(ctx context.Context, h home.Home, inUse bool) doctor.Finding {
	st, err := os.Stat(h.DB())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return doctor.Found("database", doctor.OK, "not made yet: the first command that needs it makes it")
	case err != nil:
		return doctor.Found("database", doctor.Unknown, "%v", err)
	}
	db, err := store.Open(ctx, h.DB(), store.Options{Readers: 1})
	if err == nil {
		err = db.Check(ctx)
		err = errors.Join(err, db.Close())
	}
	var full *store.Error
	switch {
	case err == nil && inUse:
		return doctor.Found("database", doctor.OK, "whole, %d bytes and what the daemon has not put into it yet", st.Size())
	case err == nil:
		return doctor.Found("database", doctor.OK, "whole, %d bytes", st.Size())
	case errors.Is(err, store.ErrCorrupt):
		return doctor.Found("database", doctor.Critical, "%v", err).WithHint("stop the daemon, keep a copy of the file, and restore a backup")
	case errors.Is(err, store.ErrBusy):
		return doctor.Found("database", doctor.Unknown, "%v", err).WithHint("another program has the database open; try again")
	case errors.As(err, &full):
		return doctor.Found("database", doctor.Critical, "%v", err).WithHint("the disk refuses: see what the kernel says with dmesg")
	}
	return doctor.Found("database", doctor.Unknown, "%v", err)
}

// relayLimits are what people find slow.
var relayLimits = relaycheck.Options{Connect: relaycheck.Limits{Warn: 2 * time.Second, Crit: 10 * time.Second}}

// relayFindings connects to the relays as a client does, and no further.
func (e *env) relayFindings(ctx context.Context, cfg *home.Config, offline, running bool) []doctor.Finding {
	servers := cfg.SMPServers
	switch {
	case offline:
		return []doctor.Finding{doctor.Found("relay", doctor.Skipped, "not asked, because of --offline")}
	case cfg.Network.SOCKSProxy != "":
		return []doctor.Finding{doctor.Found("relay", doctor.Skipped, "not asked: relays are reached through a proxy, and would be told this machine's address")}
	case len(servers) == 0 && cfg.Relay == nil:
		return []doctor.Finding{doctor.Found("relay", doctor.Skipped, "not asked: the relays are in the encrypted profile")}
	case cfg.Relay != nil && !running:
		return []doctor.Finding{doctor.Found("relay", doctor.OK, "the relay of this profile runs when its daemon does")}
	}
	if cfg.Relay != nil {
		rh, err := relayhome.Load(e.home.RelayDir())
		if err != nil {
			return []doctor.Finding{doctor.Found("relay", doctor.Critical, "%v", err)}
		}
		servers = append(servers, rh.Address().String())
	}
	var addrs []smp.AuthServer
	var out []doctor.Finding
	for _, s := range servers {
		a, err := smp.ParseAuthServer(s)
		if err != nil {
			out = append(out, doctor.Found("relay", doctor.Critical, "%v", err).WithHint("mend smp_servers in %s", e.home.Config))
			continue
		}
		addrs = append(addrs, a)
	}
	for _, r := range relaycheck.All(ctx, addrs, relayLimits, nil) {
		out = append(out, relayFinding(r))
	}
	return out
}

func relayFinding(r relaycheck.Result) doctor.Finding {
	f := doctor.Found("relay", doctor.State(r.State), "%s", r.Name())
	if r.Err != nil {
		f.Text += ": " + r.Err.Error()
		return f.WithHint("%s", relayHint(r.Err))
	}
	for _, m := range r.Measures {
		f.Text += fmt.Sprintf(", %s in %s", m.Name, m.Value.Round(time.Millisecond))
	}
	return f
}

// relayHint is what to do about an error of a relay.
func relayHint(err error) string {
	switch {
	case errors.Is(err, smpclient.ErrNoHost):
		return hints[exit.NoHost]
	case errors.Is(err, smpclient.ErrFingerprint):
		return hints[exit.NoPerm]
	}
	return hints[exit.Unavailable]
}
