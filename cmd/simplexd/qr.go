package main

import (
	"errors"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/qrterm"
)

// qrFlags are those of commands that print a link.
func qrFlags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.BoolFlag{Name: "qr", Usage: "draw the link as a QR code on standard error", EnvVars: []string{"SIMPLEXD_QR"}},
		&ucli.StringFlag{Name: "qr-mode", Value: "auto", Usage: "with --qr, `HOW`: auto, half, full, kitty, iterm, sixel, png, png:FILE or none", EnvVars: []string{"SIMPLEXD_QR_MODE"}},
	}
}

// qrMode reads the flags, before a link is made that may not get lost.
func qrMode(c *ucli.Context) (m qrterm.Mode, file string, err error) {
	if m, file, err = qrterm.ParseMode(c.String("qr-mode")); err != nil {
		return m, file, exit.Errorf(exit.Usage, "--qr-mode %s: %w", c.String("qr-mode"), err)
	}
	if !c.Bool("qr") {
		m = qrterm.None
	}
	return m, file, nil
}

// drawQR shows a link to a camera.
func (e *env) drawQR(c *ucli.Context, link string) error {
	m, file, err := qrMode(c)
	if err != nil {
		return err
	}
	s := qrterm.On(e.stderr)
	s.Mode, s.File = m, file
	_, err = s.Show(link)
	switch {
	case errors.Is(err, qrterm.ErrTooLong):
		return exit.Errorf(exit.DataErr, "%w", err)
	case err != nil:
		return exit.Errorf(exit.CantCreate, "%w", err)
	}
	return nil
}
