package cli

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// completionFlag asks for completions; it stays where it is, at the end.
const completionFlag = "--generate-bash-completion"

// Permute puts args in the order the flag parser wants: the program's flags,
// the command, the command's flags, "--", the rest. Flags may so stand
// anywhere before a "--", those of the program also after the command. Flags
// that nobody knows stay with the command, for its parser to refuse.
func Permute(app *cli.App, args []string) []string {
	if len(args) < 2 || args[len(args)-1] == completionFlag {
		return args
	}
	var global, local, rest []string
	var command *cli.Command
	name := ""
	for i := 1; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			if name != "" {
				rest = append(rest, arg)
				continue
			}
			name, command = arg, app.Command(arg)
			if command != nil && len(command.Subcommands) > 0 {
				// A command of commands orders its own.
				return append(append(append([]string{args[0]}, global...), name), args[i+1:]...)
			}
			continue
		}
		words := 1
		known, takesValue, isGlobal := lookupFlag(app, command, arg)
		if known && takesValue && !strings.Contains(arg, "=") && i+1 < len(args) {
			words = 2
		}
		if isGlobal || name == "" {
			global = append(global, args[i:i+words]...)
		} else {
			local = append(local, args[i:i+words]...)
		}
		i += words - 1
	}
	out := append([]string{args[0]}, global...)
	if name == "" {
		return append(out, rest...)
	}
	out = append(append(out, name), local...)
	if len(rest) > 0 {
		out = append(append(out, "--"), rest...)
	}
	return out
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
