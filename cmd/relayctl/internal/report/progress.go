package report

import (
	"fmt"
	"io"
	"time"
)

// Progress shows how far long work is: on a terminal in a line that changes,
// from the first second on; elsewhere in a line each half minute.
type Progress struct {
	w        io.Writer
	terminal bool
	now      func() time.Time
	next     time.Time
	drawn    bool
}

// NewProgress begins. w is standard error.
func NewProgress(w io.Writer, terminal bool) *Progress {
	p := &Progress{w: w, terminal: terminal, now: time.Now}
	p.next = p.now().Add(p.first())
	return p
}

const rarely = 30 * time.Second

func (p *Progress) first() time.Duration {
	if p.terminal {
		return time.Second
	}
	return rarely
}

// Tell says how far it is, if it is time for that.
func (p *Progress) Tell(format string, args ...any) {
	now := p.now()
	if now.Before(p.next) {
		return
	}
	text := fmt.Sprintf(format, args...)
	if p.terminal {
		p.drawn, p.next = true, now.Add(time.Second/5)
		fmt.Fprintf(p.w, "\r\x1b[K%s", text)
		return
	}
	p.next = now.Add(rarely)
	fmt.Fprintln(p.w, text)
}

// End takes the line of a terminal away.
func (p *Progress) End() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}
