package main

import (
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/cmd/relayctl/internal/doctor"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp/relayadmin"
	"github.com/simplexkit/simplexkit/lib/smp/relaycheck"
)

func doctorCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "doctor",
		Usage: "look for what is wrong with the relay, or soon will be",
		Description: "Looks from this machine at the disk, the store, the certificate, the process and how\n" +
			"many files it may open, the port and the names of the address. It changes nothing. Exit\n" +
			"codes are those of the Monitoring Plugins: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. What\n" +
			"clients see from elsewhere tells relayctl smp check.",
		CustomHelpTemplate: cli.Help([]string{"relayctl smp doctor", "relayctl smp doctor --json"}),
		Flags:              []ucli.Flag{homeFlag, configFlag, jsonFlag},
		Action: func(c *ucli.Context) error {
			h, err := load(c)
			if err != nil {
				return &exit.Error{Code: exit.Critical, Err: err, Hint: exit.Hint(err)}
			}
			return printFindings(e, doctor.Look(c.Context, h), c.Bool("json"))
		},
	}
}

func printFindings(e *env, all []doctor.Finding, asJSON bool) error {
	type finding struct {
		Name  string `json:"name"`
		State string `json:"state"`
		Text  string `json:"text"`
		Hint  string `json:"hint,omitempty"`
	}
	worst := doctor.Worst(all)
	out := struct {
		V     int       `json:"v"`
		State string    `json:"state"`
		Found []finding `json:"found"`
	}{V: 1, State: worst.String()}
	for _, f := range all {
		f.Text = strings.ReplaceAll(f.Text, "\n", "; ")
		out.Found = append(out.Found, finding{f.Name, f.State.String(), f.Text, f.Hint})
		if asJSON {
			continue
		}
		if err := print(e, "%-8s %s: %s\n", f.State, f.Name, f.Text); err != nil {
			return err
		}
		if f.Hint != "" {
			if err := print(e, "         hint: %s\n", f.Hint); err != nil {
				return err
			}
		}
	}
	if asJSON {
		if err := printJSON(e, out); err != nil {
			return err
		}
	}
	if worst != relaycheck.OK {
		return &cli.Reported{Code: int(worst)}
	}
	return nil
}

func healthcheckCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "healthcheck",
		Usage: "end with 0 if the relay runs and its store answers, else with 1",
		Description: "For containers: HEALTHCHECK CMD relayctl smp healthcheck. It says nothing if all is\n" +
			"well.",
		CustomHelpTemplate: cli.Help([]string{"relayctl smp healthcheck"}, exit.Done, exit.Failed),
		Flags:              []ucli.Flag{homeFlag},
		Action: func(c *ucli.Context) error {
			dir, err := home(c)
			if err == nil {
				err = relayadmin.Call(c.Context, dir, "info", "", "", new(relayadmin.Info))
			}
			if err != nil {
				return &exit.Error{Code: exit.Failed, Err: err}
			}
			return nil
		},
	}
}
