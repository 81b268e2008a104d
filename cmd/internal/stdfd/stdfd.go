//go:build cgo

// Package stdfd knows which of the standard streams were closed when the
// program was executed. The Go runtime opens /dev/null in their place, so that
// afterwards a result written to a closed standard output would seem to have
// been taken. Only code that runs before the runtime can tell, which takes
// cgo; without it no stream counts as closed.
package stdfd

// extern int stdfd_closed[3];
import "C"

// Closed tells whether the stream fd (0, 1 or 2) was closed at the start.
func Closed(fd int) bool { return C.stdfd_closed[fd] != 0 }
