//go:build !cgo

package stdfd

// Closed is not known without cgo.
func Closed(int) bool { return false }
