package transport_test

import (
	"bufio"
	"context"
	stdtls "crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/transport"
	tls "github.com/simplexkit/simplexkit/lib/transport/gotls"
	"github.com/simplexkit/simplexkit/lib/transport/transporttest"
)

// nopConn is a socket that nobody should touch.
type nopConn struct{ net.Conn }

func (nopConn) Close() error { return nil }

// hello is what a client offers first.
func clientHello(t *testing.T, version uint16) *stdtls.ClientHelloInfo {
	t.Helper()
	a, b := transporttest.Sockets(t)
	got := make(chan *stdtls.ClientHelloInfo, 1)
	go func() {
		cfg := &stdtls.Config{GetConfigForClient: func(h *stdtls.ClientHelloInfo) (*stdtls.Config, error) {
			got <- h
			return nil, errors.New("enough")
		}}
		_ = stdtls.Server(b, cfg).Handshake()
		_ = b.Close()
	}()
	cfg := transport.ClientConfig{ALPN: []string{"smp/1"}, MaxVersion: version}
	if _, err := transport.Client(context.Background(), a, cfg); !errors.Is(err, transport.ErrHandshake) {
		t.Errorf("got %v", err)
	}
	return <-got
}

func TestWhatClientOffers(t *testing.T) {
	h := clientHello(t, 0)
	if h.ServerName != "" {
		t.Errorf("server name %q", h.ServerName)
	}
	if len(h.SupportedCurves) != 1 || h.SupportedCurves[0] != stdtls.X25519 {
		t.Errorf("groups %v", h.SupportedCurves)
	}
	if len(h.SupportedProtos) != 1 || h.SupportedProtos[0] != "smp/1" {
		t.Errorf("ALPN %v", h.SupportedProtos)
	}
	// What comes first decides what a server of crypto/tls takes.
	if h.CipherSuites[0] != tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 {
		t.Errorf("the first suite is %s", tls.CipherSuiteName(h.CipherSuites[0]))
	}
	if !slices.Contains(h.CipherSuites, tls.TLS_CHACHA20_POLY1305_SHA256) || tls.Patched && len(h.CipherSuites) != 2 {
		t.Errorf("suites %x", h.CipherSuites)
	}
	if h := clientHello(t, tls.VersionTLS12); len(h.CipherSuites) != 1 {
		t.Errorf("TLS 1.2 suites: %x", h.CipherSuites)
	}
}

// A server that insists on AES, and a client that does, are refused.
func TestOtherSuitesAreRefused(t *testing.T) {
	cred, fp := transporttest.Credential(t)
	pair := stdtls.Certificate{Certificate: cred.Chain}
	pair.PrivateKey = stdKey(t, cred)
	if !tls.Patched {
		a, b := transporttest.Sockets(t)
		go func() {
			// A client of crypto/tls with TLS 1.3 alone lists AES first.
			c := stdtls.Client(a, &stdtls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, CurvePreferences: []stdtls.CurveID{stdtls.X25519}})
			_ = c.Handshake()
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}()
		_, err := transport.Server(context.Background(), b, &transport.ServerConfig{Credential: cred})
		if err != nil && !errors.Is(err, transport.ErrSuite) {
			t.Errorf("client with AES: %v", err)
		}
	}
	a, b := transporttest.Sockets(t)
	go func() {
		cfg := &stdtls.Config{Certificates: []stdtls.Certificate{pair}, MaxVersion: tls.VersionTLS12,
			CipherSuites: []uint16{stdtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}
		_ = stdtls.Server(b, cfg).Handshake()
		_ = b.Close()
	}()
	if _, err := transport.Client(context.Background(), a, transport.ClientConfig{Fingerprint: fp}); !errors.Is(err, transport.ErrHandshake) {
		t.Errorf("server with AES: %v", err)
	}
}

func stdKey(t *testing.T, cred *transport.Credential) any {
	t.Helper()
	p, err := stdtls.X509KeyPair(cred.Chain[:1].AppendPEM(nil), transport.AppendKeyPEM(nil, cred.Key))
	if err != nil {
		t.Fatal(err)
	}
	return p.PrivateKey
}

func TestSilentPeers(t *testing.T) {
	cred, _ := transporttest.Credential(t)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	a, b := transporttest.Sockets(t)
	if _, err := transport.Client(ctx, a, transport.ClientConfig{}); !errors.Is(err, transport.ErrHandshake) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("client: %v", err)
	}
	_ = b
	a, b = transporttest.Sockets(t)
	if _, err := transport.Server(ctx, b, &transport.ServerConfig{Credential: cred}); !errors.Is(err, transport.ErrHandshake) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("server: %v", err)
	}
	_ = a
}

