package cli

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// completionFlag asks for completions; it stays where it is, at the end.
const completionFlag = "--generate-bash-completion"

// Permute puts args in the order the flag parser wants: the program's flags,
// the command with its subcommands, the last one's flags, "--", the rest. Flags
// may so stand anywhere before a "--", those of the program also after the
// command. Flags that nobody knows stay with the command, for its parser to
// refuse.
func Permute(app *cli.App, args []string) []string {
	if len(args) < 2 || args[len(args)-1] == completionFlag {
		return args
	}
	var global, local, path, rest []string
	var command *cli.Command
	within, named := app.Commands, false // named: the last command has been found
	for i := 1; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			if named {
				rest = append(rest, arg)
				continue
			}
			path = append(path, arg)
			command = find(within, arg)
			if named = command == nil || len(command.Subcommands) == 0; !named {
				within = command.Subcommands
			}
			continue
		}
		words := 1
		known, takesValue, isGlobal := lookupFlag(app, command, arg)
		if known && takesValue && !strings.Contains(arg, "=") && i+1 < len(args) {
			words = 2
		}
		if isGlobal || len(path) == 0 {
			global = append(global, args[i:i+words]...)
		} else {
			local = append(local, args[i:i+words]...)
		}
		i += words - 1
	}
	out := append([]string{args[0]}, global...)
	if len(path) == 0 {
		return append(out, rest...)
	}
	out = append(append(out, path...), local...)
	if len(rest) > 0 {
		out = append(append(out, "--"), rest...)
	}
	return out
}

func find(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// lookupFlag finds the flag of arg among the command's and the program's.
func lookupFlag(app *cli.App, command *cli.Command, arg string) (known, takesValue, global bool) {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	find := func(flags []cli.Flag) bool {
		for _, f := range flags {
			if slices.Contains(f.Names(), name) {
				d, ok := f.(cli.DocGenerationFlag)
				takesValue = ok && d.TakesValue()
				return true
			}
		}
		return false
	}
	if command != nil && find(command.Flags) {
		return true, takesValue, false
	}
	if find(app.Flags) {
		return true, takesValue, true
	}
	return false, false, false
}
