package main

import (
	_ "embed"
	"os"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/exit"
)

var (
	//go:embed unit/simplexd.service
	userUnit string
	//go:embed unit/simplexd@.service
	templateUnit string
)

func unitCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "print-unit",
		Usage: "print a unit for systemd that runs the daemon",
		Description: "The unit is for a user's default profile; with --template it is for the system,\n" +
			"with a profile and a system user of its own for each instance.",
		CustomHelpTemplate: cli.Help([]string{
			"simplexd print-unit >~/.config/systemd/user/simplexd.service",
			"simplexd print-unit --template >/etc/systemd/system/simplexd@.service",
		}, exit.Done, exit.Usage, exit.IOErr),
		Flags: []ucli.Flag{
			&ucli.BoolFlag{Name: "template", Usage: "the template simplexd@.service for the system", EnvVars: []string{"SIMPLEXD_TEMPLATE"}},
		},
		Action: func(c *ucli.Context) error {
			if c.NArg() != 0 {
				return exit.Errorf(exit.Usage, "print-unit takes no arguments")
			}
			unit := userUnit
			if c.Bool("template") {
				unit = templateUnit
			}
			return e.write([]byte(strings.ReplaceAll(unit, "EXEC", program())))
		},
	}
}

// program is how units name this program.
func program() string {
	if exe, err := os.Executable(); err == nil {
		return exe
	}
	return "/usr/bin/simplexd"
}
