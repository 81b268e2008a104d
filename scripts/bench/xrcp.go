package main

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcpctl"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcphost"
)

// xrcpFile is the size of an attachment, in bytes.
const xrcpFile = 32 << 20

// xrcpRows are remote control between two ends on the loopback interface, with
// all cores.
func xrcpRows() []row {
	const tls = "the same bytes through bare TLS, one way, in pieces of 64 KiB"
	return []row{{
		name: "xrcp_store_file", unit: "MB/s, an attachment of 32 MiB to the host and on its disk, with both digests", round: 5 * time.Second,
		floorIs: tls,
		open: func(ctx context.Context, o *options) (*sides, error) {
			return openXRCP(ctx, o, (*xrcpPair).store, (*xrcpPair).rawTLS)
		},
	}, {
		name: "xrcp_get_file", unit: "MB/s, an attachment of 32 MiB from the host", round: 5 * time.Second,
		floorIs: tls,
		open: func(ctx context.Context, o *options) (*sides, error) {
			return openXRCP(ctx, o, (*xrcpPair).get, (*xrcpPair).rawTLS)
		},
	}, {
		name: "xrcp_command", unit: "µs, median, a command and its answer of 1 kB", round: 3 * time.Second,
		floorIs: "a bare HTTP/2 request with the same bodies over the same TLS",
		open: func(ctx context.Context, o *options) (*sides, error) {
			return openXRCP(ctx, o, (*xrcpPair).command, (*xrcpPair).bareHTTP)
		},
	}}
}

// pinTo has all threads of this program run on these cores.
func pinTo(cores ...int) {
	var set unix.CPUSet
	for _, c := range cores {
		set.Set(c)
	}
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, e := range entries {
		if tid, err := strconv.Atoi(e.Name()); err == nil {
			_ = unix.SchedSetaffinity(tid, &set) // without it the figures are lower
		}
	}
}

func allCores() (out []int) {
	for c := range runtime.NumCPU() {
		out = append(out, c)
	}
	return out
}

// xrcpPair is a session, and the floor's connections.
type xrcpPair struct {
	dir  string
	ctl  *xrcpctl.Session
	http *http.ClientConn
	raw  *transport.Conn
	file []byte

	answer json.RawMessage
	end    []func()
}

type xrcpOp = func(*xrcpPair, context.Context, time.Duration) (float64, error)

func openXRCP(ctx context.Context, o *options, ours, floor xrcpOp) (_ *sides, err error) {
	pinTo(allCores()...)
	p := &xrcpPair{dir: o.dir, file: make([]byte, xrcpFile)}
	rand.NewChaCha8([32]byte{1}).Read(p.file)
	p.answer, _ = json.Marshal(string(bytes.Repeat([]byte("chat "), 200))) // a string
	defer func() {
		if err != nil {
			_ = p.close()
		}
	}()
	if err := errors.Join(p.openSession(ctx), p.openFloor(ctx)); err != nil {
		return nil, err
	}
	return &sides{
		ours:  func(ctx context.Context, d time.Duration) (float64, error) { return ours(p, ctx, d) },
		floor: func(ctx context.Context, d time.Duration) (float64, error) { return floor(p, ctx, d) },
		more:  cryptography,
		close: p.close,
	}, nil
}

// cryptography is how fast one core does what the protocol demands beside TLS:
// each end takes the digest of a file, one end seals, the other opens; a command
// is signed with two keys, and both signatures are checked.
func cryptography() map[string]float64 {
	b := make([]byte, 1<<20)
	digest, _ := repeat(time.Second/4, func() error { sha512.Sum512(b); return nil })
	s := box.RandomKey().NewStream(box.NewNonce())
	out := make([]byte, 0, len(b))
	seal, _ := repeat(time.Second/4, func() error { out = s.Seal(out[:0], b); return nil })
	one, two := key.GenerateEd25519(), key.GenerateEd25519()
	signed, _ := repeat(time.Second/4, func() error {
		first, second := one.Sign(b[:64]), two.Sign(b[:64])
		return errors.Join(one.Public().Verify(b[:64], first), two.Public().Verify(b[:64], second))
	})
	return map[string]float64{
		"sha512_mb_s": round(digest * float64(len(b)) / 1e6), "secretbox_mb_s": round(seal * float64(len(b)) / 1e6),
		"signatures_us": round(1e6 / signed),
	}
}

func (p *xrcpPair) close() error {
	for _, f := range p.end {
		f()
	}
	pinSelf()
	return nil
}

func (p *xrcpPair) openSession(ctx context.Context) error {
	pairing, err := xrcp.NewHostPairing(time.Now())
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c, err := xrcpctl.New(xrcpctl.Config{Pairing: pairing, App: []byte(`{}`), Listener: l, Host: "127.0.0.1"})
	if err != nil {
		return err
	}
	accepted := make(chan error, 1)
	go func() {
		var err error
		p.ctl, err = c.Accept(ctx)
		accepted <- err
	}()
	host, err := xrcphost.Connect(ctx, xrcphost.Config{
		Invitation: c.Invitation(), App: []byte(`{}`), Confirm: func(context.Context, string) error { return nil },
	})
	if err := errors.Join(err, <-accepted); err != nil {
		return err
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = host.Serve(ctx, p, nil) // ends with the controller
	}()
	p.end = append(p.end, func() { _ = p.ctl.Close(); <-served })
	return nil
}

// Send answers a command.
func (p *xrcpPair) Send(context.Context, string, int) (xrcp.Result, error) {
	return xrcp.Result{Result: p.answer}, nil
}

// Recv has no events.
func (p *xrcpPair) Recv(context.Context, time.Duration) (*xrcp.Result, error) { return nil, nil }

