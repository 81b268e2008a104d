//go:build !race

package relayhome_test

const raced = false
