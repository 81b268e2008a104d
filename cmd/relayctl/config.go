package main

import (
	_ "embed"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
)

var (
	//go:embed unit/relayctl.service
	serviceUnit string
	//go:embed unit/relayctl-user.service
	userUnit string
	//go:embed unit/prometheus.rules
	alertRules string
	//go:embed unit/grafana.json
	dashboard string
	//go:embed unit/relayctl.socket
	socketUnit string
)

func configCommand(e *env) *ucli.Command {
	return group("config", "smp config", "settings, and what the system needs to run a relay",
		configShowCommand(e), configTestCommand(e), configDescribeCommand(e),
		printUnitCommand(e),
		&ucli.Command{
			Name:               "print-socket",
			Usage:              "print a unit for systemd that opens the relay's port",
			CustomHelpTemplate: cli.Help([]string{"relayctl smp config print-socket > /etc/systemd/system/smp-relay.socket"}, readCodes...),
			Flags:              slices.Concat([]ucli.Flag{homeFlag, configFlag}, settingFlags()),
			Action:             func(c *ucli.Context) error { return runPrintSocket(c, e) },
		},
		&ucli.Command{
			Name: "print-cron", Usage: "print a line for cron that checks relays", ArgsUsage: "ADDRESS...",
			Description:        "Cron sends mail when there is output: when a relay gets worse, or well again.",
			CustomHelpTemplate: cli.Help([]string{"relayctl smp config print-cron smp://FINGERPRINT@relay.example.org >> mycrontab"}, exit.Done, exit.Usage),
			Action: func(c *ucli.Context) error {
				addrs, err := addresses(c)
				if err != nil {
					return err
				}
				return print(e, "*/10 * * * * %s smp check --quiet-ok --splay 60s --state $HOME/.relay-check %s\n", program(), strings.Join(addrs, " "))
			},
		},
		printTimerCommand(e),
		printTextCommand(e, "print-rules", "print rules for Prometheus that warn of a relay's troubles", alertRules,
			"relayctl smp config print-rules > /etc/prometheus/rules.d/relay.yml"),
		printTextCommand(e, "print-dashboard", "print a dashboard for Grafana", dashboard,
			"relayctl smp config print-dashboard > relays.json   # Dashboards, New, Import"))
}

// printTextCommand prints what this program has with it.
func printTextCommand(e *env, name, usage, text, example string) *ucli.Command {
	return &ucli.Command{
		Name: name, Usage: usage,
		CustomHelpTemplate: cli.Help([]string{example}, exit.Done, exit.Usage),
		Action: func(c *ucli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return print(e, "%s", text)
		},
	}
}

func printTimerCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name: "print-timer", Usage: "print a service and a timer for systemd that check relays", ArgsUsage: "ADDRESS...",
		Description: "The two are divided by a line that begins with \"# relay-check.timer\". With --template\n" +
			"they are relay-check@.service and .timer, without addresses: relay-check@ours checks\n" +
			"those in /etc/simplexkit/relays-ours.txt.",
		CustomHelpTemplate: cli.Help([]string{"relayctl smp config print-timer smp://FINGERPRINT@relay.example.org",
			"relayctl smp config print-timer --template"}, exit.Done, exit.Usage),
		Flags: []ucli.Flag{&ucli.BoolFlag{Name: "template", Usage: "for several lists of relays"}},
		Action: func(c *ucli.Context) error {
			if c.Bool("template") {
				if err := noArguments(c); err != nil {
					return err
				}
				text := fmt.Sprintf(timerUnits, program(), "--from %d/relays")
				return print(e, "%s", strings.NewReplacer("relay-check.", "relay-check@.", "message relays", "message relays of %i",
					"DynamicUser=yes\n", "LoadCredential=relays:/etc/simplexkit/relays-%i.txt\nDynamicUser=yes\n").Replace(text))
			}
			addrs, err := addresses(c)
			if err != nil {
				return err
			}
			return print(e, timerUnits, program(), strings.Join(addrs, " "))
		},
	}
}

func printUnitCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "print-unit",
		Usage: "print a unit for systemd that runs the relay",
		Description: "With --template the unit is NAME@.service: smp-relay@one and smp-relay@two are two\n" +
			"relays, with a home for each in /var/lib/smp-relay. With --user it is one of your own.",
		CustomHelpTemplate: cli.Help([]string{
			"relayctl smp config print-unit > /etc/systemd/system/smp-relay.service",
			"relayctl smp config print-unit --template > /etc/systemd/system/smp-relay@.service",
			"relayctl smp config print-unit --user > ~/.config/systemd/user/smp-relay.service",
		}, exit.Done, exit.Usage),
		Flags: []ucli.Flag{
			&ucli.BoolFlag{Name: "user", Usage: "for the service manager of a user"},
			&ucli.BoolFlag{Name: "template", Usage: "for several relays"},
			&ucli.BoolFlag{Name: "old", Usage: "for systemd before 253, which does not have Type=notify-reload"},
		},
		Action: func(c *ucli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			unit, kind := serviceUnit, "Type=notify-reload"
			if c.Bool("old") {
				kind = "Type=notify\nExecReload=/bin/kill -HUP $MAINPID"
			}
			switch {
			case c.Bool("user") && c.Bool("template"):
				return exit.Errorf(exit.Usage, "--user and --template do not go together")
			case c.Bool("user"):
				unit = userUnit
			case c.Bool("template"):
				unit = strings.NewReplacer("NAME.service", "NAME@.service", "Description=SimpleX message relay", "Description=SimpleX message relay %i",
					"/var/lib/private/NAME, seen as /var/lib/NAME.", "/var/lib/private/NAME/INSTANCE, seen as /var/lib/NAME/INSTANCE.",
					"StateDirectory=NAME ", "StateDirectory=NAME/INSTANCE ", "Directory=%p\n", "Directory=%p/%i\n").Replace(unit)
			}
			return print(e, "%s", strings.NewReplacer("EXEC", program(), "TYPE", kind).Replace(unit))
		},
	}
}

const timerUnits = `# relay-check.service
[Unit]
Description=Check SimpleX message relays
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
# 1 is a warning: it stands in the journal, and the unit counts as good.
SuccessExitStatus=1
ExecStart=%s smp check --json %s
DynamicUser=yes
ProtectSystem=strict
ProtectHome=yes
PrivateDevices=yes
NoNewPrivileges=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallFilter=@system-service

# relay-check.timer
[Unit]
Description=Check SimpleX message relays now and then

[Timer]
OnCalendar=*:0/10
RandomizedDelaySec=60

[Install]
WantedBy=timers.target
`

// program is how units name this program.
func program() string {
	if exe, err := os.Executable(); err == nil {
		return exe
	}
	return "/usr/bin/relayctl"
}

func noArguments(c *ucli.Context) error {
	if c.NArg() > 0 {
		return exit.Errorf(exit.Usage, "unexpected argument %q", c.Args().First())
	}
	return nil
}

// addresses are the arguments, which must be relays' addresses.
func addresses(c *ucli.Context) ([]string, error) {
	if c.NArg() == 0 {
		return nil, exit.Errorf(exit.Usage, "give the address of a relay, or of several")
	}
	for _, a := range c.Args().Slice() {
		if _, err := smp.ParseAuthServer(a); err != nil {
			return nil, exit.Errorf(exit.Usage, "%w", err)
		}
	}
	return c.Args().Slice(), nil
}

