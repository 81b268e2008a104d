package smphandshake_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smphandshake"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/wire"
)

type vectorKey struct {
	PKCS8 vectors.Hex `json:"pkcs8_der"`
}

type vectorBlock struct {
	Direction string        `json:"direction"`
	Payload   vectors.Hex   `json:"payload"`
	Seed      vectors.Hex   `json:"payload_seed"`
	Length    int           `json:"payload_length"`
	Error     *string       `json:"error"`
	Block     vectors.Large `json:"block"`
	WireBlock vectors.Large `json:"wire_block"`
}

type vectorCase struct {
	SessionID   vectors.Hex     `json:"session_id"`
	ALPN        *string         `json:"alpn"`
	Server      [2]wire.Version `json:"server_version_range"`
	Client      [2]wire.Version `json:"client_version_range"`
	Chain       []vectors.Hex   `json:"server_cert_chain_der_leaf_first"`
	LeafKey     vectorKey       `json:"server_leaf_private_key"`
	Identity    vectors.Hex     `json:"server_key_hash"`
	Expected    vectors.Hex     `json:"client_expected_key_hash"`
	ServerKey   vectorKey       `json:"server_x25519"`
	ClientKey   *vectorKey      `json:"client_x25519"`
	ProxyServer bool            `json:"proxy_server"`
	Service     *struct {
		Role      string        `json:"role"`
		Chain     []vectors.Hex `json:"cert_chain_der_leaf_first"`
		LeafKey   vectorKey     `json:"leaf_private_key"`
		Key       vectorKey     `json:"session_ed25519"`
		Hash      vectors.Hex   `json:"cert_hash"`
		ServiceID vectors.Hex   `json:"service_id_assigned_by_server"`
	} `json:"client_service"`
	ServerBlocks []vectorBlock `json:"server_blocks"`
	ClientBlocks []vectorBlock `json:"client_blocks"`
	ClientError  *string       `json:"client_error"`
	ServerError  *string       `json:"server_error"`
	Version      *wire.Version `json:"agreed_version"`
	Encrypts     bool          `json:"block_encryption"`
	Secret       vectors.Hex   `json:"dh_secret"`
	After        []vectorBlock `json:"blocks_after_handshake"`
}

func chainOf(hs []vectors.Hex) transport.Chain {
	var c transport.Chain
	for _, h := range hs {
		c = append(c, h)
	}
	return c
}

func private[K key.Private](t *testing.T, k vectorKey) K {
	t.Helper()
	p, err := key.ParsePrivate(k.PKCS8)
	if err != nil {
		t.Fatal(err)
	}
	return p.(K)
}

// tap keeps what one side writes.
type tap struct {
	net.Conn
	mu  sync.Mutex
	buf []byte
}

func (c *tap) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.buf = append(c.buf, b...)
	c.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *tap) take() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.buf
	c.buf = nil
	return b
}

func TestHandshakeVectors(t *testing.T) {
	vectors.Load(t, "smp_handshake.json").Run(t, func(t *testing.T, c vectors.Case) {
		var v vectorCase
		c.Decode(t, &v)
		replay(t, v)
	})
}

