package main

import (
	_ "embed"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/exit"
)

func completionCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:        "completion",
		Usage:       "print a shell's completion script",
		ArgsUsage:   "bash|zsh|fish|powershell",
		Description: "Load the script in the shell's start-up file.",
		CustomHelpTemplate: cli.Help([]string{
			"source <(simplexd completion bash)",
			"simplexd completion zsh >~/.zfunc/_simplexd",
			"simplexd completion fish >~/.config/fish/completions/simplexd.fish",
		}, exit.Done, exit.Usage, exit.IOErr),
		Action: func(c *ucli.Context) error {
			shell := c.Args().First()
			if c.NArg() != 1 {
				return exit.Errorf(exit.Usage, "completion takes the name of a shell: bash, zsh, fish or powershell")
			}
			script, err := completion(c.App, shell)
			if err != nil {
				return err
			}
			return e.write([]byte(script))
		},
	}
}

//go:embed completion.bash
var bashCompletion string

//go:embed completion.zsh
var zshCompletion string

//go:embed completion.ps1
var powershellCompletion string

// completion is the script for a shell. Those of bash, zsh and powershell ask
// the program itself what fits.
func completion(app *ucli.App, shell string) (string, error) {
	switch shell {
	case "bash":
		return bashCompletion, nil
	case "zsh":
		return zshCompletion, nil
	case "powershell":
		return powershellCompletion, nil
	case "fish":
		script, err := app.ToFishCompletion()
		return strings.TrimSuffix(script, "\n") + "\n", err
	}
	return "", exit.Errorf(exit.Usage, "completion %s: no such shell", shell).
		WithHint("shells are bash, zsh, fish and powershell")
}
