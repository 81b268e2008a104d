package qrterm

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// A theme is a terminal's colours, of which programs know nothing.
type theme struct {
	name   string
	fg, bg color.RGBA
	table  map[int]color.RGBA // of the first sixteen, those that differ in it
}

var themes = []theme{
	{"dark", rgb(0xd0d0d0), rgb(0x101418), map[int]color.RGBA{0: rgb(0x000000), 7: rgb(0xc0c0c0)}},
	{"light", rgb(0x202020), rgb(0xfdf6e3), map[int]color.RGBA{0: rgb(0x073642), 7: rgb(0xeee8d5)}},
}

func rgb(v uint32) color.RGBA {
	return color.RGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 255}
}

// A renderer is a small terminal: it draws what is written to it, in a font
// whose block elements fill their halves of a cell.
type renderer struct {
	t            *testing.T
	theme        theme
	cellW, cellH int
	img          *image.RGBA
	row, col     int
	fg, bg       color.RGBA
	inverse      bool
	kitty        []byte // base64 of a picture under way
	virtual      image.Image
	virtualCells image.Point
}

func newRenderer(t *testing.T, th theme, cols, rows, cellW, cellH int) *renderer {
	r := &renderer{t: t, theme: th, cellW: cellW, cellH: cellH, fg: th.fg, bg: th.bg}
	r.img = image.NewRGBA(image.Rect(0, 0, cols*cellW, rows*cellH))
	draw.Draw(r.img, r.img.Rect, image.NewUniform(th.bg), image.Point{}, draw.Src)
	return r
}

var (
	csi = regexp.MustCompile(`^\x1b\[([?>]?)([0-9;]*)([A-Za-z])`)
	osc = regexp.MustCompile(`(?s)^\x1b\](.*?)(\a|\x1b\\)`)
	dcs = regexp.MustCompile(`(?s)^\x1bP(.*?)\x1b\\`)
	apc = regexp.MustCompile(`(?s)^\x1b_(.*?)\x1b\\`)
)

func (r *renderer) write(b []byte) {
	for len(b) > 0 {
		if m := csi.FindSubmatch(b); m != nil {
			if string(m[3]) == "m" {
				r.sgr(string(m[2]))
			}
			b = b[len(m[0]):]
			continue
		}
		if m := osc.FindSubmatch(b); m != nil {
			r.osc(string(m[1]))
			b = b[len(m[0]):]
			continue
		}
		if rest, ok := bytes.CutPrefix(b, []byte("\x1bPtmux;")); ok {
			inner, n := unwrap(rest)
			r.write(inner)
			b = rest[n:]
			continue
		}
		if m := dcs.FindSubmatch(b); m != nil {
			r.place(decodeSixel(r.t, string(m[1])), 0, 0)
			b = b[len(m[0]):]
			continue
		}
		if m := apc.FindSubmatch(b); m != nil {
			r.apc(string(m[1]))
			b = b[len(m[0]):]
			continue
		}
		c, n := utf8.DecodeRune(b)
		b = b[n:]
		b = b[r.put(c, b):]
	}
}

// unwrap is what tmux hands on, and how long its wrapping is.
func unwrap(b []byte) (inner []byte, n int) {
	for n < len(b) {
		if b[n] != 0x1b {
			inner = append(inner, b[n])
			n++
			continue
		}
		if b[n+1] == '\\' {
			return inner, n + 2
		}
		inner = append(inner, 0x1b)
		n += 2
	}
	return inner, n
}

// put draws a character; it gives how many bytes of rest belong to it.
func (r *renderer) put(c rune, rest []byte) (used int) {
	fg, bg := r.fg, r.bg
	if r.inverse {
		fg, bg = bg, fg
	}
	x, y := r.col*r.cellW, r.row*r.cellH
	fill := func(y0, y1 int, c color.RGBA) {
		draw.Draw(r.img, image.Rect(x, y+y0, x+r.cellW, y+y1), image.NewUniform(c), image.Point{}, draw.Src)
	}
	switch c {
	case '\n':
		r.row, r.col = r.row+1, 0
		return 0
	case cellMark:
		return r.cellMark(rest)
	case '█':
		fill(0, r.cellH, fg)
	case '▀':
		fill(0, r.cellH/2, fg)
		fill(r.cellH/2, r.cellH, bg)
	case '▄':
		fill(0, r.cellH/2, bg)
		fill(r.cellH/2, r.cellH, fg)
	case ' ':
		fill(0, r.cellH, bg)
	default: // a letter: some ink
		fill(0, r.cellH, bg)
		fill(r.cellH/4, r.cellH/2, fg)
	}
	r.col++
	return 0
}