func replay(t *testing.T, v vectorCase) {
	a, b := net.Pipe()
	ct, st := &tap{Conn: a}, &tap{Conn: b}
	state := transport.State{SessionID: v.SessionID}
	if v.ALPN != nil {
		state.ALPN = *v.ALPN
	}
	cs, ss := state, state
	cs.PeerChain = chainOf(v.Chain)
	if v.Service != nil {
		ss.PeerChain = chainOf(v.Service.Chain)
	}
	client, server := transport.NewConn(ct, cs, 0), transport.NewConn(st, ss, 0)
	defer func() { _, _ = client.Close(), server.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var sout *smphandshake.Server
	var serr error
	var wg sync.WaitGroup
	wg.Go(func() {
		if sout, serr = smphandshake.Accept(ctx, server, v.serverConfig(t)); serr != nil {
			_ = server.Close()
		}
	})
	cout, cerr := smphandshake.Connect(ctx, client, v.clientConfig(t))
	if cerr != nil {
		_ = client.Close()
	}
	wg.Wait()
	checkError(t, "client", cerr, v.ClientError)
	checkError(t, "server", serr, v.ServerError)
	checkBlocks(t, "client", ct.take(), v.ClientBlocks)
	checkBlocks(t, "server", st.take(), v.ServerBlocks)
	if cerr != nil || serr != nil {
		return
	}
	v.checkOutcome(t, cout, sout)
	for _, blk := range v.After {
		v.checkAfter(t, blk, client, server, ct, st)
	}
}

func (v vectorCase) serverConfig(t *testing.T) smphandshake.ServerConfig {
	cfg := smphandshake.ServerConfig{
		Credential: &transport.Credential{Chain: chainOf(v.Chain), Key: private[key.SignKey](t, v.LeafKey)},
		Versions:   wire.VersionRange{Min: v.Server[0], Max: v.Server[1]},
		Key:        private[*key.X25519Private](t, v.ServerKey),
	}
	if v.Service != nil && v.ServerError == nil {
		cfg.Service = func(context.Context, smp.ServiceRole, transport.Chain) (smp.ServiceID, error) {
			return smp.ServiceID(v.Service.ServiceID), nil
		}
	}
	return cfg
}

func (v vectorCase) clientConfig(t *testing.T) smphandshake.ClientConfig {
	cfg := smphandshake.ClientConfig{
		Identity:    smp.Fingerprint(v.Expected),
		Versions:    wire.VersionRange{Min: v.Client[0], Max: v.Client[1]},
		ProxyServer: v.ProxyServer,
		NoKey:       v.ClientKey == nil,
	}
	if v.ClientKey != nil {
		cfg.Key = private[*key.X25519Private](t, *v.ClientKey)
	}
	if s := v.Service; s != nil {
		cfg.Service = &smphandshake.Service{
			Credential: &transport.Credential{Chain: chainOf(s.Chain), Key: private[key.SignKey](t, s.LeafKey)},
			Key:        private[*key.Ed25519Private](t, s.Key),
		}
		for word, role := range map[string]smp.ServiceRole{
			"Messaging": smp.RoleMessaging, "Notifier": smp.RoleNotifier, "Proxy": smp.RoleProxy,
		} {
			if strings.HasSuffix(s.Role, word) {
				cfg.Service.Role = role
			}
		}
	}
	return cfg
}

// checkError knows the reference's names of errors. "no result" means that
// the other side went away.
func checkError(t *testing.T, side string, got error, want *string) {
	t.Helper()
	if want == nil {
		if got != nil {
			t.Errorf("%s: %v", side, got)
		}
		return
	}
	if got == nil {
		t.Errorf("%s: no error, want %s", side, *want)
		return
	}
	var known error
	for name, err := range map[string]smp.TransportError{
		"TEVersion": smp.ErrTransportVersion, "IDENTITY": smp.ErrHandshakeIdentity,
		"BAD_AUTH": smp.ErrHandshakeBadAuth, "BAD_SERVICE": smp.ErrHandshakeService,
		"TEBadSession": smp.ErrTransportSession, "PARSE": smp.ErrHandshakeParse,
	} {
		if strings.Contains(*want, name) {
			known = err
		}
	}
	switch {
	case known != nil && !errors.Is(got, known):
		t.Errorf("%s: %v, want %s", side, got, *want)
	case known == nil && !strings.HasPrefix(*want, "no result"):
		t.Errorf("%s: unknown error %s in the vector, got %v", side, *want, got)
	}
}

func checkBlocks(t *testing.T, side string, got []byte, want []vectorBlock) {
	t.Helper()
	for i, w := range want {
		if len(got) < smp.BlockSize {
			t.Errorf("%s: block %d is missing", side, i+1)
			return
		}
		block := got[:smp.BlockSize]
		got = got[smp.BlockSize:]
		if p, err := wire.Unpad(block); err != nil || !bytes.Equal(p, w.Payload) {
			t.Errorf("%s: block %d: %x, want %x", side, i+1, p, w.Payload)
		}
		if err := w.Block.Check(block); err != nil {
			t.Errorf("%s: block %d: %v", side, i+1, err)
		}
	}
	if len(got) > 0 {
		t.Errorf("%s: %d bytes more", side, len(got))
	}
}

func (v vectorCase) checkOutcome(t *testing.T, c *smphandshake.Client, s *smphandshake.Server) {
	t.Helper()
	if v.Version == nil || c.Params.Version != *v.Version || s.Params.Version != *v.Version {
		t.Errorf("versions %d and %d", c.Params.Version, s.Params.Version)
	}
	if c.Encrypts != v.Encrypts || s.Encrypts != v.Encrypts {
		t.Errorf("encrypts %t and %t, want %t", c.Encrypts, s.Encrypts, v.Encrypts)
	}
	if v.Secret != nil && v.Encrypts && !bytes.Equal(c.Secret, v.Secret) {
		t.Errorf("secret %x, want %x", c.Secret, v.Secret)
	}
	if v.Service == nil || s.Params.Version < smp.VersionService {
		if c.Service != nil || s.Service != nil {
			t.Error("a service without cause")
		}
		return
	}
	if c.Service == nil || s.Service == nil {
		t.Fatal("no service")
	}
	id := smp.ServiceID(v.Service.ServiceID)
	if c.Service.ServiceID != id || s.Service.ServiceID != id {
		t.Errorf("service IDs %x and %x", c.Service.ServiceID, s.Service.ServiceID)
	}
	hash := smp.Fingerprint(v.Service.Hash)
	if c.Service.Certificate != hash || s.Service.Certificate != hash {
		t.Errorf("certificates %x and %x, want %x", c.Service.Certificate, s.Service.Certificate, hash)
	}
	if s.Service.Role != c.Service.Role || s.Service.Key != c.Service.Key.Public() {
		t.Error("the relay sees another role or key")
	}
}

func (v vectorCase) checkAfter(t *testing.T, blk vectorBlock, client, server *transport.Conn, ct, st *tap) {
	t.Helper()
	from, to, tapped := client, server, ct
	switch blk.Direction {
	case "client_to_server":
	case "server_to_client":
		from, to, tapped = server, client, st
	default:
		t.Fatalf("direction %q", blk.Direction)
	}
	payload := []byte(blk.Payload)
	if payload == nil {
		payload = vectors.Seeded(blk.Seed, blk.Length)
	}
	if blk.Error != nil {
		if err := from.WriteBlock(payload); !errors.Is(err, transport.ErrTooLarge) || !json.Valid([]byte(*blk.Error)) {
			t.Errorf("%d bytes: %v, want %s", len(payload), err, *blk.Error)
		}
		return
	}
	sent := make(chan error, 1)
	go func() { sent <- from.WriteBlock(payload) }()
	got, err := to.ReadBlock()
	if err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Payload(), payload) {
		t.Errorf("%s: payload of %d bytes differs", blk.Direction, len(payload))
	}
	if err := blk.WireBlock.Check(tapped.take()); err != nil {
		t.Errorf("%s: %v", blk.Direction, err)
	}
}
