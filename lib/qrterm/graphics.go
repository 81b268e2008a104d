package qrterm

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strconv"
	"strings"
)

// leastPixels is the size of a module below which cameras fail, wantPixels the
// one above which nothing is gained.
const (
	leastPixels = 3
	wantPixels  = 6
)

// cell is the size of a cell in pixels: what the terminal said, or a small one.
func (w window) cell() (width, height int) {
	if w.cellW <= 0 || w.cellH <= 0 {
		return 8, 16
	}
	return w.cellW, w.cellH
}

// scale is how many pixels a module gets.
func (w window) scale(modules int) int {
	cw, ch := w.cell()
	return min((w.rows-2)*ch/modules, w.cols*cw/modules, wantPixels)
}

// legible tells whether a picture of a code is large enough in this window.
func (w window) legible(size int) bool { return w.scale(size+2*wantQuiet) >= leastPixels }

// place is the picture's scale, and the cells it is to fill. Where cells are of
// unknown size these are all that fit, half as high as wide.
func (d drawing) place() (scale, cols, rows int) {
	n := d.code.Size + 2*wantQuiet
	if d.win.cellH <= 0 && d.win.rows > 2 {
		rows = min(d.win.rows-2, d.win.cols/2, len(rowMarks))
		return wantPixels, 2 * rows, rows
	}
	scale = max(d.win.scale(n), leastPixels)
	cw, ch := d.win.cell()
	return scale, (n*scale + cw - 1) / cw, (n*scale + ch - 1) / ch
}

var blackAndWhite = color.Palette{color.Gray{Y: 255}, color.Gray{Y: 0}}

// image is the code with the standard's quiet zone, of scale pixels a module.
func (d drawing) image(scale int) *image.Paletted {
	n := (d.code.Size + 2*wantQuiet) * scale
	m := image.NewPaletted(image.Rect(0, 0, n, n), blackAndWhite)
	for y := range n {
		for x := range n {
			if d.code.Black(x/scale-wantQuiet, y/scale-wantQuiet) {
				m.SetColorIndex(x, y, 1)
			}
		}
	}
	return m
}

func (d drawing) png(scale int) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, d.image(scale)); err != nil {
		panic("qrterm: " + err.Error()) // unreachable: a buffer takes all
	}
	return b.Bytes()
}

// kittyChunk is the most payload of one command, in base64.
const kittyChunk = 4096

// kitty sends a PNG and shows it at the cursor. tmux does not know where the
// cursor of its terminal is, so there the picture is shown by characters that
// stand for its cells, which tmux moves about as any others.
//
// Spec: kitty, Terminal graphics protocol.
func (d drawing) kitty() []byte {
	scale, cols, rows := d.place()
	control := fmt.Sprintf("a=T,f=100,q=2,c=%d,r=%d", cols, rows)
	const id = 0x51 // a colour of the table, which names the picture to cellMarks
	if d.tmux {
		if rows > len(rowMarks) {
			cols, rows = cols*len(rowMarks)/rows, len(rowMarks)
		}
		control = fmt.Sprintf("a=T,U=1,i=%d,f=100,q=2,c=%d,r=%d", id, cols, rows)
	}
	var b bytes.Buffer
	for data := base64.StdEncoding.EncodeToString(d.png(scale)); data != ""; control = "q=2" {
		chunk := data[:min(len(data), kittyChunk)]
		data = data[len(chunk):]
		more := 0
		if data != "" {
			more = 1
		}
		seq := fmt.Sprintf("\x1b_G%s,m=%d;%s\x1b\\", control, more, chunk)
		if d.tmux {
			seq = passthrough(seq)
		}
		b.WriteString(seq)
	}
	if !d.tmux {
		b.WriteByte('\n')
		return b.Bytes()
	}
	for row := range rows {
		fmt.Fprintf(&b, "\x1b[38;5;%dm", id)
		for col := range cols {
			b.WriteRune(cellMark)
			if col == 0 { // the cells after it count on
				b.WriteRune(rowMarks[row])
				b.WriteRune(rowMarks[0])
			}
		}
		b.WriteString("\x1b[39m\n")
	}
	return b.Bytes()
}

// cellMark is the character that stands for a cell of a picture, and
// rowMarks the marks above it that count, of which these are the first.
const cellMark = '\U0010EEEE'

var rowMarks = []rune{
	0x0305, 0x030D, 0x030E, 0x0310, 0x0312, 0x033D, 0x033E, 0x033F, 0x0346, 0x034A, 0x034B, 0x034C, 0x0350, 0x0351, 0x0352,
	0x0357, 0x035B, 0x0363, 0x0364, 0x0365, 0x0366, 0x0367, 0x0368, 0x0369, 0x036A, 0x036B, 0x036C, 0x036D, 0x036E, 0x036F,
}

// iterm sends a PNG as a file to show in place.
//
// Spec: iTerm2, Inline Images Protocol.
func (d drawing) iterm() []byte {
	scale, cols, rows := d.place()
	data := d.png(scale)
	seq := fmt.Sprintf("\x1b]1337;File=inline=1;size=%d;width=%d;height=%d;preserveAspectRatio=1:%s\a",
		len(data), cols, rows, base64.StdEncoding.EncodeToString(data))
	if d.tmux {
		seq = passthrough(seq)
	}
	return []byte(seq + "\n")
}

// sixel draws bands of six pixels, white first and black over it. tmux takes
// sixels for itself.
//
// Spec: VT330/VT340 Programmer Reference Manual, chapter 14.
func (d drawing) sixel() []byte {
	m := d.image(max(d.win.scale(d.code.Size+2*wantQuiet), leastPixels))
	n := m.Rect.Dx()
	var b bytes.Buffer
	fmt.Fprintf(&b, "\x1bP0;1;0q\"1;1;%d;%d#0;2;100;100;100#1;2;0;0;0", n, n)
	for top := 0; top < n; top += 6 {
		for ink := range 2 {
			fmt.Fprintf(&b, "#%d", ink)
			b.WriteString(band(n, func(x int) byte { return column(m.Pix, n, x, top, byte(ink)) }))
			if ink == 0 {
				b.WriteByte('$')
			}
		}
		b.WriteByte('-')
	}
	b.WriteString("\x1b\\\n")
	return b.Bytes()
}

// column is the pixels of one colour in a column of a band.
func column(pix []byte, n, x, top int, ink byte) (bits byte) {
	for i := range min(6, n-top) {
		if pix[(top+i)*n+x] == ink {
			bits |= 1 << i
		}
	}
	return bits
}

// band is a row of columns, those that repeat counted.
func band(n int, at func(x int) byte) string {
	var b strings.Builder
	for x := 0; x < n; {
		c, run := at(x), 1
		for x+run < n && at(x+run) == c {
			run++
		}
		ch := string(rune('?' + c))
		if run > 3 {
			b.WriteString("!" + strconv.Itoa(run) + ch)
		} else {
			b.WriteString(strings.Repeat(ch, run))
		}
		x += run
	}
	return b.String()
}
