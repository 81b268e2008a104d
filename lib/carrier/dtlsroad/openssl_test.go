package dtlsroad

import (
	"context"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pion/dtls/v2"
)

// TestOpenSSL has another implementation of DTLS and of the suite at the other
// end, which also says that a session with it is one of this suite.
func TestOpenSSL(t *testing.T) {
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := NewListener(pc, Config{})
	l.dtls = true
	packets := make(chan net.Conn, 1)
	l.testOnlyPeer = func(p net.Conn) { packets <- p }
	go func() { _, _ = l.Accept() }()
	defer func() {
		_ = l.Close()
		l.Wait()
	}()

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "s_client", "-dtls1_2", "-connect", pc.LocalAddr().String())
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = in.Close()
		_ = cmd.Wait() // it complains of a certificate that nobody signed
		if !strings.Contains(out.String(), "Cipher is ECDHE-ECDSA-CHACHA20-POLY1305") {
			t.Errorf("openssl says %.2000s", out.String())
		}
	}()

	cfg, err := config(nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := dtls.ServerWithContext(ctx, <-packets, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "hello\n"); err != nil {
		t.Error(err)
	}
	buf := make([]byte, 100)
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	if n, err := c.Read(buf); err != nil || string(buf[:n]) != "hello\n" {
		t.Errorf("%q, %v", buf[:n], err)
	}
	_ = c.SetReadDeadline(time.Time{})
	_ = c.Close()
}
