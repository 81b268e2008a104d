package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/cmd/relayctl/internal/report"
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
does not resolve, is critical. Do not check relays of others more often than each 5 minutes.

With --state a relay that changes 6 times in 20 checks is said to flap, once, and nothing more
is said of it until it is steady. Only one check at a time uses a FILE of states. Who can
list processes sees the arguments: addresses with passwords belong into the file of --from.`

func checkCommand(e *env) *ucli.Command {
	duration := func(name string, v time.Duration, usage string, aliases ...string) ucli.Flag {
		return &ucli.DurationFlag{Name: name, Aliases: aliases, Value: v, Usage: usage,
			EnvVars: []string{"RELAYCTL_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))}}
	}
	cmd := &ucli.Command{
		Name:        "check",
		Usage:       "send a message through relays and back; for monitoring",
		ArgsUsage:   "[smp://FINGERPRINT[:PASSWORD]@HOST[:PORT]...]",
		Description: checkHelp,
		CustomHelpTemplate: cli.Help([]string{
			"relayctl smp check smp://FINGERPRINT@relay.example.org",
			"relayctl smp check --warn 500ms --crit 5s smp://FINGERPRINT@relay.example.org:5223",
			"relayctl smp check --format text smp://… smp://…",
			"relayctl smp check --format prometheus --outfile /var/lib/prometheus/node-exporter/relays.prom smp://…",
			"relayctl smp check --quiet-ok --splay 60s --state ~/.relay-check smp://…   # from cron",
			"relayctl smp check --state ~/.relay-check --confirm 2 --notify @ops --from relays.txt",
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
			&ucli.IntFlag{Name: "confirm", Value: 1, Usage: "with --state, a change counts after `N` checks that find it", EnvVars: []string{"RELAYCTL_CONFIRM"}},
			&ucli.StringFlag{Name: "notify", Usage: "send what is printed to `@CONTACT` too, by simplexd: on changes with --state, else if not all is OK", EnvVars: []string{"RELAYCTL_NOTIFY"}},
			&ucli.StringFlag{Name: "simplexd", Value: "simplexd", Usage: "`PROGRAM` for --notify; SIMPLEXD_HOME names its profile", EnvVars: []string{"RELAYCTL_SIMPLEXD"}},
			&ucli.StringFlag{Name: "ping-url", Usage: "`URL` to ask for after each check that is not critical: a dead man's switch", EnvVars: []string{"RELAYCTL_PING_URL"}},
			&ucli.StringFlag{Name: "from", Usage: "`FILE` with addresses, one on each line; - is standard input", EnvVars: []string{"RELAYCTL_FROM"}},
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
	if u := c.String("ping-url"); u != "" {
		if err := report.CheckURL(u); err != nil {
			return o, fmt.Errorf("--ping-url: %w", err)
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
	addrs, err := checked(c)
	if err != nil {
		return err
	}
	o, err := checkOptions(c)
	if err != nil {
		return err
	}
	if err := splay(c); err != nil {
		return err
	}
	results, say, err := checkAndTell(c, e, addrs, o)
	if err != nil {
		return err
	}
	text, err := format(results)
	if err != nil {
		return err
	}
	worst := relaycheck.Worst(results)
	switch {
	case c.String("outfile") != "": // it must not get old
		err = relayadmin.WriteFile(c.String("outfile"), []byte(text), 0o644)
	case say:
		err = print(e, "%s", text)
	}
	if u := c.String("ping-url"); u != "" && worst != relaycheck.Critical {
		if err := report.Ping(c.Context, u); err != nil { // who waits for it will notice
			fmt.Fprintf(e.stderr, "relayctl: warning: %v\n", err)
		}
	}
	if err == nil && worst != relaycheck.OK {
		return &cli.Reported{Code: int(worst)}
	}
	return err
}

// splay waits a random time.
func splay(c *ucli.Context) error {
	if d := c.Duration("splay"); d > 0 {
		select {
		case <-time.After(rand.N(d)):
		case <-c.Context.Done():
			return c.Context.Err()
		}
	}
	return nil
}

// checked are the relays of the arguments and of --from.
func checked(c *ucli.Context) ([]smp.AuthServer, error) {
	texts := c.Args().Slice()
	if name := c.String("from"); name != "" {
		in := io.Reader(os.Stdin)
		if name != "-" {
			f, err := os.Open(name)
			if err != nil {
				return nil, fmt.Errorf("--from: %w", err)
			}
			defer f.Close()
			in = f
		}
		lines := bufio.NewScanner(in)
		for lines.Scan() {
			if t := strings.TrimSpace(lines.Text()); t != "" && t[0] != '#' {
				texts = append(texts, t)
			}
		}
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("--from %s: %w", name, err)
		}
	}
	if len(texts) == 0 {
		return nil, errors.New("give the address of a relay, or of several, or --from FILE")
	}
	addrs := make([]smp.AuthServer, len(texts))
	for i, t := range texts {
		var err error
		if addrs[i], err = smp.ParseAuthServer(t); err != nil {
			return nil, err
		}
	}
	return addrs, nil
}

// checkAndTell checks the relays, sends word of what is new to --notify, and
// remembers it in --state. It tells whether there is anything to print: with
// --state if something is new, with --quiet-ok if not all is well or has
// become so.
func checkAndTell(c *ucli.Context, e *env, addrs []smp.AuthServer, o relaycheck.Options) (results []relaycheck.Result, say bool, err error) {
	var m *report.Memory
	if path := c.String("state"); path != "" {
		if m, err = report.Open(path); err != nil {
			return nil, false, fmt.Errorf("--state: %w", err)
		}
		defer func() { err = errors.Join(err, m.Close()) }()
	}
	results = checkAll(c, e, addrs, o)
	if err := c.Context.Err(); err != nil {
		return nil, false, err
	}
	bad := relaycheck.Worst(results) != relaycheck.OK
	say = bad || !c.Bool("quiet-ok")
	tell := bad
	if m != nil {
		say = m.Take(results, report.Rules{Confirm: c.Int("confirm"), QuietOK: c.Bool("quiet-ok")}, time.Now())
		tell = say
	}
	if to := c.String("notify"); to != "" && tell {
		if err := report.Notify(c.Context, c.String("simplexd"), to, report.Words(results)); err != nil {
			return nil, false, err // not saved: the next check says it again
		}
	}
	if m != nil {
		if err := m.Save(); err != nil {
			return nil, false, fmt.Errorf("--state: %w", err)
		}
	}
	return results, say, nil
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
