//go:build race

package relayhome_test

// raced tells that the race detector is in the program: its shadow memory
// makes figures of memory meaningless.
const raced = true
