package qrterm

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"
	"rsc.io/qr"
)

// ErrMode is returned for a mode that there is not.
var ErrMode = errors.New("qrterm: modes are auto, half, full, kitty, iterm, sixel, png, png:FILE and none")

// ErrTooLong is returned for a link that no QR code holds: of more than some
// 2,900 bytes.
var ErrTooLong = errors.New("qrterm: link too long for a QR code")

// Mode is a way to show a code; see the package comment.
type Mode string

// The modes.
const (
	Auto  Mode = "auto"
	Half  Mode = "half"
	Full  Mode = "full"
	Kitty Mode = "kitty"
	ITerm Mode = "iterm"
	Sixel Mode = "sixel"
	PNG   Mode = "png"
	None  Mode = "none"
)

// ParseMode reads a mode as people write it; empty is [Auto]. "png:FILE" also
// names the file, which must not exist. The error is [ErrMode].
func ParseMode(s string) (m Mode, file string, err error) {
	if f, ok := strings.CutPrefix(s, "png:"); ok && f != "" {
		return PNG, f, nil
	}
	switch m = Mode(s); m {
	case "":
		return Auto, "", nil
	case Auto, Half, Full, Kitty, ITerm, Sixel, PNG, None:
		return m, "", nil
	}
	return "", "", ErrMode
}

// Screen is where codes are shown. Only Out must be set.
type Screen struct {
	Out io.Writer
	// TTY is the terminal behind Out: it is measured and asked. nil if Out is
	// none, and then only codes of at most 80 columns are drawn.
	TTY *os.File
	// Env is os.Getenv, or a test's.
	Env func(string) string
	// Mode is what was asked for; empty is [Auto]. A mode other than Auto is
	// obeyed also where the code may not fit.
	Mode Mode
	// File is the path for [PNG]; empty is a new file in the directory of the
	// session, or else that of temporary files.
	File string
	// Wait is how long the terminal may take to answer; 0 is a second.
	Wait time.Duration
}

// On is the screen behind w, which may be a terminal or not.
func On(w io.Writer) *Screen {
	s := &Screen{Out: w, Env: os.Getenv}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		s.TTY = f
	}
	return s
}

// Shown is what became of a code.
type Shown struct {
	Mode   Mode   // how it was shown
	Path   string // of the file, with PNG
	Copied bool   // the terminal was asked to put the link on the clipboard
	// Cols and Rows are the smallest window for half blocks, for a caller that
	// wants to draw again when the window has grown.
	Cols, Rows int
}

// Show shows a link. The errors are [ErrTooLong], [ErrMode], those of Out and
// of the file. Input that is typed while the terminal is asked is lost.
func (s *Screen) Show(link string) (Shown, error) {
	mode := s.Mode
	if mode == "" {
		mode = Auto
	}
	if mode == None {
		return Shown{Mode: None}, nil
	}
	code, err := qr.Encode(link, qr.L)
	if err != nil {
		return Shown{}, fmt.Errorf("%w: %d bytes", ErrTooLong, len(link))
	}
	w := s.window()
	if mode == Auto {
		mode = s.choose(code.Size, &w)
	}
	d := drawing{code: code, link: link, win: w, tmux: s.env("TMUX") != ""}
	shown := Shown{Mode: mode, Cols: code.Size + 2*minQuiet, Rows: halfRows(code.Size, minQuiet) + 1}
	switch mode {
	case Half:
		_, err = s.Out.Write(d.half(s.paint()))
	case Full:
		_, err = s.Out.Write(d.full(s.paint()))
	case Kitty:
		_, err = s.Out.Write(d.kitty())
	case ITerm:
		_, err = s.Out.Write(d.iterm())
	case Sixel:
		_, err = s.Out.Write(d.sixel())
	case PNG:
		return s.file(d, shown)
	default:
		return Shown{}, ErrMode
	}
	if err != nil {
		return Shown{}, fmt.Errorf("qrterm: draw: %w", err)
	}
	return shown, nil
}

