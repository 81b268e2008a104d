package smpserver

import (
	"errors"

	"github.com/simplexkit/simplexkit/lib/smp"
)

// storeError is what a client is told of an error of the store: nothing but
// that it may try again.
func storeError(err error) *smp.Error {
	var e *smp.Error
	if errors.As(err, &e) {
		return e
	}
	return smp.ErrInternal
}
