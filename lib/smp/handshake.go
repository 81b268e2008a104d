package smp

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// ServerHello is the first block, from the relay. smp: Transport handshake
type ServerHello struct {
	Versions  wire.VersionRange
	SessionID []byte        // must equal that of the TLS connection
	Key       *CertChainKey // v7+; nil if absent or malformed
}

// ClientHello is the answer of the client.
type ClientHello struct {
	Version     wire.Version
	KeyHash     Fingerprint       // the relay must find its own
	Key         *key.X25519Public // v7+
	ProxyServer bool              // v14+: no block encryption
	Service     *ClientService    // v16+
}

// ServiceRole is what a client with a service certificate is.
type ServiceRole byte

// The roles.
const (
	RoleMessaging ServiceRole = 'M'
	RoleNotifier  ServiceRole = 'N'
	RoleProxy     ServiceRole = 'P'
)

// ClientService is a service's certificate and its session key.
type ClientService struct {
	Role ServiceRole
	Key  CertChainKey // an Ed25519 key inside
}

// ServiceHello is the third block, from the relay to a service. Either field
// is set.
type ServiceHello struct {
	ServiceID ServiceID
	Err       *TransportError
}

// Verify is what a relay checks of a service: that the certificates are those
// of the TLS connection, leaf first, and that the leaf has signed an Ed25519
// session key. ServiceID of the result is empty. The error is
// [ErrHandshakeBadAuth].
func (s ClientService) Verify(tlsChain [][]byte) (PeerService, error) {
	fail := func(err error) (PeerService, error) {
		return PeerService{}, fmt.Errorf("%w: %w", ErrHandshakeBadAuth, err)
	}
	same := slices.EqualFunc(s.Key.Chain, tlsChain, bytes.Equal)
	if !same || s.Key.Identity() == "" {
		return fail(fmt.Errorf("%w: not that of the connection", ErrChain))
	}
	leaf, err := s.Key.Leaf()
	if err != nil {
		return fail(err)
	}
	k, err := s.Key.Verify(leaf)
	if err != nil {
		return fail(err)
	}
	ed, ok := k.(key.Ed25519Public)
	if !ok {
		return fail(fmt.Errorf("%w: signed key is %v", ErrChain, k.Alg()))
	}
	return PeerService{Role: s.Role, Certificate: s.Key.Identity(), Key: ed}, nil
}

// Append appends the encoding of the hello.
func (h ServerHello) Append(b []byte) []byte {
	b = wire.AppendShort(h.Versions.Append(b), h.SessionID)
	if h.Versions.Max >= VersionAuth && h.Key != nil {
		b = h.Key.Append(b)
	}
	return b
}

// ParseServerHello parses the content of a block. What follows the hello is
// ignored, so that it can be extended. The error is [ErrHandshakeParse].
func ParseServerHello(b []byte) (ServerHello, error) {
	d := wire.NewDecoder(b)
	h := ServerHello{Versions: d.VersionRange(), SessionID: d.Short()}
	if err := parseErr(d); err != nil {
		return ServerHello{}, err
	}
	if h.Versions.Max >= VersionAuth {
		if k := certChainKey(d); d.Err() == nil {
			h.Key = &k
		}
	}
	return h, nil
}

// Append appends the encoding of the hello; fields newer than h.Version are
// left out.
func (h ClientHello) Append(b []byte) []byte {
	b = wire.AppendShort(wire.AppendUint16(b, uint16(h.Version)), h.KeyHash)
	if h.Version >= VersionAuth && h.Key != nil {
		b = appendX25519(b, *h.Key)
	}
	if h.Version >= VersionProxyServer {
		b = wire.AppendBool(b, h.ProxyServer)
	}
	if h.Version >= VersionService {
		b = wire.AppendMaybe(b, h.Service != nil, func(b []byte) []byte {
			return h.Service.Key.Append(append(b, byte(h.Service.Role)))
		})
	}
	return b
}

