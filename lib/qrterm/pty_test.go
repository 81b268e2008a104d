//go:build linux

package qrterm

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A terminal is the other end of a pseudo terminal: it keeps what it is sent
// and answers questions.
type terminal struct {
	master, tty *os.File
	answers     map[string]string
	mu          sync.Mutex
	got         []byte // guarded by mu
	end         chan struct{}
}

func newTerminal(t *testing.T, cols, rows int, answers map[string]string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(rows), Col: uint16(cols)}); err != nil {
		t.Fatal(err)
	}
	term := &terminal{master: master, tty: tty, answers: answers, end: make(chan struct{})}
	go term.run()
	t.Cleanup(func() { term.close() })
	return term
}

func (p *terminal) run() {
	defer close(p.end)
	asked := map[string]bool{}
	for buf := make([]byte, 4096); ; {
		n, err := p.master.Read(buf)
		if err != nil {
			return // the other end is closed
		}
		p.mu.Lock()
		p.got = append(p.got, buf[:n]...)
		got := string(p.got)
		p.mu.Unlock()
		for _, q := range inOrder(got, p.answers) {
			if !asked[q] {
				asked[q] = true
				_, _ = p.master.WriteString(p.answers[q])
			}
		}
	}
}

// inOrder are the questions in what came, as they were asked.
func inOrder(got string, answers map[string]string) (qs []string) {
	for q := range answers {
		if strings.Contains(got, q) {
			qs = append(qs, q)
		}
	}
	slices.SortFunc(qs, func(a, b string) int { return strings.Index(got, a) - strings.Index(got, b) })
	return qs
}

// close ends the terminal, and gives all that it was sent.
func (p *terminal) close() []byte {
	p.tty.Close()
	<-p.end
	p.master.Close()
	// The kernel writes CR LF for LF.
	return bytes.ReplaceAll(p.got, []byte("\r\n"), []byte("\n"))
}

const device = "\x1b[?62;22c"

var ptyCases = []struct {
	name       string
	cols, rows int
	env        map[string]string
	answers    map[string]string
	want       Mode
}{
	{"large", 120, 60, nil, nil, Half},
	{"just large enough", 89, 46, nil, nil, Half},
	{"a row too few", 89, 45, nil, map[string]string{askDevice: device}, PNG},
	{"a column too few", 88, 46, nil, map[string]string{askDevice: device}, PNG},
	{"kitty", 80, 24, nil, map[string]string{askKitty: "\x1b_Gi=31;OK\x1b\\", askCell: "\x1b[6;20;10t", askDevice: device}, Kitty},
	{"kitty in tmux", 80, 40, map[string]string{"TMUX": "/tmp/tmux,1,0", "TERM": "tmux-256color"},
		map[string]string{passthrough(askKitty): "\x1b_Gi=31;OK\x1b\\", askDevice: "\x1b[?1;2c"}, Kitty},
	{"sixel", 80, 24, nil, map[string]string{askCell: "\x1b[6;20;10t", askDevice: "\x1b[?62;4;22c"}, Sixel},
	{"wezterm", 80, 24, nil, map[string]string{askVersion: "\x1bP>|WezTerm 2024\x1b\\", askCell: "\x1b[6;20;10t", askDevice: device}, ITerm},
	{"iterm", 80, 24, nil, map[string]string{askITerm: "\x1b[ITERM2 3.5.0n", askDevice: device}, ITerm},
	{"old iterm", 80, 24, map[string]string{"TERM_PROGRAM": "iTerm.app"}, map[string]string{askDevice: device}, ITerm},
	{"a variable of another terminal", 80, 24, map[string]string{"TERM_PROGRAM": "iTerm.app"}, nil, PNG},
	{"text only", 80, 24, nil, map[string]string{askDevice: device}, PNG},
	{"silent", 80, 24, nil, nil, PNG},
	{"pictures of too few pixels", 80, 10, nil, map[string]string{askCell: "\x1b[6;16;8t", askDevice: "\x1b[?62;4c"}, PNG},
	{"not measured", 0, 0, nil, map[string]string{askDevice: "\x1b[?62;4c"}, PNG},
	{"dumb", 120, 60, map[string]string{"TERM": "dumb"}, nil, PNG},
}

func TestTerminals(t *testing.T) {
	link := links()["longest"]
	link = link[:630] // of a remote control session
	for _, c := range ptyCases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			env := func(k string) string {
				if k == "XDG_RUNTIME_DIR" {
					return dir
				}
				return c.env[k]
			}
			term := newTerminal(t, c.cols, c.rows, c.answers)
			before, err := unix.IoctlGetTermios(int(term.tty.Fd()), getTermios)
			if err != nil {
				t.Fatal(err)
			}
			s := On(term.tty)
			s.Env = env
			if len(c.answers) == 0 {
				s.Wait = 300 * time.Millisecond // nothing will come
			} else {
				s.Wait = 30 * time.Second
			}
			shown, err := s.Show(link)
			if err != nil || shown.Mode != c.want {
				t.Fatalf("%+v, %v", shown, err)
			}
			after, err := unix.IoctlGetTermios(int(term.tty.Fd()), getTermios)
			if err != nil || *after != *before {
				t.Errorf("the terminal was left as %+v, %v", after, err)
			}
			if shown.Cols != 89 || shown.Rows != 46 {
				t.Errorf("needs %d x %d", shown.Cols, shown.Rows)
			}
			out := term.close()
			if c.want == PNG {
				checkFallback(t, out, shown, link, env("TERM") != "dumb")
				return
			}
			these := themes
			if c.want != Half { // pictures bring their colours
				these = themes[:1]
			}
			for _, th := range these {
				r := newRenderer(t, th, c.cols, c.rows, 10, 20)
				r.write(out)
				if got, err := scan(r.img); got != link {
					t.Errorf("%s: read %.40q, %v", th.name, got, err)
				}
				if r.row >= c.rows {
					t.Errorf("%d rows in a window of %d", r.row, c.rows)
				}
			}
		})
	}
}

func checkFallback(t *testing.T, out []byte, shown Shown, link string, copies bool) {
	t.Helper()
	text := string(out)
	if strings.ContainsAny(text, "█▀▄") || !strings.Contains(text, "Link: "+link+"\n") || !strings.Contains(text, shown.Path) {
		t.Errorf("printed %q", text)
	}
	osc := "\x1b]52;c;" + base64.StdEncoding.EncodeToString([]byte(link)) + "\a"
	if copies != strings.Contains(text, osc) {
		t.Errorf("clipboard: %q", text)
	}
	if copies { // as it is made where nothing is copied
		checkPicture(t, shown.Path, link)
	}
}

// What is typed ahead does not end up as an answer, nor ends the asking.
func TestTypingIsNoAnswer(t *testing.T) {
	term := newTerminal(t, 80, 24, map[string]string{askDevice: "ls\r\x1b[A\x1b[6;20;10t" + "\x1b[?62;4c"})
	s := On(term.tty)
	s.Env, s.Wait = func(string) string { return "" }, 30*time.Second
	shown, err := s.Show(links()["longest"][:630])
	if err != nil || shown.Mode != Sixel {
		t.Fatalf("%+v, %v", shown, err)
	}
}
