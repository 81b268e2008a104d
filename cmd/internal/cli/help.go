package cli

import (
	"fmt"
	"strings"

	"github.com/simplexkit/simplexkit/lib/exit"
)

// Help is the template of a command's --help: examples first, exit codes last.
func Help(examples []string, codes ...int) string {
	var b strings.Builder
	b.WriteString("Examples:\n")
	for _, e := range examples {
		fmt.Fprintf(&b, "  %s\n", e)
	}
	b.WriteString(`
Usage: {{.HelpName}} [flags]{{if .ArgsUsage}} {{.ArgsUsage}}{{end}}

{{.Usage}}{{if .Description}}

{{.Description}}{{end}}{{if .VisibleFlags}}

Flags:
{{range .VisibleFlags}}  {{.}}
{{end}}{{end}}
Exit codes:
`)
	for _, c := range codes {
		fmt.Fprintf(&b, "  %3d  %s\n", c, meaning[c])
	}
	return b.String()
}

// meaning is what each code says to the one who ran a command.
var meaning = map[int]string{
	exit.Done:        "done",
	exit.Failed:      "failed, for a reason without a better code",
	exit.Usage:       "wrong flags or arguments",
	exit.DataErr:     "a link, an input line or the profile's database is not valid",
	exit.NoInput:     "a file to read is not there; no profile in this home",
	exit.NoUser:      "no such contact, or the queue is gone from the relay",
	exit.NoHost:      "the relay's name does not resolve",
	exit.Unavailable: "the relay or the daemon cannot be reached",
	exit.Software:    "a bug in the program",
	exit.OSErr:       "the system refused something, such as a port in use",
	exit.CantCreate:  "a file exists already or cannot be made",
	exit.IOErr:       "reading or writing failed: disk full, output closed",
	exit.TempFail:    "try again: profile in use, not confirmed in time, quota",
	exit.Protocol:    "the other side speaks no version that we do",
	exit.NoPerm:      "wrong fingerprint or password, or a file others may read",
	exit.Config:      "the settings are wrong",
	exit.SIGINT:      "stopped by SIGINT",
	exit.SIGTERM:     "stopped by SIGTERM",
}

// AppHelp is the template of a program's --help.
func AppHelp(examples []string) string {
	return "Examples:\n  " + strings.Join(examples, "\n  ") + `

Usage: {{.HelpName}} [flags] COMMAND [flags] [arguments]

{{.Usage}}{{if .Description}}

{{.Description}}{{end}}{{if .VisibleCommands}}

Commands:
{{range .VisibleCommands}}  {{printf "%-12s" .Name}} {{.Usage}}
{{end}}{{end}}{{if .VisibleFlags}}
Flags:
{{range .VisibleFlags}}  {{.}}
{{end}}{{end}}
{{.HelpName}} COMMAND --help shows a command's flags and exit codes.
`
}

// GroupHelp is the template of --help for a command of commands.
const GroupHelp = `Usage: {{.HelpName}} COMMAND [flags] [arguments]

{{.Usage}}{{if .Description}}

{{.Description}}{{end}}

Commands:
{{range .VisibleCommands}}  {{printf "%-14s" .Name}} {{.Usage}}
{{end}}
{{.HelpName}} COMMAND --help shows a command's flags and exit codes.
`
