package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/scripts/internal/tree"
)

// The order of floors.txt holds for this tree.
func TestFloorsOfThisTree(t *testing.T) {
	root, err := tree.Root(".")
	if err != nil {
		t.Fatal(err)
	}
	problems, err := run(root, filepath.Join(root, "floors.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

func TestCheck(t *testing.T) {
	r, err := readRules("test", strings.NewReader("a b # bytes\nc\nd/... \nonly b : net\n"))
	if err != nil {
		t.Fatal(err)
	}
	m := module{
		"a":   {"fmt", "net"},      // net is for b
		"b":   {"net", "./a"},      // a is on the same line
		"c":   {"./a", "./b"},      // fine
		"d/x": {"./c", "./d/y"},    // d/y is on the same line
		"e":   {"github.com/x/y"},  // not named
		"d/y": {"encoding/binary"}, // fine
	}
	want := []string{
		"a imports net, which is only for b",
		"b (line 1) imports a (line 1)",
		"d/x (line 3) imports d/y (line 3)",
		"e is not named",
	}
	if got := r.check(m); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	memo := map[string]int{}
	if m.floor("c", memo) != 2 || m.floor("d/x", memo) != 3 || m.floor("a", memo) != 0 {
		t.Errorf("floors %v", memo)
	}
}

func TestBadRules(t *testing.T) {
	for _, text := range []string{"a\nb a\n", "only a b\n"} {
		if _, err := readRules("test", strings.NewReader(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
