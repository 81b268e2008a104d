package smp

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/wire"
)

type helloBlock struct {
	Payload vectors.Hex
	Block   hexAndHash
}

type handshakeCase struct {
	SessionID   vectors.Hex         `json:"session_id"`
	ALPN        *string             `json:"alpn"`
	Server      [2]wire.Version     `json:"server_version_range"`
	Client      [2]wire.Version     `json:"client_version_range"`
	Chain       []vectors.Hex       `json:"server_cert_chain_der_leaf_first"`
	LeafKey     *vectors.PrivateKey `json:"server_leaf_private_key"`
	KeyHash     vectors.Hex         `json:"server_key_hash"`
	Expected    vectors.Hex         `json:"client_expected_key_hash"`
	ServerKey   *vectors.PrivateKey `json:"server_x25519"`
	ClientKey   *vectors.PrivateKey `json:"client_x25519"`
	Proxy       bool                `json:"proxy_server"`
	Service     *serviceCase        `json:"client_service"`
	FromServer  []helloBlock        `json:"server_blocks"`
	FromClient  []helloBlock        `json:"client_blocks"`
	ClientError *string             `json:"client_error"`
	ServerError *string             `json:"server_error"`
	Agreed      *wire.Version       `json:"agreed_version"`
	Params      *struct {
		Implied   bool `json:"imply_session_id"`
		Service   bool `json:"service_auth"`
		Batch     bool
		BlockSize int `json:"block_size"`
	}
	Encrypted bool        `json:"block_encryption"`
	Secret    vectors.Hex `json:"dh_secret"`
	Chains    *chainsCase `json:"sbc_init"`
	Blocks    []struct {
		Direction string
		Seed      vectors.Hex `json:"payload_seed"`
		Length    int         `json:"payload_length"`
		Payload   vectors.Hex
		Block     *hexAndHash `json:"wire_block"`
		Error     string
	} `json:"blocks_after_handshake"`
}

type serviceCase struct {
	Role    string
	Chain   []vectors.Hex       `json:"cert_chain_der_leaf_first"`
	LeafKey *vectors.PrivateKey `json:"leaf_private_key"`
	Key     *vectors.PrivateKey `json:"session_ed25519"`
	Cert    vectors.Hex         `json:"cert_hash"`
	ID      vectors.Hex         `json:"service_id_assigned_by_server"`
}

type chainStep struct {
	Before vectors.Hex `json:"chain_key_before"`
	Key    vectors.Hex `json:"secretbox_key"`
	Nonce  vectors.Hex
	After  vectors.Hex `json:"chain_key_after"`
}

type chainsCase struct {
	Send         vectors.Hex `json:"chain_key_1_server_send"`
	Receive      vectors.Hex `json:"chain_key_2_server_receive"`
	SendSteps    []chainStep `json:"server_send_steps"`
	ReceiveSteps []chainStep `json:"server_receive_steps"`
	Step1        vectors.Hex `json:"library_step1_secretbox_key_server_send"`
}

func chainOf(certs []vectors.Hex) (chain [][]byte) {
	for _, c := range certs {
		chain = append(chain, c)
	}
	return chain
}

// helloOf replays the relay's hello and what the client makes of it. The
// error is the client's.
func (c *handshakeCase) serverHello(t *testing.T) (ServerHello, wire.Version, error) {
	h := ServerHello{Versions: wire.VersionRange{Min: c.Server[0], Max: c.Server[1]}, SessionID: c.SessionID}
	if c.ALPN == nil {
		h.Versions = LegacyVersions
	}
	leaf := private(t, c.LeafKey).(key.SignKey)
	signed, err := SignKey(chainOf(c.Chain), leaf, private(t, c.ServerKey).PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	h.Key = &signed
	checkHello(t, "server hello", h.Append(nil), c.FromServer[0])
	got, err := ParseServerHello(append(bytes.Clone(c.FromServer[0].Payload), "more"...))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Append(nil), c.FromServer[0].Payload) || !bytes.Equal(got.SessionID, c.SessionID) {
		t.Error("server hello parses as another one")
	}
	if id := signed.Identity(); string(id) != string(c.KeyHash) {
		t.Errorf("identity %x, want %x", id, []byte(c.KeyHash))
	}
	v, err := Agree(wire.VersionRange{Min: c.Client[0], Max: c.Client[1]}, got, c.Proxy)
	if err != nil || got.Key == nil {
		return got, v, err
	}
	k, err := got.Key.VerifyServer(Fingerprint(c.Expected), leaf.PublicKey().(key.VerifyKey))
	if err == nil && k != private(t, c.ServerKey).PublicKey() {
		t.Error("another session key")
	}
	return got, v, err
}