func runPrintSocket(c *ucli.Context, e *env) error {
	dir, err := home(c)
	if err != nil {
		return err
	}
	listen := ":" + relayhome.DefaultPort
	h, err := relayhome.LoadSettings(dir, sources(c))
	switch {
	case err == nil:
		listen = h.Settings.ListenAddr()
	case exit.Code(err) == exit.NoInput && c.IsSet("listen"):
		listen = c.String("listen")
	case exit.Code(err) != exit.NoInput:
		return err
	}
	var lines []string
	for _, addr := range strings.FieldsFunc(listen, func(r rune) bool { return r == ',' || r == ' ' }) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return exit.Errorf(exit.Usage, "--listen: %w", err)
		}
		if host == "" { // systemd listens on IPv4 and IPv6 then
			addr = port
		}
		lines = append(lines, "ListenStream="+addr)
	}
	return print(e, "%s", strings.Replace(socketUnit, "LISTEN", strings.Join(lines, "\n"), 1))
}

func configShowCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:        "show",
		Usage:       "print the settings as a relay would use them",
		Description: "Flags win over variables, these over the relay's relay.toml, this over the user's\nand the system's simplexkit/relayctl.toml. Secrets are not printed.",
		CustomHelpTemplate: cli.Help([]string{"relayctl smp config show", "relayctl smp config show --origin",
			"RELAYCTL_QUEUE_QUOTA=200 relayctl smp config show --origin --json"}, readCodes...),
		Flags: slices.Concat([]ucli.Flag{homeFlag, configFlag,
			&ucli.BoolFlag{Name: "origin", Usage: "tell where each value came from", EnvVars: []string{"RELAYCTL_ORIGIN"}}, jsonFlag}, settingFlags()),
		Action: func(c *ucli.Context) error { return runConfigShow(c, e) },
	}
}

func runConfigShow(c *ucli.Context, e *env) error {
	e.json = c.Bool("json")
	dir, err := home(c)
	if err != nil {
		return err
	}
	h, err := relayhome.LoadSettings(dir, sources(c))
	if err != nil {
		return err
	}
	type setting struct {
		Value  any    `json:"value"`
		Origin string `json:"origin"`
	}
	all := map[string]setting{}
	for _, v := range h.Origins.All() {
		if v.Secret && v.Value != "" {
			v.Value = "***"
		}
		if e.json {
			all[v.Key] = setting{v.Value, v.Origin}
			continue
		}
		origin := ""
		if c.Bool("origin") {
			origin = "  # " + v.Origin
		}
		if err := print(e, "%s = %s%s\n", v.Key, toml(v.Value), origin); err != nil {
			return err
		}
	}
	if e.json {
		return printJSON(e, map[string]any{"v": 1, "settings": all})
	}
	return nil
}

// toml writes a value as it stands in a file.
func toml(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("%q", v)
	case []string:
		quoted := make([]string, len(v))
		for i := range v {
			quoted[i] = fmt.Sprintf("%q", v[i])
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	return fmt.Sprint(v)
}

func configTestCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:               "test",
		Usage:              "tell whether serve would find its settings, keys and users good",
		CustomHelpTemplate: cli.Help([]string{"relayctl smp config test", "relayctl smp config test --home ./R && kill -USR2 $(pidof relayctl)"}, readCodes...),
		Flags:              serveFlags(),
		Action: func(c *ucli.Context) error {
			h, err := load(c)
			if err == nil {
				_, err = h.Users()
			}
			if err == nil {
				_, err = h.BlockList()
			}
			if err == nil {
				_, err = logger(c, e)
			}
			if err != nil {
				return err
			}
			return print(e, "The settings are good.\n")
		},
	}
}

func configDescribeCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:               "describe",
		Usage:              "print a settings file with all settings and what they are for",
		CustomHelpTemplate: cli.Help([]string{"relayctl smp config describe > /etc/simplexkit/relayctl.toml"}, exit.Done, exit.Usage),
		Action: func(c *ucli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			text, err := relayhome.Describe()
			if err != nil {
				return exit.Errorf(exit.Software, "%w", err)
			}
			return print(e, "%s", text)
		},
	}
}
