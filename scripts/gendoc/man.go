package main

import (
	"fmt"
	"regexp"
	"strings"
)

// help is what --help says of a program or a command.
type help struct {
	usage    string
	summary  string // the first paragraph after the usage
	text     []string
	sections map[string][]string // by heading, without indentation
}

// headings end in a colon and stand alone in a line.
var headings = regexp.MustCompile(`^(Examples|Commands|Flags|Exit codes|Global flags):$`)

func parse(text string) help {
	h := help{sections: map[string][]string{}}
	section := ""
	for _, line := range strings.Split(text, "\n") {
		switch {
		case headings.MatchString(line):
			section = strings.TrimSuffix(line, ":")
		case strings.HasPrefix(line, "Usage: "):
			h.usage, section = strings.TrimPrefix(line, "Usage: "), ""
		case section != "" && strings.HasPrefix(line, "  "):
			h.sections[section] = append(h.sections[section], strings.TrimPrefix(line, "  "))
		case strings.HasSuffix(line, " COMMAND --help shows a command's flags and exit codes."):
		case section != "" && line != "":
			section = ""
			h.text = append(h.text, line)
		default:
			h.text = append(h.text, line)
		}
	}
	h.text = strings.Split(strings.Trim(strings.Join(h.text, "\n"), "\n"), "\n")
	h.summary = h.text[0]
	h.text = strings.Split(strings.Trim(strings.Join(h.text[1:], "\n"), "\n"), "\n")
	return h
}

// commands are the names listed, but for help.
func (h help) commands() []string {
	var out []string
	for _, line := range h.sections["Commands"] {
		if name := strings.Fields(line)[0]; name != "help" {
			out = append(out, strings.TrimSuffix(name, ","))
		}
	}
	return out
}

// manual is the man page of a program.
func manual(ask func(args ...string) (string, error), program string) ([]byte, error) {
	text, err := ask()
	if err != nil {
		return nil, err
	}
	top := parse(text)
	p := &page{}
	p.line(".\\\" Written by scripts/gendoc from what the program says with --help.")
	p.line(`.TH %s 1 "" simplexkit "simplexkit manual"`, strings.ToUpper(program))
	p.line(".SH NAME")
	p.text(program + " - " + top.summary)
	p.line(".SH SYNOPSIS")
	p.text(top.usage)
	if len(top.text) > 0 && top.text[0] != "" {
		p.line(".SH DESCRIPTION")
		p.paragraphs(top.text)
	}
	if flags := top.sections["Flags"]; len(flags) > 0 {
		p.line(".SH FLAGS")
		p.items(flags)
	}
	p.line(".SH COMMANDS")
	if err := p.all(ask, program, nil, top); err != nil {
		return nil, err
	}
	p.line(".SH EXAMPLES")
	p.verbatim(top.sections["Examples"])
	p.line(".SH ENVIRONMENT")
	p.text("Flags take their values from the variables that stand in brackets beside them. A flag wins over its variable.")
	return p.b, nil
}

// page is a man page as it grows.
type page struct{ b []byte }

func (p *page) line(format string, args ...any) {
	p.b = fmt.Appendf(p.b, format+"\n", args...)
}

// all writes the commands below one.
func (p *page) all(ask func(args ...string) (string, error), program string, path []string, h help) error {
	for _, name := range h.commands() {
		below := append(path[:len(path):len(path)], name)
		text, err := ask(below...)
		if err != nil {
			return err
		}
		sub := parse(text)
		if len(sub.commands()) > 0 {
			if err := p.all(ask, program, below, sub); err != nil {
				return err
			}
			continue
		}
		p.command(program, below, sub)
	}
	return nil
}

func (p *page) command(program string, path []string, h help) {
	p.line(".SS %s", escape(program+" "+strings.Join(path, " ")))
	p.text(strings.ToUpper(h.summary[:1]) + h.summary[1:] + ".")
	p.line(".PP")
	p.verbatim([]string{h.usage})
	p.paragraphs(h.text)
	if flags := h.sections["Flags"]; len(flags) > 0 {
		p.line(".PP\nFlags:")
		p.items(flags)
	}
	if codes := h.sections["Exit codes"]; len(codes) > 0 {
		p.line(".PP\nExit codes:")
		p.items(codes)
	}
	if examples := h.sections["Examples"]; len(examples) > 0 {
		p.line(".PP\nExamples:")
		p.verbatim(examples)
	}
}

// paragraphs keeps lines that are indented as they are.
func (p *page) paragraphs(lines []string) {
	var fixed []string
	fresh := true
	flush := func() {
		if len(fixed) > 0 {
			p.verbatim(fixed)
			fixed = nil
		}
	}
	for _, l := range lines {
		switch {
		case strings.HasPrefix(l, "  "):
			fixed = append(fixed, strings.TrimSpace(l))
			continue
		case strings.TrimSpace(l) == "":
			flush()
			fresh = true
			continue
		}
		flush()
		if fresh {
			p.line(".PP")
			fresh = false
		}
		p.text(l)
	}
	flush()
}

var gap = regexp.MustCompile(`^\s*(\S(?:.*?\S)?)\s{2,}(\S.*)$`)

// items are lines of a name and what it is.
func (p *page) items(lines []string) {
	for _, l := range lines {
		if m := gap.FindStringSubmatch(l); m != nil {
			p.line(".TP\n.B %s", escape(m[1]))
			p.text(m[2])
		} else if l = strings.TrimSpace(l); l != "" {
			p.line(".TP\n.B %s\n\\&", escape(l))
		}
	}
}

func (p *page) verbatim(lines []string) {
	p.line(".RS 4\n.nf")
	for _, l := range lines {
		p.text(l)
	}
	p.line(".fi\n.RE")
}

func (p *page) text(s string) { p.line("%s", escape(s)) }

// escape keeps roff from reading text as requests.
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "…", "...").Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
