package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/qrterm"
	"github.com/simplexkit/simplexkit/lib/smp/relayadmin"
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
			if err := print(e, "%s\n", h.Address()); err != nil || !c.Bool("qr") {
				return err
			}
			_, err = qrterm.On(e.stderr).Show(h.Address().String())
			return err
		},
	}
}

func load(c *ucli.Context) (*relayhome.Home, error) {
	dir, err := home(c)
	if err != nil {
		return nil, err
	}
	return relayhome.LoadFrom(dir, sources(c))
}

// info is the JSON of relayctl smp info.
type info struct {
	V           int        `json:"v"`
	Address     string     `json:"address"`
	Fingerprint string     `json:"fingerprint"`
	Listen      string     `json:"listen"`
	Queues      int64      `json:"queues"`
	Messages    int64      `json:"messages"`
	Running     bool       `json:"running"`
	PID         int        `json:"pid,omitempty"`     // of the relay that runs
	Version     string     `json:"version,omitempty"` // of its program
	Started     *time.Time `json:"started,omitempty"`
	CertExpires time.Time  `json:"certExpires"` // the online certificate
	CAKeyHere   bool       `json:"caKeyHere"`   // the offline key lies in the home
}

func infoCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:               "info",
		Usage:              "tell the relay's address, how much it holds, and whether it runs",
		CustomHelpTemplate: cli.Help([]string{"relayctl smp info", "relayctl smp info --json"}, readCodes...),
		Flags:              []ucli.Flag{homeFlag, configFlag, jsonFlag},
		Action:             func(c *ucli.Context) error { return runInfo(c, e) },
	}
}

func runInfo(c *ucli.Context, e *env) error {
	e.json = c.Bool("json")
	h, err := load(c)
	if err != nil {
		return err
	}
	i := info{V: 1, Address: h.Address().String(), Fingerprint: h.Fingerprint().String(), Listen: h.Settings.ListenAddr()}
	cert, err := h.Cert()
	if err != nil {
		return err
	}
	i.CertExpires, i.CAKeyHere = cert.NotAfter, cert.CAKeyHere
	var live relayadmin.Info
	err = relayadmin.Call(c.Context, h.Dir, "info", "", "", &live)
	switch {
	case err == nil:
		i.Running, i.PID, i.Version, i.Started = true, live.PID, live.Version, &live.Started
		i.Listen, i.Queues, i.Messages = live.Listen, live.Queues, live.Messages
	case errors.Is(err, relayadmin.ErrNotRunning):
		n, err := h.Counts(c.Context)
		if err != nil {
			return err
		}
		i.Queues, i.Messages = n.Queues, n.Messages
	default:
		return err
	}
	if e.json {
		return printJSON(e, i)
	}
	state := "no"
	if i.Running {
		state = fmt.Sprintf("yes, process %d, since %s", i.PID, i.Started.UTC().Format(time.RFC3339))
	}
	return print(e, "address:     %s\nfingerprint: %s\nlisten:      %s\nrunning:     %s\ncertificate: until %s\nqueues:      %d\nmessages:    %d\n",
		i.Address, i.Fingerprint, i.Listen, state, i.CertExpires.UTC().Format(time.DateOnly), i.Queues, i.Messages)
}

func printJSON(e *env, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return print(e, "%s\n", b)
}

var jsonFlag = &ucli.BoolFlag{Name: "json", Usage: "as a JSON object", EnvVars: []string{"RELAYCTL_JSON"}}
