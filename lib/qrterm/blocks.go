package qrterm

import (
	"bytes"

	"github.com/mdp/qrterminal/v3"
	"rsc.io/qr"
)

// Quiet zones in modules: that of the standard, and the least that cameras
// were found to need where the zone is painted.
const (
	wantQuiet = 4
	minQuiet  = 2
)

// A drawing is a code on its way to a window.
type drawing struct {
	code *qr.Code
	link string
	win  window
	tmux bool
}

// halfRows is the height in half blocks.
func halfRows(size, quiet int) int { return quiet + (size+1)/2 }

// quiet is the widest quiet zone that fits.
func (d drawing) quiet(cols, rows func(quiet int) int) int {
	for q := wantQuiet; q > minQuiet; q -= 2 {
		if d.win.holds(cols(q), rows(q)) {
			return q
		}
	}
	return minQuiet
}

// half draws in half blocks: the ink is black and the ground white, so that the
// quiet zone is of spaces, which have no gaps in any font.
func (d drawing) half(paint string) []byte {
	size := d.code.Size
	q := d.quiet(func(q int) int { return size + 2*q }, func(q int) int { return halfRows(size, q) })
	var b bytes.Buffer
	qrterminal.GenerateWithConfig(d.link, qrterminal.Config{
		Level: qrterminal.L, Writer: &b, QuietZone: q, HalfBlocks: true,
		BlackChar: "█", WhiteChar: " ", BlackWhiteChar: "▀", WhiteBlackChar: "▄",
	})
	lines := bytes.Split(bytes.TrimSuffix(b.Bytes(), []byte("\n")), []byte("\n"))
	// The height is odd: the lower half of the last row would be ink.
	lines[len(lines)-1] = bytes.Repeat([]byte(" "), size+2*q)
	return painted(paint, lines)
}

// full draws each module as two spaces, black or white ones.
func (d drawing) full(paint string) []byte {
	size := d.code.Size
	q := d.quiet(func(q int) int { return 2 * (size + 2*q) }, func(q int) int { return size + 2*q })
	var b bytes.Buffer
	qrterminal.GenerateWithConfig(d.link, qrterminal.Config{
		Level: qrterminal.L, Writer: &b, QuietZone: q,
		BlackChar: "\x1b[7m  \x1b[27m", WhiteChar: "  ",
	})
	lines := bytes.Split(bytes.TrimSuffix(b.Bytes(), []byte("\n")), []byte("\n"))
	return painted(paint, lines)
}

// painted puts each line between the colours and their end, so that no line
// depends on the one before.
func painted(paint string, lines [][]byte) []byte {
	var b bytes.Buffer
	for _, l := range lines {
		b.WriteString(paint)
		b.Write(l)
		b.WriteString("\x1b[0m\n")
	}
	return b.Bytes()
}
