package dtlsroad

import (
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"sync/atomic"

	"github.com/pion/dtls/v2"
	"github.com/pion/dtls/v2/pkg/crypto/clientcertificate"
	"github.com/pion/dtls/v2/pkg/crypto/prf"
	"github.com/pion/dtls/v2/pkg/protocol"
	"github.com/pion/dtls/v2/pkg/protocol/recordlayer"
	"golang.org/x/crypto/chacha20poly1305"
)

// suiteID is TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, RFC 7905.
const suiteID dtls.CipherSuiteID = 0xcca9

var (
	errNoKeys = errors.New("dtlsroad: no keys yet")
	errRecord = errors.New("dtlsroad: bad record")
)

// suite is one connection's.
type suite struct {
	keys atomic.Pointer[suiteKeys]
}

type suiteKeys struct {
	seal, open     cipher.AEAD
	sealIV, openIV []byte
}

var _ dtls.CipherSuite = (*suite)(nil)

// String is the suite's name.
func (*suite) String() string { return "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" }

// ID is the suite's number.
func (*suite) ID() dtls.CipherSuiteID { return suiteID }

// CertificateType is ECDSA.
func (*suite) CertificateType() clientcertificate.Type { return clientcertificate.ECDSASign }

// HashFunc is that of the key schedule.
func (*suite) HashFunc() func() hash.Hash { return sha256.New }

// AuthenticationType is by certificate.
func (*suite) AuthenticationType() dtls.CipherSuiteAuthenticationType {
	return dtls.CipherSuiteAuthenticationTypeCertificate
}

// KeyExchangeAlgorithm is ephemeral.
func (*suite) KeyExchangeAlgorithm() dtls.CipherSuiteKeyExchangeAlgorithm {
	return dtls.CipherSuiteKeyExchangeAlgorithmEcdhe
}

// ECC says that curves are negotiated.
func (*suite) ECC() bool { return true }

// IsInitialized tells whether there are keys.
func (s *suite) IsInitialized() bool { return s.keys.Load() != nil }

// Init derives the keys.
func (s *suite) Init(masterSecret, clientRandom, serverRandom []byte, isClient bool) error {
	k, err := prf.GenerateEncryptionKeys(masterSecret, clientRandom, serverRandom,
		0, chacha20poly1305.KeySize, chacha20poly1305.NonceSize, s.HashFunc())
	if err != nil {
		return err
	}
	client, err := chacha20poly1305.New(k.ClientWriteKey)
	if err != nil {
		return err
	}
	server, err := chacha20poly1305.New(k.ServerWriteKey)
	if err != nil {
		return err
	}
	if isClient {
		s.keys.Store(&suiteKeys{client, server, k.ClientWriteIV, k.ServerWriteIV})
	} else {
		s.keys.Store(&suiteKeys{server, client, k.ServerWriteIV, k.ClientWriteIV})
	}
	return nil
}

// number is epoch and sequence number of a record, which never come twice.
func number(h *recordlayer.Header) uint64 {
	return uint64(h.Epoch)<<48 | h.SequenceNumber&(1<<48-1)
}

// nonce is the IV with the number in its last 8 bytes, by exclusive or.
func nonce(iv []byte, h *recordlayer.Header) []byte {
	n := append(make([]byte, 0, chacha20poly1305.NonceSize), iv...)
	low := n[len(n)-8:]
	binary.BigEndian.PutUint64(low, binary.BigEndian.Uint64(low)^number(h))
	return n
}

// additional is what is authenticated beside the content, of size bytes.
func additional(h *recordlayer.Header, size int) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 13), number(h))
	b = append(b, byte(h.ContentType), h.Version.Major, h.Version.Minor)
	return binary.BigEndian.AppendUint16(b, uint16(size))
}

// Encrypt seals a record; raw is its header and content.
func (s *suite) Encrypt(pkt *recordlayer.RecordLayer, raw []byte) ([]byte, error) {
	k := s.keys.Load()
	if k == nil {
		return nil, errNoKeys
	}
	content := raw[recordlayer.HeaderSize:]
	out := append(make([]byte, 0, len(raw)+chacha20poly1305.Overhead), raw[:recordlayer.HeaderSize]...)
	out = k.seal.Seal(out, nonce(k.sealIV, &pkt.Header), content, additional(&pkt.Header, len(content)))
	binary.BigEndian.PutUint16(out[recordlayer.HeaderSize-2:], uint16(len(out)-recordlayer.HeaderSize))
	return out, nil
}

// Decrypt opens a record.
func (s *suite) Decrypt(in []byte) ([]byte, error) {
	k := s.keys.Load()
	if k == nil {
		return nil, errNoKeys
	}
	var h recordlayer.Header
	if err := h.Unmarshal(in); err != nil {
		return nil, err
	}
	if h.ContentType == protocol.ContentTypeChangeCipherSpec {
		return in, nil // never sealed
	}
	size := len(in) - recordlayer.HeaderSize - chacha20poly1305.Overhead
	if size < 0 {
		return nil, fmt.Errorf("%w: short", errRecord)
	}
	content := in[recordlayer.HeaderSize:]
	out, err := k.open.Open(content[:0], nonce(k.openIV, &h), content, additional(&h, size))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", errRecord, err)
	}
	return in[:recordlayer.HeaderSize+len(out)], nil
}