func checkHello(t *testing.T, what string, got []byte, want helloBlock) {
	t.Helper()
	if !bytes.Equal(got, want.Payload) {
		t.Fatalf("%s\n%x, want\n%x", what, got, []byte(want.Payload))
	}
	padded, err := wire.Pad(nil, got, BlockSize)
	if err != nil {
		t.Fatal(err)
	}
	want.Block.check(t, what, padded)
}

// errorName is the reference's name of an error of the handshake.
func errorName(err error) string {
	var e TransportError
	switch {
	case !errors.As(err, &e):
		return ""
	case e.Type == TransportHandshake:
		return "TEHandshake {handshakeErr = " + string(e.Handshake) + "}"
	case e.Type == TransportVersion:
		return "TEVersion"
	}
	return e.String()
}

func checkHandshake(t *testing.T, vc vectors.Case) {
	var c handshakeCase
	vc.Decode(t, &c)
	_, v, err := c.serverHello(t)
	if err != nil {
		if c.ClientError == nil || errorName(err) != *c.ClientError || len(c.FromClient) > 0 {
			t.Errorf("client's error %v, want %v", err, c.ClientError)
		}
		return
	}
	if c.Agreed != nil && v != *c.Agreed {
		t.Errorf("agreed on %d, want %d", v, *c.Agreed)
	}
	c.clientHello(t, v)
	if c.Agreed == nil || c.ServerError != nil {
		return
	}
	p := Params{Version: v}
	if p.implied() != c.Params.Implied || p.serviceAuth() != c.Params.Service || !c.Params.Batch || c.Params.BlockSize != BlockSize {
		t.Error("parameters of the version")
	}
	c.blocks(t, v)
}

func (c *handshakeCase) clientHello(t *testing.T, v wire.Version) {
	h := ClientHello{Version: v, KeyHash: Fingerprint(c.Expected), ProxyServer: c.Proxy}
	if k := x25519Private(t, c.ClientKey); k != nil {
		h.Key = new(k.Public())
	}
	if s := c.Service; s != nil && v >= VersionService {
		role := map[string]ServiceRole{"SRMessaging": RoleMessaging, "SRNotifier": RoleNotifier, "SRProxy": RoleProxy}[strings.TrimPrefix(s.Role, "Just ")]
		signed, err := SignKey(chainOf(s.Chain), private(t, s.LeafKey).(key.SignKey), private(t, s.Key).PublicKey())
		if err != nil || role == 0 {
			t.Fatalf("role %q: %v", s.Role, err)
		}
		h.Service = &ClientService{role, signed}
	}
	checkHello(t, "client hello", h.Append(nil), c.FromClient[0])
	got, err := ParseClientHello(append(bytes.Clone(c.FromClient[0].Payload), "more"...))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Append(nil), c.FromClient[0].Payload) {
		t.Error("client hello parses as another one")
	}
	if same := got.KeyHash == Fingerprint(c.KeyHash); same == (c.ServerError != nil && strings.Contains(*c.ServerError, "IDENTITY")) {
		t.Errorf("identity asked for is that of the relay: %v, server's error %v", same, c.ServerError)
	}
	if got.Service != nil {
		c.serviceHello(t, got.Service)
	}
}

func (c *handshakeCase) serviceHello(t *testing.T, s *ClientService) {
	peer, err := s.Verify(chainOf(c.Service.Chain))
	if err != nil || peer.Certificate != Fingerprint(c.Service.Cert) || peer.Key != private(t, c.Service.Key).PublicKey() {
		t.Errorf("service %+v: %v", peer, err)
	}
	if _, err := s.Verify(chainOf(c.Chain)); !errors.Is(err, ErrHandshakeBadAuth) {
		t.Errorf("service with another certificate in TLS: %v", err)
	}
	h := ServiceHello{ServiceID: ServiceID(c.Service.ID)}
	if c.ServerError != nil {
		h = ServiceHello{Err: &ErrHandshakeService}
		if errorName(*h.Err) != *c.ServerError {
			t.Errorf("server's error %v, want %s", h.Err, *c.ServerError)
		}
	}
	if len(c.FromServer) != 2 {
		t.Fatalf("%d blocks of the server", len(c.FromServer))
	}
	checkHello(t, "service hello", h.Append(nil), c.FromServer[1])
	got, err := ParseServiceHello(c.FromServer[1].Payload)
	if err != nil || got.ServiceID != h.ServiceID || (got.Err == nil) != (h.Err == nil) || got.Err != nil && *got.Err != *h.Err {
		t.Errorf("service hello parses as %+v: %v", got, err)
	}
}