// ParseClientHello parses the content of a block. What follows the hello is
// ignored. The error is [ErrHandshakeParse].
func ParseClientHello(b []byte) (ClientHello, error) {
	d := wire.NewDecoder(b)
	h := ClientHello{Version: d.Version(), KeyHash: readID[Fingerprint](d)}
	if err := parseErr(d); err != nil {
		return ClientHello{}, err
	}
	if h.Version >= VersionAuth {
		// The key may be absent: then the next field stands here.
		rest := b[d.Offset():]
		if k := x25519(d); d.Err() == nil {
			h.Key = &k
		} else {
			d = wire.NewDecoder(rest)
		}
	}
	if h.Version >= VersionProxyServer {
		h.ProxyServer = d.Bool()
	}
	if h.Version >= VersionService && d.Maybe() {
		h.Service = &ClientService{Role: readRole(d), Key: certChainKey(d)}
	}
	if err := parseErr(d); err != nil {
		return ClientHello{}, err
	}
	return h, nil
}

// Append appends the encoding of the hello.
func (h ServiceHello) Append(b []byte) []byte {
	if h.Err != nil {
		return append(append(b, 'E'), h.Err.String()...)
	}
	return wire.AppendShort(append(b, 'R'), h.ServiceID)
}

// ParseServiceHello parses the content of a block. The error is
// [ErrHandshakeParse].
func ParseServiceHello(b []byte) (ServiceHello, error) {
	d := wire.NewDecoder(b)
	var h ServiceHello
	switch c := d.Byte(); c {
	case 'R':
		h.ServiceID = readID[ServiceID](d)
	case 'E':
		e := transportError(d)
		h.Err = &e
	default:
		unexpected(d, "service hello", c)
	}
	if err := parseErr(d); err != nil {
		return ServiceHello{}, err
	}
	return h, nil
}

func parseErr(d *wire.Decoder) error {
	if d.Err() != nil {
		return fmt.Errorf("%w: %w", ErrHandshakeParse, d.Err())
	}
	return nil
}

func readRole(d *wire.Decoder) ServiceRole {
	r := ServiceRole(d.Byte())
	switch r {
	case RoleMessaging, RoleNotifier, RoleProxy:
	default:
		unexpected(d, "service role", byte(r))
	}
	return r
}

// Agree is what a client makes of a relay's hello: the highest version of
// both. A proxy that is or meets a relay older than v14 stays at v10, as it
// would have no way to switch block encryption off. The error is
// [ErrTransportVersion].
func Agree(client wire.VersionRange, h ServerHello, proxyServer bool) (wire.Version, error) {
	if proxyServer && min(h.Versions.Max, client.Max) < VersionProxyServer {
		client.Max = max(client.Min, min(client.Max, VersionDeleted))
	}
	v, ok := h.Versions.Compatible(client)
	if !ok {
		return 0, ErrTransportVersion
	}
	return v, nil
}

// EncryptsBlocks tells whether the blocks of a connection are encrypted
// inside TLS, given that both sides have sent keys.
func EncryptsBlocks(v wire.Version, proxyServer bool) bool {
	return v >= VersionEncryptedBlock && !proxyServer
}

// ServerChains are the chains with which a relay encrypts blocks. priv is its
// session key, pub the client's. The error is key.ErrLowOrder.
func ServerChains(sessionID []byte, priv *key.X25519Private, pub key.X25519Public) (send, receive *box.Chain, err error) {
	secret, err := priv.DH(pub)
	if err != nil {
		return nil, nil, err
	}
	send, receive = box.ChainInit(sessionID, secret)
	return send, receive, nil
}

// ClientChains are the same chains on the client's side.
func ClientChains(sessionID []byte, priv *key.X25519Private, pub key.X25519Public) (send, receive *box.Chain, err error) {
	receive, send, err = ServerChains(sessionID, priv, pub)
	return send, receive, err
}

// EncryptedBlockSize is the padded size of the content of an encrypted block.
const EncryptedBlockSize = BlockSize - box.Overhead
