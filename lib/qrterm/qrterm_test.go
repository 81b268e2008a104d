package qrterm

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rsc.io/qr"
)

func links() map[string]string {
	word := "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_"
	return map[string]string{
		"short":   "https://smp.example.org/i#" + word[:32] + "/" + word,
		"address": "simplex:/contact#/?v=2-7&smp=smp%3A%2F%2F" + strings.Repeat(word, 7),
		"longest": "xrcp:/" + strings.Repeat(word, 18) + "=",
	}
}

func drawingOf(t *testing.T, link string, w window, tmux bool) drawing {
	t.Helper()
	code, err := qr.Encode(link, qr.L)
	if err != nil {
		t.Fatal(err)
	}
	return drawing{code: code, link: link, win: w, tmux: tmux}
}

func TestEveryModeIsReadFromAScreenshot(t *testing.T) {
	for name, link := range links() {
		these := themes
		if name != "longest" { // the theme matters as it does to the longest
			these = themes[:1]
		}
		for _, th := range these {
			for mode, draw := range map[string]func(d drawing) []byte{
				"half":       func(d drawing) []byte { return d.half((&Screen{}).paint()) },
				"half cube":  func(d drawing) []byte { return d.half("\x1b[38;5;16;48;5;231m") },
				"full":       func(d drawing) []byte { return d.full((&Screen{}).paint()) },
				"kitty":      drawing.kitty,
				"kitty tmux": func(d drawing) []byte { d.tmux = true; return d.kitty() },
				"iterm":      drawing.iterm,
				"iterm tmux": func(d drawing) []byte { d.tmux = true; return d.iterm() },
				"sixel":      drawing.sixel,
			} {
				w := window{cols: 100, rows: 60, cellW: 4, cellH: 8}
				d := drawingOf(t, link, w, false)
				if strings.HasPrefix(mode, "full") {
					w = window{cols: 200, rows: 100, cellW: 2, cellH: 4}
				}
				r := newRenderer(t, th, w.cols, w.rows, w.cellW, w.cellH)
				r.write(draw(d))
				if got, err := scan(r.img); got != link {
					t.Errorf("%s, %s, %s: read %.40q, %v", name, th.name, mode, got, err)
				}
			}
		}
	}
}

// Without the size of a cell pictures are placed by cells, whose real size may
// be another than we think.
func TestPicturesFitWindowsOfUnknownCells(t *testing.T) {
	link := links()["longest"]
	for _, cell := range []image.Point{{7, 15}, {9, 20}} {
		for mode, draw := range map[string]func(d drawing) []byte{"kitty": drawing.kitty, "iterm": drawing.iterm, "sixel": drawing.sixel} {
			w := window{cols: 80, rows: 24}
			r := newRenderer(t, themes[0], w.cols, w.rows, cell.X, cell.Y)
			r.write(draw(drawingOf(t, link, w, false)))
			if got, err := scan(r.img); got != link {
				t.Errorf("%s, %v: read %.40q, %v", mode, cell, got, err)
			}
			if r.row >= w.rows {
				t.Errorf("%s, %v: %d rows", mode, cell, r.row)
			}
		}
	}
}

func TestBlocksStayInTheWindow(t *testing.T) {
	for name, link := range links() {
		size := drawingOf(t, link, window{}, false).code.Size
		for _, w := range []window{{cols: size + 4, rows: halfRows(size, 2) + 1}, {cols: size + 8, rows: halfRows(size, 4) + 1}, {cols: size + 8, rows: halfRows(size, 4)}} {
			out := string(drawingOf(t, link, w, false).half(""))
			lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
			if len(lines)+1 > w.rows {
				t.Errorf("%s: %d rows in a window of %d", name, len(lines), w.rows)
			}
			for _, l := range lines {
				l = strings.TrimSuffix(l, "\x1b[0m")
				if n := len([]rune(l)); n > w.cols || n != len([]rune(strings.TrimSuffix(lines[0], "\x1b[0m"))) {
					t.Errorf("%s: a line of %d in a window of %d", name, n, w.cols)
				}
			}
		}
	}
}