// cellMark draws the picture's cell that a character stands for. Only a
// row's first has marks.
func (r *renderer) cellMark(rest []byte) (used int) {
	if c, n := utf8.DecodeRune(rest); c == rowMarks[r.row] {
		used = n
		if c, n := utf8.DecodeRune(rest[n:]); c != rowMarks[0] {
			r.t.Fatalf("second mark %U", c)
		} else {
			used += n
		}
	} else if r.col == 0 {
		r.t.Fatalf("row %d begins with mark %U", r.row, c)
	}
	if r.virtual == nil {
		r.t.Fatal("cellMark without a picture")
	}
	w, h := r.virtualCells.X*r.cellW, r.virtualCells.Y*r.cellH
	for y := range r.cellH {
		for x := range r.cellW {
			px, py := r.col*r.cellW+x, r.row*r.cellH+y
			r.img.Set(px, py, sample(r.virtual, px, py, w, h))
		}
	}
	r.col++
	return used
}

func (r *renderer) sgr(params string) {
	p := strings.Split(params, ";")
	for i := 0; i < len(p); i++ {
		n, _ := strconv.Atoi(p[i])
		switch {
		case n == 0:
			r.fg, r.bg, r.inverse = r.theme.fg, r.theme.bg, false
		case n == 7 || n == 27:
			r.inverse = n == 7
		case n >= 30 && n <= 37:
			r.fg = r.color(n - 30)
		case n >= 40 && n <= 47:
			r.bg = r.color(n - 40)
		case n == 39:
			r.fg = r.theme.fg
		case (n == 38 || n == 48) && i+2 < len(p) && p[i+1] == "5":
			v, _ := strconv.Atoi(p[i+2])
			if n == 38 {
				r.fg = r.color(v)
			} else {
				r.bg = r.color(v)
			}
			i += 2
		default:
			r.t.Fatalf("SGR %s", params)
		}
	}
}

func (r *renderer) color(n int) color.RGBA {
	if c, ok := r.theme.table[n]; ok {
		return c
	}
	if n < 16 {
		r.t.Fatalf("colour %d depends on the theme", n)
	}
	n -= 16 // the cube
	level := func(v int) uint8 {
		if v == 0 {
			return 0
		}
		return uint8(55 + 40*v)
	}
	return color.RGBA{level(n / 36), level(n / 6 % 6), level(n % 6), 255}
}

func (r *renderer) osc(s string) {
	rest, ok := strings.CutPrefix(s, "1337;File=")
	if !ok {
		return
	}
	args, data, _ := strings.Cut(rest, ":")
	f := fields(args, ";")
	w, _ := strconv.Atoi(f["width"])
	h, _ := strconv.Atoi(f["height"])
	if f["inline"] != "1" || w == 0 || h == 0 {
		r.t.Fatalf("file %s", args)
	}
	m := r.decodePNG(data)
	// The aspect is kept: the smaller ratio counts.
	side := min(w*r.cellW, h*r.cellH)
	r.place(m, side, side)
}

func (r *renderer) apc(s string) {
	control, data, _ := strings.Cut(strings.TrimPrefix(s, "G"), ";")
	f := fields(control, ",")
	if len(data) > kittyChunk {
		r.t.Fatalf("a chunk of %d bytes", len(data))
	}
	if f["a"] == "q" {
		return
	}
	if f["a"] == "T" {
		r.kitty = nil
		if f["f"] != "100" || f["q"] != "2" {
			r.t.Fatalf("control %s", control)
		}
		cols, _ := strconv.Atoi(f["c"])
		rows, _ := strconv.Atoi(f["r"])
		r.virtualCells = image.Pt(cols, rows)
		r.virtual = nil
		if f["U"] == "1" {
			r.virtual = image.NewRGBA(image.Rect(0, 0, 1, 1))
		}
	}
	r.kitty = append(r.kitty, data...)
	if f["m"] != "0" {
		return
	}
	m := r.decodePNG(string(r.kitty))
	if r.virtual != nil {
		r.virtual = m
		return
	}
	r.place(m, r.virtualCells.X*r.cellW, r.virtualCells.Y*r.cellH)
}