// choose is the mode for a code of size modules. It asks the terminal only if
// it must, and notes in w what that said of itself.
func (s *Screen) choose(size int, w *window) Mode {
	if s.env("TERM") == "dumb" {
		return PNG
	}
	if s.utf8() && w.holds(size+2*minQuiet, halfRows(size, minQuiet)) {
		return Half
	}
	if w.holds(2*(size+2*minQuiet), size+2*minQuiet) {
		return Full
	}
	if s.TTY == nil {
		return PNG
	}
	a := s.ask()
	w.cellW, w.cellH = a.cellW, a.cellH
	m := a.best()
	if m == "" || !w.legible(size) {
		return PNG
	}
	return m
}

// file makes the picture, and says where it is and what to do.
func (s *Screen) file(d drawing, shown Shown) (Shown, error) {
	path, err := s.writePNG(d)
	if err != nil {
		return Shown{}, err
	}
	shown.Path = path
	var b strings.Builder
	if s.TTY != nil {
		if s.Mode != PNG {
			fmt.Fprintf(&b, "The QR code needs a window of %d columns and %d rows, or smaller letters; this one has %d and %d.\n",
				shown.Cols, shown.Rows, d.win.cols, d.win.rows)
		}
		if seq := s.copySequence(d.link); seq != "" {
			b.WriteString(seq + "The link is on the clipboard, if the terminal lets programs do that.\n")
			shown.Copied = true
		}
	}
	fmt.Fprintf(&b, "Link: %s\nQR code as a picture, which only you can read: %s\n", d.link, path)
	if _, err := io.WriteString(s.Out, b.String()); err != nil {
		return Shown{}, fmt.Errorf("qrterm: draw: %w", err)
	}
	return shown, nil
}

// copySequence asks the terminal to put the link on the clipboard. tmux takes
// it for itself or hands it on, as it is set up.
func (s *Screen) copySequence(link string) string {
	seq := "\x1b]52;c;" + base64.StdEncoding.EncodeToString([]byte(link)) + "\a"
	switch {
	case s.env("TERM") == "dumb" || s.env("TERM") == "linux":
		return ""
	case s.env("TMUX") != "":
		return seq + passthrough(seq)
	case s.env("STY") != "":
		return "\x1bP" + seq + "\x1b\\"
	}
	return seq
}

// passthrough wraps what tmux is to hand to the terminal it runs in.
func passthrough(seq string) string {
	return "\x1bPtmux;" + strings.ReplaceAll(seq, "\x1b", "\x1b\x1b") + "\x1b\\"
}

func (s *Screen) env(name string) string {
	if s.Env == nil {
		return ""
	}
	return s.Env(name)
}

// utf8 tells whether the locale can show block elements. Without a locale we
// believe it: containers set none, and terminals without UTF-8 are rare.
func (s *Screen) utf8() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(s.env(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return true
}

// paint is the sequence for black on white. The colours of the cube are the
// same in all themes, the first sixteen are not.
func (s *Screen) paint() string {
	t := s.env("TERM")
	for _, known := range []string{"256color", "kitty", "ghostty", "foot", "alacritty", "wezterm"} {
		if strings.Contains(t, known) {
			return "\x1b[38;5;16;48;5;231m"
		}
	}
	if s.env("COLORTERM") != "" {
		return "\x1b[38;5;16;48;5;231m"
	}
	return "\x1b[30;47m"
}

// A window is what a code must fit in. A size of zero is unknown.
type window struct {
	cols, rows   int
	cellW, cellH int // pixels
}

// unlimited rows are those of what is no terminal: it scrolls.
const unlimited = 1 << 20

func (s *Screen) window() window {
	if s.TTY == nil {
		return window{cols: 80, rows: unlimited}
	}
	cols, rows, err := term.GetSize(int(s.TTY.Fd()))
	if err != nil || cols <= 0 || rows <= 0 {
		cols, rows = s.number("COLUMNS"), s.number("LINES")
	}
	return window{cols: cols, rows: rows}
}

func (s *Screen) number(name string) int {
	n, err := strconv.Atoi(s.env(name))
	if err != nil || n < 0 || n > unlimited {
		return 0
	}
	return n
}

// holds tells whether the window shows so much at once, with a row left for the
// cursor.
func (w window) holds(cols, rows int) bool { return cols <= w.cols && rows+1 <= w.rows }
