package xrcpctl_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/transport/transporttest"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcpctl"
)

func benchSession(b *testing.B) (*xrcpctl.Session, *profile) {
	var d device[*xrcp.ControllerPairing]
	p := &profile{dir: b.TempDir(), events: make(chan string), aborted: make(chan struct{}, 1)}
	c := startController(b, newPairing(b), nil)
	hs, err := host(b, &d, c.Invitation(), nil)
	if err != nil {
		b.Fatal(err)
	}
	serve(b, hs, p)
	return c.session(b), p
}

func BenchmarkCommand(b *testing.B) {
	s, _ := benchSession(b)
	for b.Loop() {
		call(b, s, "/_get chats 1")
	}
}

const benchFile = 16 << 20

// BenchmarkStoreFile includes both digests and the file on the host's disk.
func BenchmarkStoreFile(b *testing.B) {
	s, _ := benchSession(b)
	content := vectors.Seeded([]byte("f"), benchFile)
	b.SetBytes(benchFile)
	for b.Loop() {
		if _, err := s.StoreFile(b.Context(), "f", bytes.NewReader(content)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGetFile(b *testing.B) {
	s, _ := benchSession(b)
	if _, err := s.StoreFile(b.Context(), "f", bytes.NewReader(vectors.Seeded([]byte("f"), benchFile))); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(benchFile)
	for b.Loop() {
		if err := s.GetFile(b.Context(), quote("f"), io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRawTLS is what the others are to be compared with.
func BenchmarkRawTLS(b *testing.B) {
	client, server := transporttest.Pair(b, transport.ClientConfig{}, transport.ServerConfig{})
	go func() { _, _ = io.Copy(io.Discard, server.Stream()) }()
	piece := make([]byte, 65536)
	b.SetBytes(benchFile)
	for b.Loop() {
		for range benchFile / len(piece) {
			if _, err := client.Stream().Write(piece); err != nil {
				b.Fatal(err)
			}
		}
	}
	_ = client.Close()
}