func (r *renderer) decodePNG(data string) image.Image {
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		r.t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// sample is the pixel of a picture drawn with size w, h: terminals filter what
// they scale.
func sample(m image.Image, x, y, w, h int) color.Color {
	const n = 3
	b, sum := m.Bounds(), 0
	for i := range n * n {
		px, py := (x*n+i%n)*b.Dx()/(w*n), (y*n+i/n)*b.Dy()/(h*n)
		v, _, _, _ := m.At(b.Min.X+px, b.Min.Y+py).RGBA()
		sum += int(v >> 8)
	}
	return color.Gray{Y: uint8(sum / (n * n))}
}

// place draws a picture at the cursor, of its own size if w is 0.
func (r *renderer) place(m image.Image, w, h int) {
	b := m.Bounds()
	if w == 0 {
		w, h = b.Dx(), b.Dy()
	}
	for y := range h {
		for x := range w {
			r.img.Set(r.col*r.cellW+x, r.row*r.cellH+y, sample(m, x, y, w, h))
		}
	}
	r.row += (h + r.cellH - 1) / r.cellH
}

func fields(s, sep string) map[string]string {
	m := map[string]string{}
	for f := range strings.SplitSeq(s, sep) {
		k, v, _ := strings.Cut(f, "=")
		m[k] = v
	}
	return m
}

// decodeSixel is the picture of a sixel sequence without its ESC P and ESC \.
func decodeSixel(t *testing.T, s string) image.Image {
	_, s, ok := strings.Cut(s, "q")
	if !ok {
		t.Fatal("no sixels")
	}
	num := regexp.MustCompile(`^[0-9;]+`)
	var raster image.Rectangle
	var img *image.RGBA
	palette := map[string]color.RGBA{}
	var ink color.RGBA
	x, y, repeat := 0, 0, 1
	for s != "" {
		c := s[0]
		s = s[1:]
		arg := ""
		if c == '"' || c == '#' || c == '!' {
			arg = num.FindString(s)
			s = s[len(arg):]
		}
		p := strings.Split(arg, ";")
		switch {
		case c == '"':
			w, _ := strconv.Atoi(p[2])
			h, _ := strconv.Atoi(p[3])
			raster = image.Rect(0, 0, w, h)
			img = image.NewRGBA(raster)
		case c == '#' && len(p) == 5:
			v, _ := strconv.Atoi(p[2])
			palette[p[0]] = color.RGBA{uint8(v * 255 / 100), uint8(v * 255 / 100), uint8(v * 255 / 100), 255}
		case c == '#':
			ink = palette[p[0]]
		case c == '!':
			repeat, _ = strconv.Atoi(arg)
		case c == '$':
			x = 0
		case c == '-':
			x, y = 0, y+6
		case c >= '?' && c <= '~':
			for range repeat {
				for i := range 6 {
					if (c-'?')>>i&1 == 1 {
						if !image.Pt(x, y+i).In(raster) {
							t.Fatalf("ink outside of the picture, at %d,%d", x, y+i)
						}
						img.SetRGBA(x, y+i, ink)
					}
				}
				x++
			}
			repeat = 1
		default:
			t.Fatalf("sixel byte %q", c)
		}
	}
	return img
}

// scan reads the code in a picture, as a camera's program does.
func scan(m image.Image) (string, error) {
	bmp, err := gozxing.NewBinaryBitmapFromImage(m)
	if err != nil {
		return "", err
	}
	res, err := qrcode.NewQRCodeReader().Decode(bmp, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true})
	if err != nil {
		return "", fmt.Errorf("no code found: %w", err)
	}
	return res.GetText(), nil
}