func TestWithoutATerminalBlocksOfEightyColumns(t *testing.T) {
	var b bytes.Buffer
	s := &Screen{Out: &b, Env: func(string) string { return "" }}
	shown, err := s.Show(links()["short"])
	if err != nil || shown.Mode != Half {
		t.Fatal(shown, err)
	}
	r := newRenderer(t, themes[1], 80, 60, 8, 16)
	r.write(b.Bytes())
	if got, err := scan(r.img); got != links()["short"] {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestALinkTooWideBecomesAFile(t *testing.T) {
	dir := t.TempDir()
	var b bytes.Buffer
	s := &Screen{Out: &b, Env: func(k string) string { return map[string]string{"XDG_RUNTIME_DIR": dir}[k] }}
	link := links()["longest"]
	shown, err := s.Show(link)
	if err != nil || shown.Mode != PNG || filepath.Dir(shown.Path) != dir {
		t.Fatal(shown, err)
	}
	if out := b.String(); !strings.Contains(out, shown.Path) || !strings.Contains(out, link) || strings.ContainsAny(out, "█▀▄\x1b") {
		t.Errorf("printed %q", out)
	}
	checkPicture(t, shown.Path, link)
}

func checkPicture(t *testing.T, path, link string) {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := scan(m); got != link {
		t.Errorf("read %.40q, %v", got, err)
	}
}

func TestANamedFileIsNotReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "code.png")
	s := &Screen{Out: io.Discard, Mode: PNG, File: path}
	if shown, err := s.Show(links()["short"]); err != nil || shown.Path != path {
		t.Fatal(shown, err)
	}
	checkPicture(t, path, links()["short"])
	if _, err := s.Show(links()["short"]); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v", err)
	}
}

func TestShowRefuses(t *testing.T) {
	if _, err := (&Screen{Out: io.Discard}).Show(strings.Repeat("x", 4000)); !errors.Is(err, ErrTooLong) {
		t.Errorf("got %v", err)
	}
	if _, err := (&Screen{Out: io.Discard, Mode: "braille"}).Show("x"); !errors.Is(err, ErrMode) {
		t.Errorf("got %v", err)
	}
	var b bytes.Buffer
	if shown, err := (&Screen{Out: &b, Mode: None}).Show("x"); err != nil || shown.Mode != None || b.Len() > 0 {
		t.Errorf("%v, %v, %q", shown, err, b.String())
	}
}

func TestLocalesWithoutUTF8GetSpaces(t *testing.T) {
	var b bytes.Buffer
	s := &Screen{Out: &b, Env: func(k string) string { return map[string]string{"LANG": "de_DE.ISO-8859-1"}[k] }}
	shown, err := s.Show("simplex:/x")
	if err != nil || shown.Mode != Full {
		t.Fatal(shown, err)
	}
	for _, c := range b.Bytes() {
		if c >= 0x80 {
			t.Fatalf("byte %#x", c)
		}
	}
	r := newRenderer(t, themes[0], 80, 60, 8, 16)
	r.write(b.Bytes())
	if got, err := scan(r.img); got != "simplex:/x" {
		t.Errorf("read %q, %v", got, err)
	}
}

func FuzzParseMode(f *testing.F) {
	for _, s := range []string{"", "auto", "half", "png", "png:a.png", "png:", "sextant"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, file, err := ParseMode(s)
		if err != nil {
			if !errors.Is(err, ErrMode) || m != "" {
				t.Errorf("%q: %v, %v", s, m, err)
			}
			return
		}
		if file != "" && s != "png:"+file || file == "" && s != "" && s != string(m) {
			t.Errorf("%q: %v, %q", s, m, file)
		}
	})
}

func FuzzUnderstand(f *testing.F) {
	f.Add([]byte("\x1b_Gi=31;OK\x1b\\\x1bP>|kitty(0.35)\x1b\\\x1b[6;20;10t\x1b[?62;4c"), "")
	f.Fuzz(func(t *testing.T, b []byte, hint string) {
		a := understand(b, hint)
		if a.cellW < 0 || a.cellW > 9999 || a.cellH < 0 || a.cellH > 9999 || a.sixel && !a.device {
			t.Errorf("%+v", a)
		}
	})
}
