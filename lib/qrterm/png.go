package qrterm

import (
	"errors"
	"fmt"
	"os"
)

// fileScale is the size of a module in a file, for any screen.
const fileScale = 8

// writePNG makes a new file that only its owner reads: whoever has the link
// is let in.
func (s *Screen) writePNG(d drawing) (path string, err error) {
	var f *os.File
	if s.File != "" {
		f, err = os.OpenFile(s.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	} else {
		f, err = s.temporary()
	}
	if err != nil {
		return "", fmt.Errorf("qrterm: make the picture: %w", err)
	}
	_, err = f.Write(d.png(fileScale))
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return "", fmt.Errorf("qrterm: write the picture: %w", err)
	}
	return f.Name(), nil
}

// temporary makes a file where the session's files lie, which the system
// removes when its user has logged out, or else among temporary files.
func (s *Screen) temporary() (*os.File, error) {
	const pattern = "simplex-qr-*.png"
	if dir := s.env("XDG_RUNTIME_DIR"); dir != "" {
		if f, err := os.CreateTemp(dir, pattern); err == nil {
			return f, nil
		}
	}
	return os.CreateTemp("", pattern)
}
