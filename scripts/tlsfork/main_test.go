package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The patch must fit the toolchain that runs the tests.
func TestPatchFitsThisToolchain(t *testing.T) {
	root, err := goroot()
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	if err := generate(filepath.Join(root, "src", "crypto", "tls"), out); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(out, "auth.go"))
	if err != nil || !strings.Contains(string(b), "signatureEd448") {
		t.Fatalf("auth.go is not patched: %v", err)
	}
}

func TestPatchNamesThePlaceThatChanged(t *testing.T) {
	_, err := patch("prf.go", []byte("package tls\n"))
	if err == nil || !strings.Contains(err.Error(), "prf.go: crypto/tls changed under the patch") {
		t.Fatalf("got %v", err)
	}
}
