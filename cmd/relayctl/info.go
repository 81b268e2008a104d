package main

import (
	"encoding/json"

	"github.com/mdp/qrterminal/v3"
	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
)

var readCodes = []int{exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.IOErr, exit.NoPerm, exit.Config}

func addressCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:               "address",
		Usage:              "print the relay's address",
		CustomHelpTemplate: cli.Help([]string{"relayctl smp address", "relayctl smp address --qr"}, readCodes...),
		Flags: []ucli.Flag{
			homeFlag,
			&ucli.BoolFlag{Name: "qr", Usage: "also as a QR code, on standard error"},
		},
		Action: func(c *ucli.Context) error {
			h, err := load(c)
			if err != nil {
				return err
			}
			if c.Bool("qr") {
				qrterminal.GenerateHalfBlock(h.Address().String(), qrterminal.L, e.stderr)
			}
			return print(e, "%s\n", h.Address())
		},
	}
}

func load(c *ucli.Context) (*relayhome.Home, error) {
	dir, err := home(c)
	if err != nil {
		return nil, err
	}
	return relayhome.Load(dir)
}

// info is the JSON of relayctl smp info.
type info struct {
	V           int    `json:"v"`
	Address     string `json:"address"`
	Fingerprint string `json:"fingerprint"`
	Listen      string `json:"listen"`
	Queues      int64  `json:"queues"`
	Messages    int64  `json:"messages"`
}

func infoCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:               "info",
		Usage:              "tell the relay's address and how much it holds",
		CustomHelpTemplate: cli.Help([]string{"relayctl smp info", "relayctl smp info --json"}, readCodes...),
		Flags: []ucli.Flag{
			homeFlag,
			&ucli.BoolFlag{Name: "json", Usage: "as a JSON object", EnvVars: []string{"RELAYCTL_JSON"}},
		},
		Action: func(c *ucli.Context) error {
			e.json = c.Bool("json")
			h, err := load(c)
			if err != nil {
				return err
			}
			n, err := h.Counts(c.Context)
			if err != nil {
				return err
			}
			i := info{1, h.Address().String(), h.Fingerprint().String(), h.Settings.ListenAddr(), n.Queues, n.Messages}
			if e.json {
				b, err := json.Marshal(i)
				if err != nil {
					return err
				}
				return print(e, "%s\n", b)
			}
			return print(e, "address:     %s\nfingerprint: %s\nlisten:      %s\nqueues:      %d\nmessages:    %d\n",
				i.Address, i.Fingerprint, i.Listen, i.Queues, i.Messages)
		},
	}
}
