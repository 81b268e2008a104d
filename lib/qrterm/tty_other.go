//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package qrterm

import (
	"errors"
	"os"
)

var errNothing = errors.New("qrterm: no answer yet")

// openRaw tells that terminals are not asked on this system.
func openRaw(*os.File) (*os.File, func(), error) {
	return nil, nil, errors.New("qrterm: terminals of this system are not asked")
}
