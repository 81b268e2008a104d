package qrterm

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Questions for a terminal. All but the last may go unanswered; the last, its
// primary device attributes, every terminal answers, after the others.
const (
	askKitty   = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
	askITerm   = "\x1b[1337n"
	askVersion = "\x1b[>0q"
	askCell    = "\x1b[16t"
	askDevice  = "\x1b[c"
)

// longestAnswer bounds what is read.
const longestAnswer = 4096

// abilities are what a terminal has said of itself.
type abilities struct {
	kitty, iterm, sixel bool
	cellW, cellH        int
	device              bool // the last question is answered
}

// best is the mode to use, empty if there is none.
func (a abilities) best() Mode {
	switch {
	case a.kitty:
		return Kitty
	case a.iterm:
		return ITerm
	case a.sixel:
		return Sixel
	}
	return ""
}

var (
	kittyAnswer   = regexp.MustCompile(`\x1b_Gi=31;OK\x1b\\`)
	itermAnswer   = regexp.MustCompile(`\x1b\[ITERM2 [0-9.]+n`)
	versionAnswer = regexp.MustCompile(`\x1bP>\|([^\x1b]{0,100})\x1b\\`)
	cellAnswer    = regexp.MustCompile(`\x1b\[6;([0-9]{1,4});([0-9]{1,4})t`)
	deviceAnswer  = regexp.MustCompile(`\x1b\[\?([0-9;]*)c`)
)

// inlineImages are terminals with iTerm's images, by the names they give.
var inlineImages = []string{"iTerm2", "WezTerm", "mintty"}

// understand reads answers in any order and among other input. hint is
// TERM_PROGRAM, for terminals too old to tell their name.
func understand(b []byte, hint string) (a abilities) {
	a.kitty = kittyAnswer.Match(b)
	a.iterm = itermAnswer.Match(b)
	if m := versionAnswer.FindSubmatch(b); m != nil {
		a.iterm = a.iterm || slices.ContainsFunc(inlineImages, func(n string) bool { return bytes.HasPrefix(m[1], []byte(n)) })
	}
	if m := cellAnswer.FindSubmatch(b); m != nil {
		a.cellH, _ = strconv.Atoi(string(m[1]))
		a.cellW, _ = strconv.Atoi(string(m[2]))
	}
	if m := deviceAnswer.FindSubmatch(b); m != nil {
		a.device = true
		// The first parameter is the terminal's class, the others what it has.
		a.sixel = slices.Contains(strings.Split(string(m[1]), ";")[1:], "4")
		a.iterm = a.iterm || hint == "iTerm.app"
	}
	return a
}

// ask asks the terminal what it can show. Nothing is asked of terminals known
// to print such questions, nor from the background, where that would stop us.
func (s *Screen) ask() abilities {
	switch {
	case s.env("TERM") == "linux", s.env("TERM_PROGRAM") == "Apple_Terminal", s.env("STY") != "":
		return abilities{}
	}
	tty, closeTTY, err := openRaw(s.TTY)
	if err != nil {
		return abilities{}
	}
	defer closeTTY()
	tmux := s.env("TMUX") != ""
	questions := askKitty + askITerm + askVersion + askCell + askDevice
	hint := s.env("TERM_PROGRAM")
	if tmux {
		// tmux answers for itself, sooner than the terminal it runs in, whose
		// answers come as if they were typed.
		questions = passthrough(askKitty) + passthrough(askITerm) + askCell + askDevice
		hint = ""
	}
	if _, err := tty.Write([]byte(questions)); err != nil {
		return abilities{}
	}
	wait := s.Wait
	if wait == 0 {
		wait = time.Second
	}
	return listen(tty, time.Now().Add(wait), hint, tmux)
}

// tmuxWait is for the terminal behind tmux, after tmux has answered.
const tmuxWait = 250 * time.Millisecond

// reader gives up a read after some tenths of a second, with no bytes.
type reader interface{ Read([]byte) (int, error) }

func listen(r reader, deadline time.Time, hint string, tmux bool) (a abilities) {
	var got []byte
	var last time.Time // with tmux
	for buf := make([]byte, 512); len(got) < longestAnswer && time.Now().Before(deadline); {
		n, err := r.Read(buf)
		if n > 0 {
			got = append(got, buf[:n]...)
			a = understand(got, hint)
		}
		switch {
		case n <= 0 && err != nil && err != errNothing:
			return a
		case a.device && (!tmux || a.kitty || a.iterm):
			return a
		case a.device && last.IsZero():
			last = time.Now().Add(tmuxWait)
		case a.device && time.Now().After(last):
			return a
		}
	}
	return a
}
