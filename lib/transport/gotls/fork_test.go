//go:build simplextls

package gotls

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	circl "github.com/cloudflare/circl/sign/ed448"
)

// ed448Pair makes a self-signed Ed448 certificate with openssl, the other
// implementation in these tests.
func ed448Pair(t *testing.T) (cert Certificate, certFile, keyFile string) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "crt"), filepath.Join(dir, "key")
	out, err := exec.Command("openssl", "req", "-x509", "-newkey", "ed448", "-nodes", "-days", "9",
		"-subj", "/CN=ed448", "-keyout", keyFile, "-out", certFile).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl: %v: %s", err, out)
	}
	crt, key := readPEM(t, certFile), readPEM(t, keyFile)
	seed := key[len(key)-circl.SeedSize:]
	return Certificate{Certificate: [][]byte{crt}, PrivateKey: circl.NewKeyFromSeed(seed)}, certFile, keyFile
}

func readPEM(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		t.Fatalf("%s: no PEM", file)
	}
	return block.Bytes
}

func pair(t *testing.T, client, server *Config) (c, s *Conn) {
	t.Helper()
	a, b := net.Pipe()
	c, s = Client(a, client), Server(b, server)
	t.Cleanup(func() { a.Close(); b.Close() })
	done := make(chan error, 1)
	go func() { done <- s.Handshake() }()
	if err := c.Handshake(); err != nil {
		t.Fatal("client:", err)
	}
	if err := <-done; err != nil {
		t.Fatal("server:", err)
	}
	return c, s
}

func TestEd448LeafOnBothSides(t *testing.T) {
	cert, _, _ := ed448Pair(t)
	for _, version := range []uint16{VersionTLS12, VersionTLS13} {
		server := &Config{Certificates: []Certificate{cert}, ClientAuth: RequireAnyClientCert, MaxVersion: version}
		client := &Config{Certificates: []Certificate{cert}, InsecureSkipVerify: true, MaxVersion: version}
		c, s := pair(t, client, server)
		for _, conn := range []*Conn{c, s} {
			st := conn.ConnectionState()
			if _, ok := st.PeerCertificates[0].PublicKey.(circl.PublicKey); !ok || st.Version != version {
				t.Errorf("version %x: peer key is %T", st.Version, st.PeerCertificates[0].PublicKey)
			}
		}
	}
}

func TestTLS13OffersChaCha20Only(t *testing.T) {
	cert, _, _ := ed448Pair(t)
	var offered []uint16
	server := &Config{Certificates: []Certificate{cert}, GetConfigForClient: func(h *ClientHelloInfo) (*Config, error) {
		offered = h.CipherSuites
		return nil, nil
	}}
	c, _ := pair(t, &Config{InsecureSkipVerify: true, MinVersion: VersionTLS13}, server)
	if len(offered) != 1 || offered[0] != TLS_CHACHA20_POLY1305_SHA256 {
		t.Errorf("offered %x", offered)
	}
	if got := c.ConnectionState().CipherSuite; got != TLS_CHACHA20_POLY1305_SHA256 {
		t.Errorf("negotiated %x", got)
	}
}

// openssl as the server: our client verifies its Ed448 signature.
func TestEd448WithOpenSSLServer(t *testing.T) {
	_, certFile, keyFile := ed448Pair(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	for _, flag := range []string{"-tls1_2", "-tls1_3"} {
		cmd := exec.Command("openssl", "s_server", "-accept", addr, "-cert", certFile, "-key", keyFile, flag, "-www", "-naccept", "1")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		conn := dialWhenUp(t, addr)
		c := Client(conn, &Config{InsecureSkipVerify: true, VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			if !bytes.Equal(raw[0], readPEM(t, certFile)) {
				t.Error("another certificate")
			}
			return nil
		}})
		if err := c.Handshake(); err != nil {
			t.Errorf("%s: %v", flag, err)
		}
		c.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// openssl as the client: it verifies ours.
func TestEd448WithOpenSSLClient(t *testing.T) {
	cert, certFile, _ := ed448Pair(t)
	for _, flag := range []string{"-tls1_2", "-tls1_3"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("openssl", "s_client", "-connect", l.Addr().String(), "-CAfile", certFile, "-verify_return_error", "-quiet", flag)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(stdin, "hello\n"); err != nil {
			t.Fatal(err)
		}
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		s := Server(conn, &Config{Certificates: []Certificate{cert}})
		buf := make([]byte, 6)
		if _, err := io.ReadFull(s, buf); err != nil || string(buf) != "hello\n" {
			t.Errorf("%s: %q, %v", flag, buf, err)
		}
		s.Close()
		stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		l.Close()
	}
}

func dialWhenUp(t *testing.T, addr string) net.Conn {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			return conn
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond) // another process has to begin listening
	}
}