func TestGarbageInsteadOfTLS(t *testing.T) {
	cred, _ := transporttest.Credential(t)
	for _, garbage := range []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff", strings.Repeat("\x00", 70000)} {
		send := func(c net.Conn) {
			_, _ = io.WriteString(c, garbage)
			_ = c.(*net.TCPConn).CloseWrite()
		}
		a, b := transporttest.Sockets(t)
		go send(a)
		if _, err := transport.Server(context.Background(), b, &transport.ServerConfig{Credential: cred}); !errors.Is(err, transport.ErrHandshake) {
			t.Errorf("server: %v", err)
		}
		a, b = transporttest.Sockets(t)
		go send(b)
		if _, err := transport.Client(context.Background(), a, transport.ClientConfig{}); !errors.Is(err, transport.ErrHandshake) {
			t.Errorf("client: %v", err)
		}
	}
}

// finished reads the verify_data of the client's Finished out of what
// openssl -msg prints: the first Finished in TLS 1.2, the one in the client's
// direction in 1.3.
func finished(out io.Reader, arrow string) string {
	sc := bufio.NewScanner(out)
	for sc.Scan() {
		line := sc.Text()
		if !strings.HasPrefix(line, arrow) || !strings.HasSuffix(line, "Finished") {
			continue
		}
		var data string
		for sc.Scan() && strings.HasPrefix(sc.Text(), "    ") {
			data += strings.ReplaceAll(strings.TrimSpace(sc.Text()), " ", "")
		}
		return data[8:] // type and length
	}
	return ""
}

// groups make openssl's client be sent back with HelloRetryRequest.
func TestSessionIDOfOpenSSLClient(t *testing.T) {
	dir := opensslDir(t, "ED25519", "ED25519")
	cred, _ := transporttest.Credential(t)
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		for _, extra := range [][]string{nil, {"-groups", "P-256:X25519"}, {"-cert", filepath.Join(dir, "server.crt"), "-key", filepath.Join(dir, "server.key"), "-cert_chain", filepath.Join(dir, "ca.crt")}} {
			t.Run(version+fmt.Sprint(len(extra)), func(t *testing.T) {
				l := transporttest.Listen(t)
				args := append([]string{"s_client", "-connect", l.Addr().String(), version, "-msg", "-alpn", "smp/1",
					"-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"}, extra...)
				cmd := exec.Command("openssl", args...)
				in, err := cmd.StdinPipe()
				if err != nil {
					t.Fatal(err)
				}
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				defer func() { _ = in.Close(); _, _ = io.Copy(io.Discard, out); _ = cmd.Wait() }()
				sock, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				c, err := transport.Server(context.Background(), sock, &transport.ServerConfig{Credential: cred, ALPN: []string{"smp/1"}})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = c.Abort() }()
				if got, want := hex.EncodeToString(c.SessionID()), finished(out, ">>>"); got != want {
					t.Errorf("session id %s, openssl's client has sent %s", got, want)
				}
				if certs := len(c.PeerChain()); (certs > 0) != (len(extra) > 2) {
					t.Errorf("%d certificates of the client", certs)
				}
			})
		}
	}
}

func TestSessionIDOfOpenSSLServer(t *testing.T) {
	leaves := []string{"ED25519"}
	if tls.Patched {
		leaves = append(leaves, "ED448")
	}
	service, _ := transporttest.Credential(t)
	for _, leaf := range leaves {
		dir := opensslDir(t, leaf, leaf) // openssl shows Ed448 only to who knows it
		id := opensslChain(t, dir).Identity()
		for _, version := range []string{"-tls1_2", "-tls1_3"} {
			for _, own := range []*transport.Credential{nil, service} {
				t.Run(fmt.Sprintf("%s%s service %t", leaf, version, own != nil), func(t *testing.T) {
					l := transporttest.Listen(t)
					addr := l.Addr().String()
					_ = l.Close()
					cmd := exec.Command("openssl", "s_server", "-accept", addr, "-naccept", "1", "-msg", version, "-verify", "4",
						"-cert", "server.crt", "-key", "server.key", "-cert_chain", "ca.crt", "-num_tickets", "0", "-alpn", "smp/1",
						"-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305")
					cmd.Dir = dir
					out, err := cmd.StdoutPipe()
					if err != nil {
						t.Fatal(err)
					}
					in, err := cmd.StdinPipe()
					if err != nil {
						t.Fatal(err)
					}
					if err := cmd.Start(); err != nil {
						t.Fatal(err)
					}
					defer func() { _ = in.Close(); _, _ = io.Copy(io.Discard, out); _ = cmd.Wait() }()
					c, err := transport.Client(context.Background(), dialWhenUp(t, addr), transport.ClientConfig{Fingerprint: id[:], ALPN: []string{"smp/1"}, Credential: own})
					if err != nil {
						_ = cmd.Process.Kill()
						t.Fatal(err)
					}
					defer func() { _ = c.Close() }()
					if got, want := hex.EncodeToString(c.SessionID()), finished(out, "<<<"); got != want {
						t.Errorf("session id %s, openssl's server has received %s", got, want)
					}
					if c.ALPN() != "smp/1" {
						t.Errorf("ALPN %q", c.ALPN())
					}
				})
			}
		}
	}
}

func dialWhenUp(t *testing.T, addr string) net.Conn {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return c
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-time.After(5 * time.Millisecond)
	}
}
