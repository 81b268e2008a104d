package smphandshake

import (
	"errors"

	"github.com/simplexkit/simplexkit/lib/smp"
)

// transportError is what the peer is told of err.
func transportError(err error) smp.TransportError {
	var te smp.TransportError
	if errors.As(err, &te) {
		return te
	}
	return smp.ErrHandshakeService
}
