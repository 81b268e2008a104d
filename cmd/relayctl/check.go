package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/relayadmin"
	"github.com/simplexkit/simplexkit/lib/smp/relaycheck"
)

const checkHelp = `Checks of each relay, several relays at once:

   connect    DNS, TCP, TLS, the fingerprint of the address, the version
   roundtrip  makes a queue, secures it, sends a message, receives it, deletes the queue
   cert       when the online certificate expires
   proxy      sends the message through the relay of --via

Exit codes are those of the Monitoring Plugins, of the worst relay: 0 OK, 1 WARNING,
2 CRITICAL, 3 UNKNOWN (wrong arguments). A relay that does not answer in time, or whose name
does not resolve, is critical. Do not check relays of others more often than each 5 minutes.`

func checkCommand(e *env) *ucli.Command {
	duration := func(name string, v time.Duration, usage string, aliases ...string) ucli.Flag {
		return &ucli.DurationFlag{Name: name, Aliases: aliases, Value: v, Usage: usage,
			EnvVars: []string{"RELAYCTL_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))}}
	}
	cmd := &ucli.Command{
		Name:        "check",
		Usage:       "send a message through relays and back; for monitoring",
		ArgsUsage:   "smp://FINGERPRINT[:PASSWORD]@HOST[:PORT]...",
		Description: checkHelp,
		CustomHelpTemplate: cli.Help([]string{
			"relayctl smp check smp://FINGERPRINT@relay.example.org",
			"relayctl smp check --warn 500ms --crit 5s smp://FINGERPRINT@relay.example.org:5223",
			"relayctl smp check --format text smp://… smp://…",
			"relayctl smp check --format prometheus --outfile /var/lib/prometheus/node-exporter/relays.prom smp://…",
			"relayctl smp check --quiet-ok --splay 60s --state ~/.relay-check smp://…   # from cron",
		}),
		Flags: []ucli.Flag{
			&ucli.StringFlag{Name: "check", Value: "connect,roundtrip,cert", Usage: "`CHECKS` to do, with commas between", EnvVars: []string{"RELAYCTL_CHECK"}},
			duration("warn", 2*time.Second, "`TIME` of the round trip above which it is a warning", "w"),
			duration("critical", 10*time.Second, "`TIME` of the round trip above which it is critical", "crit", "C"),
			duration("connect-warn", 500*time.Millisecond, "`TIME` to connect above which it is a warning"),
			duration("connect-critical", 2*time.Second, "`TIME` to connect above which it is critical", "connect-crit"),
			&ucli.IntFlag{Name: "cert-warn", Value: 14, Usage: "`DAYS` before the certificate expires that are a warning", EnvVars: []string{"RELAYCTL_CERT_WARN"}},
			&ucli.IntFlag{Name: "cert-critical", Aliases: []string{"cert-crit"}, Value: 3, Usage: "`DAYS` that are critical", EnvVars: []string{"RELAYCTL_CERT_CRITICAL"}},
			&ucli.StringFlag{Name: "via", Usage: "`ADDRESS` of a proxy, to check that too", EnvVars: []string{"RELAYCTL_VIA"}},
			duration("proxy-warn", 3*time.Second, "`TIME` through the proxy above which it is a warning"),
			duration("proxy-critical", 15*time.Second, "`TIME` through the proxy above which it is critical", "proxy-crit"),
			&ucli.StringFlag{Name: "format", Value: "nagios", Usage: "`FORMAT` of the result: nagios, text, json or prometheus", EnvVars: []string{"RELAYCTL_FORMAT"}},
			&ucli.BoolFlag{Name: "json", Usage: "the same as --format json", EnvVars: []string{"RELAYCTL_JSON"}},
			&ucli.StringFlag{Name: "outfile", Usage: "write the result to `FILE`, as a whole, instead of standard output", EnvVars: []string{"RELAYCTL_OUTFILE"}},
			&ucli.BoolFlag{Name: "quiet-ok", Usage: "print nothing if all is well, for cron", EnvVars: []string{"RELAYCTL_QUIET_OK"}},
			duration("splay", 0, "wait a random part of this `TIME` first, so that not all check at once"),
			&ucli.StringFlag{Name: "state", Usage: "keep states in `FILE`, and print only if one has changed", EnvVars: []string{"RELAYCTL_STATE"}},
			&ucli.BoolFlag{Name: "no-progress", Usage: "show no progress on a terminal", EnvVars: []string{"RELAYCTL_NO_PROGRESS"}},
		},
		Action: func(c *ucli.Context) error {
			err := runCheck(c, e)
			var r *cli.Reported
			if err == nil || errors.As(err, &r) {
				return err
			}
			return &exit.Error{Code: exit.Unknown, Err: err, Hint: exit.Hint(err)}
		},
	}
	return cmd
}

// checkOptions reads the flags.
func checkOptions(c *ucli.Context) (o relaycheck.Options, err error) {
	const day = 24 * time.Hour
	o.Connect = relaycheck.Limits{Warn: c.Duration("connect-warn"), Crit: c.Duration("connect-critical")}
	checks := strings.Split(c.String("check"), ",")
	for _, name := range checks {
		switch name {
		case "connect", "proxy":
		case "roundtrip":
			o.Roundtrip = relaycheck.Limits{Warn: c.Duration("warn"), Crit: c.Duration("critical")}
		case "cert":
			o.Cert = relaycheck.Limits{Warn: time.Duration(c.Int("cert-warn")) * day, Crit: time.Duration(c.Int("cert-critical")) * day}
		default:
			return o, fmt.Errorf("--check %s: there are connect, roundtrip, cert and proxy", name)
		}
	}
	if via := c.String("via"); via != "" {
		a, err := smp.ParseAuthServer(via)
		if err != nil {
			return o, fmt.Errorf("--via: %w", err)
		}
		o.Via = &a
		o.Proxy = relaycheck.Limits{Warn: c.Duration("proxy-warn"), Crit: c.Duration("proxy-critical")}
	} else if slices.Contains(checks, "proxy") {
		return o, errors.New("--check proxy needs the proxy's address: --via ADDRESS")
	}
	return o, nil
}

// formats of results.
var formats = map[string]func([]relaycheck.Result) (string, error){
	"nagios":     func(r []relaycheck.Result) (string, error) { return relaycheck.Nagios(r), nil },
	"text":       func(r []relaycheck.Result) (string, error) { return relaycheck.Text(r), nil },
	"prometheus": func(r []relaycheck.Result) (string, error) { return relaycheck.Prometheus(r), nil },
	"json":       relaycheck.JSON,
}

func runCheck(c *ucli.Context, e *env) error {
	if c.Bool("json") && !c.IsSet("format") {
		if err := c.Set("format", "json"); err != nil {
			return err
		}
	}
	format := formats[c.String("format")]
	if format == nil {
		return fmt.Errorf("--format %s: there are nagios, text, json and prometheus", c.String("format"))
	}
	texts, err := addresses(c)
	if err != nil {
		return err
	}
	addrs := make([]smp.AuthServer, len(texts))
	for i, t := range texts {
		if addrs[i], err = smp.ParseAuthServer(t); err != nil {
			return err
		}
	}
	o, err := checkOptions(c)
	if err != nil {
		return err
	}
	if d := c.Duration("splay"); d > 0 {
		select {
		case <-time.After(rand.N(d)):
		case <-c.Context.Done():
			return c.Context.Err()
		}
	}
	results := checkAll(c, e, addrs, o)
	if err := c.Context.Err(); err != nil {
		return err
	}
	say, err := worthSaying(c, results)
	if err != nil {
		return err
	}
	text, err := format(results)
	if err != nil {
		return err
	}
	switch {
	case c.String("outfile") != "": // it must not get old
		err = relayadmin.WriteFile(c.String("outfile"), []byte(text), 0o644)
	case say:
		err = print(e, "%s", text)
	}
	if worst := relaycheck.Worst(results); err == nil && worst != relaycheck.OK {
		return &cli.Reported{Code: int(worst)}
	}
	return err
}

// checkAll shows how far it is, on a terminal, if it takes long.
func checkAll(c *ucli.Context, e *env, addrs []smp.AuthServer, o relaycheck.Options) []relaycheck.Result {
	f, ok := e.stderr.(*os.File)
	if !ok || c.Bool("no-progress") || !term.IsTerminal(int(f.Fd())) {
		return relaycheck.All(c.Context, addrs, o, nil)
	}
	ctx, cancel := context.WithCancel(c.Context)
	ended := make(chan relaycheck.Result)
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		showProgress(ctx, f, len(addrs), ended)
	}()
	results := relaycheck.All(c.Context, addrs, o, func(r relaycheck.Result) {
		select {
		case ended <- r:
		case <-ctx.Done():
		}
	})
	cancel()
	<-shown
	return results
}

// showProgress draws a line after a second, and each time a relay's check has
// ended, and takes it away at the end.
func showProgress(ctx context.Context, f *os.File, total int, ended <-chan relaycheck.Result) {
	const width = 20
	wait := time.After(time.Second)
	done, visible := 0, false
	for {
		select {
		case <-ctx.Done():
			if visible {
				fmt.Fprint(f, "\r\x1b[K")
			}
			return
		case <-ended:
			done++
		case <-wait:
			visible = true
		}
		if visible {
			fmt.Fprintf(f, "\r\x1b[K[%-*s] %d of %d relays", width, strings.Repeat("#", width*done/total), done, total)
		}
	}
}

// worthSaying tells whether anything is to be printed: with --state if a
// state has changed, with --quiet-ok if one is not OK or has become so.
func worthSaying(c *ucli.Context, results []relaycheck.Result) (bool, error) {
	quiet := c.Bool("quiet-ok") && relaycheck.Worst(results) == relaycheck.OK
	path := c.String("state")
	if path == "" {
		return !quiet, nil
	}
	old := map[string]string{}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &old)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("--state %s: %w", path, err)
	}
	first := errors.Is(err, fs.ErrNotExist)
	changed := false
	for _, r := range results {
		key, state := r.Relay.String(), r.State.String()
		was, known := old[key]
		changed = changed || known && was != state || !known && (state != "OK" || !c.Bool("quiet-ok"))
		old[key] = state
	}
	if !changed && !first {
		return false, nil
	}
	if text, err = json.Marshal(old); err == nil {
		err = relayadmin.WriteFile(path, append(text, '\n'), 0o600)
	}
	if err != nil {
		return false, fmt.Errorf("--state: %w", err)
	}
	return changed, nil
}
