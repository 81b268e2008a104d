// Tlsfork writes a patched copy of the toolchain's crypto/tls into
// lib/transport/gotls/internal/tls, for builds with the tag simplextls. The
// patch teaches it Ed448 and restricts TLS 1.3 to ChaCha20-Poly1305; see
// package gotls. Every replacement must match as often as it says, so a
// toolchain that changed under the patch is found at generation.
//
//	tlsfork [-o DIR]    generate, if the copy is missing or of another toolchain
//	tlsfork -force      generate in any case
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	defaultOut = "lib/transport/gotls/internal/tls"
	deps       = "github.com/simplexkit/simplexkit/lib/transport/gotls/internal/deps"
	stamp      = "GENERATED_FROM"
)

func main() {
	out := flag.String("o", defaultOut, "directory to write")
	force := flag.Bool("force", false, "generate even if the copy is of this toolchain")
	flag.Parse()
	if err := run(*out, *force); err != nil {
		fmt.Fprintln(os.Stderr, "tlsfork: error:", err)
		os.Exit(1)
	}
}

func run(out string, force bool) error {
	root, err := goroot()
	if err != nil {
		return err
	}
	self := runtime.Version() + " patch " + fmt.Sprint(patchVersion) + "\n"
	if old, err := os.ReadFile(filepath.Join(out, stamp)); err == nil && string(old) == self && !force {
		return nil
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	if err := generate(filepath.Join(root, "src", "crypto", "tls"), out); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, stamp), []byte(self), 0o644)
}

// goroot is that of the go command in use, which also compiles the copy.
func goroot() (string, error) {
	b, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("asking go for GOROOT: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

func generate(src, out string) error {
	files, err := filepath.Glob(filepath.Join(src, "*.go"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no Go files in %s: %v", src, err)
	}
	done := map[string]bool{}
	for _, f := range files {
		name := filepath.Base(f)
		if strings.HasSuffix(name, "_test.go") || name == "generate_cert.go" || name == "defaults_boring.go" {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if b, err = patch(name, b); err != nil {
			return err
		}
		done[name] = true
		if err := os.WriteFile(filepath.Join(out, name), b, 0o644); err != nil {
			return err
		}
	}
	for _, e := range edits {
		if !done[e.file] {
			return fmt.Errorf("%s: the patch's file is not in this toolchain", e.file)
		}
	}
	return os.WriteFile(filepath.Join(out, "ed448.go"), []byte(tag+ed448File), 0o644)
}

const tag = "//go:build simplextls\n\n"

// patch rewires the imports of one file and applies its edits.
func patch(name string, b []byte) ([]byte, error) {
	for _, r := range imports {
		b = bytes.ReplaceAll(b, []byte(r[0]), []byte(r[1]))
	}
	b = bytes.ReplaceAll(b, []byte("\n//go:linkname "), []byte("\n// was linkname "))
	for _, e := range edits {
		if e.file != name {
			continue
		}
		if n := bytes.Count(b, []byte(e.old)); n != e.times {
			return nil, fmt.Errorf("%s: crypto/tls changed under the patch: %q stands %d times instead of %d", name, e.old, n, e.times)
		}
		b = bytes.ReplaceAll(b, []byte(e.old), []byte(e.new))
	}
	b = bytes.Replace(b, []byte("//go:build !boringcrypto\n\n"), nil, 1)
	return append([]byte(tag), b...), nil
}