type xrcpNewFile struct{ *os.File }

// Commit closes.
func (f xrcpNewFile) Commit() (string, error) { return f.Name(), f.Close() }

// Abort closes.
func (f xrcpNewFile) Abort() error { return f.Close() }

// StoreFile makes a file.
func (p *xrcpPair) StoreFile(context.Context, string, uint32) (xrcphost.NewFile, error) {
	f, err := os.Create(filepath.Join(p.dir, "xrcp"))
	return xrcpNewFile{f}, err
}

// GetFile opens the file.
func (p *xrcpPair) GetFile(context.Context, json.RawMessage) (io.ReadSeekCloser, error) {
	return os.Open(filepath.Join(p.dir, "xrcp"))
}

func (p *xrcpPair) openFloor(ctx context.Context) error {
	client, server, err := tlsPair(ctx)
	if err != nil {
		return err
	}
	p.raw = client
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(io.Discard, server.Stream()) // until it is closed
	}()
	p.end = append(p.end, func() { _ = client.Close(); <-read; _ = server.Close() })
	return p.openHTTP(ctx)
}

// openHTTP is HTTP/2 with the bodies of a command and its answer.
func (p *xrcpPair) openHTTP(ctx context.Context) error {
	client, server, err := tlsPair(ctx)
	if err != nil {
		return err
	}
	once := make(chan net.Conn, 1)
	once <- server.Stream()
	s := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the client's errors tell
		_, _ = w.Write(p.answer)
	})}
	s.Protocols.SetUnencryptedHTTP2(true)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(chanListener{once, server.LocalAddr()}) // until once is closed
	}()
	t := &http.Transport{Protocols: new(http.Protocols), DialContext: func(context.Context, string, string) (net.Conn, error) {
		return client.Stream(), nil
	}}
	t.Protocols.SetUnencryptedHTTP2(true)
	p.http, err = t.NewClientConn(ctx, "http", "bench:80")
	p.end = append(p.end, func() { _ = client.Close(); close(once); <-served; _ = s.Close() })
	return err
}

// chanListener gives the connections of a channel.
type chanListener struct {
	conns chan net.Conn
	addr  net.Addr
}

// Accept gives the next.
func (l chanListener) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

// Close does nothing.
func (chanListener) Close() error { return nil }

// Addr is some connection's.
func (l chanListener) Addr() net.Addr { return l.addr }

// tlsPair is a bare TLS connection over loopback.
func tlsPair(ctx context.Context) (client, server *transport.Conn, err error) {
	ca, err := transport.GenerateCA("bench", time.Now())
	if err != nil {
		return nil, nil, err
	}
	cred, err := ca.GenerateLeaf("bench", time.Now())
	if err != nil {
		return nil, nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	accepted := make(chan error, 1)
	go func() {
		sock, err := l.Accept()
		if err == nil {
			server, err = transport.Server(ctx, sock, &transport.ServerConfig{Credential: cred})
		}
		accepted <- err
	}()
	id := cred.Chain.Identity()
	sock, err := net.Dial("tcp", l.Addr().String())
	if err == nil {
		client, err = transport.Client(ctx, sock, transport.ClientConfig{Fingerprint: id[:]})
	}
	return client, server, errors.Join(err, <-accepted)
}

// speed is how many MB/s fn moves.
func speed(d time.Duration, fn func() error) (float64, error) {
	start, n := time.Now(), 0
	for n == 0 || time.Since(start) < d {
		if err := fn(); err != nil {
			return 0, err
		}
		n++
	}
	return float64(n) * xrcpFile / 1e6 / time.Since(start).Seconds(), nil
}

func (p *xrcpPair) store(ctx context.Context, d time.Duration) (float64, error) {
	return speed(d, func() error {
		_, err := p.ctl.StoreFile(ctx, "f", bytes.NewReader(p.file))
		return err
	})
}

func (p *xrcpPair) get(ctx context.Context, d time.Duration) (float64, error) {
	name := filepath.Join(p.dir, "xrcp")
	if _, err := os.Stat(name); err != nil {
		if err := os.WriteFile(name, p.file, 0o600); err != nil {
			return 0, err
		}
	}
	return speed(d, func() error { return p.ctl.GetFile(ctx, []byte(`{}`), io.Discard) })
}

func (p *xrcpPair) rawTLS(_ context.Context, d time.Duration) (float64, error) {
	return speed(d, func() error {
		for piece := p.file; len(piece) > 0; piece = piece[min(len(piece), 64<<10):] {
			if _, err := p.raw.Stream().Write(piece[:min(len(piece), 64<<10)]); err != nil {
				return err
			}
		}
		return nil
	})
}

// median is how many µs fn takes.
func median(d time.Duration, fn func() error) (float64, error) {
	var took []float64
	for end := time.Now().Add(d); time.Now().Before(end); {
		start := time.Now()
		if err := fn(); err != nil {
			return 0, err
		}
		took = append(took, float64(time.Since(start).Nanoseconds())/1000)
	}
	return quantile(took, 0.5), nil
}

func (p *xrcpPair) command(ctx context.Context, d time.Duration) (float64, error) {
	return median(d, func() error {
		_, err := p.ctl.Send(ctx, "/_get chats 1 count=50", 0)
		return err
	})
}

func (p *xrcpPair) bareHTTP(ctx context.Context, d time.Duration) (float64, error) {
	body := make([]byte, 300)
	return median(d, func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://bench/", bytes.NewReader(body))
		if err != nil {
			return err
		}
		resp, err := p.http.RoundTrip(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return errors.Join(err, resp.Body.Close())
	})
}
