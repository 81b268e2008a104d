// Package qrterm shows a link as a QR code on a terminal, for a camera in front
// of it, and shows no code rather than one that no camera reads.
//
// A link of 630 bytes needs 85 modules a side at the lowest level of error
// correction, which is the level used: on a screen nothing is torn or dirty.
//
//	half    two modules a cell, ▀ and ▄; the window must hold the code and a
//	        quiet zone of at least two modules
//	full    a module in two cells, of spaces alone, for locales without UTF-8
//	kitty   the kitty graphics protocol; inside tmux by its placeholders
//	iterm   the inline images of iTerm2, WezTerm, mintty
//	sixel   DEC's graphics, which foot, xterm, tmux and others have
//	png     a file, for its owner alone, whose path is printed with the link;
//	        the terminal is asked to put the link on the clipboard (OSC 52)
//
// Every cell is painted black on white, whatever the terminal's colours are:
// NO_COLOR speaks of decoration, and here colour is the content.
//
// [Auto] takes what fits without asking the terminal; then it asks which
// graphics the terminal has, with a deadline, and believes answers alone:
// variables of the environment outlive the terminal they were set in. A file is
// the last resort.
package qrterm
