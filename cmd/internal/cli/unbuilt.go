package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/lib/exit"
)

// Unbuilt is a program of the suite whose commands this version does not have:
// it answers --help and --version, and anything else with [exit.Unavailable].
func Unbuilt(name, usage string) *cli.App {
	app := &cli.App{
		Name:    name,
		Usage:   usage,
		Version: Version(),
		Action: func(*cli.Context) error {
			return exit.Errorf(exit.Unavailable, "not built yet").
				WithHint("this version of %s only answers --help and --version", name)
		},
	}
	app.CustomAppHelpTemplate = AppHelp([]string{name + " --version"}) + fmt.Sprintf(`
Not built yet: every use but --help and --version ends with exit code %d.
`, exit.Unavailable)
	return app
}
