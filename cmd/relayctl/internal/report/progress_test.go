package report

import (
	"strings"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	for terminal, want := range map[bool]string{
		true:  "\r\x1b[K2 of 9\r\x1b[K3 of 9\r\x1b[K5 of 9\r\x1b[K",
		false: "5 of 9\n",
	} {
		var b strings.Builder
		p := NewProgress(&b, terminal)
		start := p.now()
		for i, after := range []time.Duration{0, time.Second / 2, time.Second + 10*time.Millisecond, 2 * time.Second, 2100 * time.Millisecond, 31 * time.Second} {
			p.now = func() time.Time { return start.Add(after + 10*time.Millisecond) }
			p.Tell("%d of 9", i)
		}
		p.End()
		p.End()
		if b.String() != want {
			t.Errorf("terminal %v: %q, want %q", terminal, b.String(), want)
		}
	}
}
