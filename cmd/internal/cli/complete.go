package cli

import (
	_ "embed"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/lib/exit"
)

//go:embed completion/script.bash
var bashScript string

//go:embed completion/script.zsh
var zshScript string

//go:embed completion/script.ps1
var powershellScript string

// CompletionCommand prints a shell's completion script for a program, which
// is asked by the script what fits.
func CompletionCommand(program string, w io.Writer) *cli.Command {
	return &cli.Command{
		Name:        "completion",
		Usage:       "print a shell's completion script",
		ArgsUsage:   "bash|zsh|fish|powershell",
		Description: "Load the script in the shell's start-up file.",
		CustomHelpTemplate: Help([]string{
			"source <(" + program + " completion bash)",
			program + " completion zsh >~/.zfunc/_" + program,
			program + " completion fish >~/.config/fish/completions/" + program + ".fish",
		}, exit.Done, exit.Usage, exit.IOErr),
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return exit.Errorf(exit.Usage, "completion takes the name of a shell: bash, zsh, fish or powershell")
			}
			text, err := completionScript(c.App, program, c.Args().First())
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(w, text)
			return exit.Wrap(exit.IOErr, err)
		},
	}
}

func completionScript(app *cli.App, program, shell string) (string, error) {
	text := ""
	switch shell {
	case "bash":
		text = bashScript
	case "zsh":
		text = zshScript
	case "powershell":
		text = powershellScript
	case "fish":
		script, err := app.ToFishCompletion()
		return strings.TrimSuffix(script, "\n") + "\n", err
	default:
		return "", exit.Errorf(exit.Usage, "completion %s: no such shell", shell).WithHint("shells are bash, zsh, fish and powershell")
	}
	return strings.ReplaceAll(text, "PROGRAM", program), nil
}