type direction struct{ send, receive *box.Chain }

func (c *handshakeCase) blocks(t *testing.T, v wire.Version) {
	encrypted := c.ClientKey != nil && EncryptsBlocks(v, c.Proxy)
	if encrypted != c.Encrypted {
		t.Fatalf("blocks are encrypted: %v, want %v", encrypted, c.Encrypted)
	}
	var dirs map[string]direction
	size := BlockSize
	if encrypted {
		size = EncryptedBlockSize
		server, client := x25519Private(t, c.ServerKey), x25519Private(t, c.ClientKey)
		ss, sr, err1 := ServerChains(c.SessionID, server, client.Public())
		cs, cr, err2 := ClientChains(c.SessionID, client, server.Public())
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		dirs = map[string]direction{"server_to_client": {ss, cr}, "client_to_server": {cs, sr}}
		c.chainSteps(t)
	}
	for i, b := range c.Blocks {
		if b.Error != "" {
			if _, err := wire.Pad(nil, make([]byte, b.Length), size); !errors.Is(err, wire.ErrPadSize) {
				t.Errorf("block %d of %d bytes: %v, want %s", i, b.Length, err, b.Error)
			}
			continue
		}
		payload := vectors.Seeded(b.Seed, b.Length)
		if b.Payload != nil && !bytes.Equal(payload, b.Payload) {
			t.Fatalf("block %d: the rule gives another payload", i)
		}
		padded, err := wire.Pad(nil, payload, size)
		if err != nil {
			t.Fatal(err)
		}
		if encrypted {
			padded = c.seal(t, dirs[b.Direction], payload)
		}
		b.Block.check(t, "block "+b.Direction, padded)
	}
}

func (c *handshakeCase) seal(t *testing.T, d direction, payload []byte) []byte {
	k, n := d.send.Next()
	sealed, err := k.SealPadded(nil, n, payload, EncryptedBlockSize)
	if err != nil {
		t.Fatal(err)
	}
	k, n = d.receive.Next()
	if got, err := k.OpenPadded(n, sealed); err != nil || !bytes.Equal(got, payload) {
		t.Errorf("the other side opens %d bytes: %v", len(got), err)
	}
	return sealed
}

func (c *handshakeCase) chainSteps(t *testing.T) {
	server, client := x25519Private(t, c.ServerKey), x25519Private(t, c.ClientKey)
	secret, err := server.DH(client.Public())
	if err != nil || !bytes.Equal(secret, c.Secret) {
		t.Errorf("secret: %v", err)
	}
	send, receive, err := ServerChains(c.SessionID, server, client.Public())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []struct {
		chain *box.Chain
		first vectors.Hex
		steps []chainStep
	}{{send, c.Chains.Send, c.Chains.SendSteps}, {receive, c.Chains.Receive, c.Chains.ReceiveSteps}} {
		before := dir.first
		for i, s := range dir.steps {
			k, n := dir.chain.Next()
			if !bytes.Equal(k.Raw(), s.Key) || !bytes.Equal(n[:], s.Nonce) || !bytes.Equal(before, s.Before) {
				t.Errorf("step %d differs", i)
			}
			before = s.After
		}
	}
	if len(c.Chains.SendSteps) == 0 || !bytes.Equal(c.Chains.Step1, c.Chains.SendSteps[0].Key) {
		t.Error("first key of the relay differs")
	}
}

func TestHandshakeVector(t *testing.T) {
	vectors.Load(t, "smp_handshake.json").Dispatch(t, map[string]func(*testing.T, vectors.Case){
		"handshake/plain":                     checkHandshake,
		"handshake/proxy_server":              checkHandshake,
		"handshake/client_service":            checkHandshake,
		"handshake/client_service_error":      checkHandshake,
		"handshake/version_negotiation":       checkHandshake,
		"handshake/version_incompatible":      checkHandshake,
		"handshake/session_id_12_bytes_tls12": checkHandshake,
		"handshake/no_client_key":             checkHandshake,
		"handshake/no_alpn":                   checkHandshake,
		"handshake/wrong_key_hash":            checkHandshake,
		"handshake/chain_of_three":            checkHandshake,
	})
}
