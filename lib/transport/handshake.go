package transport

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	tls "github.com/simplexkit/simplexkit/lib/transport/gotls"
)

// ClientConfig says how to set up the client's side of TLS.
type ClientConfig struct {
	// Fingerprint is the SHA-256 that the relay's identity must have.
	Fingerprint []byte
	// ALPN lists the protocol names to offer; none means that the peer will
	// speak its legacy versions only.
	ALPN []string
	// Credential is shown to a relay that asks for one: a service's. Nil shows
	// none.
	Credential *Credential
	BlockSize  int              // bytes; 0 is DefaultBlockSize
	Now        func() time.Time // nil is time.Now
	MaxVersion uint16           // of TLS; 0 is 1.3, 0x0303 is 1.2
}

// ServerConfig says how to set up the server's side of TLS. It may be shared
// by any number of connections and must not change.
type ServerConfig struct {
	// Credential is the relay's: a chain of two to four certificates.
	Credential *Credential
	ALPN       []string         // names to accept; a client that offers none is accepted too
	BlockSize  int              // bytes; 0 is DefaultBlockSize
	Now        func() time.Time // nil is time.Now
	MaxVersion uint16           // of TLS; 0 is 1.3, 0x0303 is 1.2
}

func clock(now func() time.Time) time.Time {
	if now == nil {
		return time.Now()
	}
	return now()
}

// suites12 has to stay a suite of ChaCha20, see the package comment.
var suites12 = []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}

func baseConfig(alpn []string, now func() time.Time, maxVersion uint16, log *keyLog) *tls.Config {
	if maxVersion == 0 {
		maxVersion = tls.VersionTLS13
	}
	return &tls.Config{
		Time:                        now,
		MinVersion:                  tls.VersionTLS12,
		MaxVersion:                  maxVersion,
		CipherSuites:                suites12,
		CurvePreferences:            []tls.CurveID{tls.X25519},
		NextProtos:                  alpn,
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true,
		KeyLogWriter:                log,
	}
}

// Client sets up TLS over a connected socket, which it closes on error. The
// errors are [ErrFingerprint], [ErrChain], [ErrSuite], [ErrCredential] and
// [ErrHandshake], which wraps those of the network and ctx.
func Client(ctx context.Context, sock net.Conn, cfg ClientConfig) (*Conn, error) {
	log := new(keyLog)
	c := baseConfig(cfg.ALPN, cfg.Now, cfg.MaxVersion, log)
	c.InsecureSkipVerify = true // verified below, against the fingerprint
	c.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		return verifyServer(raw, cfg.Fingerprint, clock(cfg.Now))
	}
	if cfg.Credential != nil {
		cert, err := cfg.Credential.tls()
		if err != nil {
			_ = sock.Close()
			return nil, err
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	w := &wireConn{Conn: sock, record: recordWrites}
	return handshake(ctx, w, tls.Client(w, c), log, cfg.BlockSize)
}

func verifyServer(raw [][]byte, fingerprint []byte, now time.Time) error {
	chain := Chain(raw)
	if err := chain.Verify(now, 2); err != nil {
		return err
	}
	if id := chain.Identity(); !slices.Equal(id[:], fingerprint) {
		return ErrFingerprint
	}
	return nil
}

// Server sets up TLS over an accepted socket, which it closes on error. A
// client may show a chain of one to four certificates. ctx bounds the time;
// the errors are those of [Client] but ErrFingerprint.
func Server(ctx context.Context, sock net.Conn, cfg *ServerConfig) (*Conn, error) {
	cert, err := cfg.Credential.tls()
	if err != nil {
		_ = sock.Close()
		return nil, err
	}
	log := new(keyLog)
	c := baseConfig(cfg.ALPN, cfg.Now, cfg.MaxVersion, log)
	c.Certificates = []tls.Certificate{*cert}
	c.ClientAuth = tls.RequestClientCert
	c.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		if len(raw) == 0 {
			return nil // only services show certificates
		}
		return Chain(raw).Verify(clock(cfg.Now), 1)
	}
	w := &wireConn{Conn: sock, record: recordReads}
	return handshake(ctx, w, tls.Server(w, c), log, cfg.BlockSize)
}

func handshake(ctx context.Context, w *wireConn, t *tls.Conn, log *keyLog, blockSize int) (*Conn, error) {
	err := t.HandshakeContext(ctx)
	recording := w.stop()
	defer clear(recording)
	defer log.wipe()
	if err != nil {
		_ = w.Close()
		return nil, handshakeError(ctx, err)
	}
	st, err := state(t.ConnectionState(), log.secret, recording)
	if err != nil {
		_ = t.Close()
		return nil, err
	}
	c := NewConn(t, st, blockSize)
	w.begun.Store(0)
	c.raw, c.wire, c.begun = w.Conn, w, &w.begun
	return c, nil
}

func handshakeError(ctx context.Context, err error) error {
	for _, known := range []error{ErrFingerprint, ErrChain, ErrHandshake} {
		if errors.Is(err, known) {
			return err
		}
	}
	if cause := ctx.Err(); cause != nil {
		err = cause
	}
	return fmt.Errorf("%w: %w", ErrHandshake, err)
}

// state checks what was agreed and finds the session identifier.
func state(cs tls.ConnectionState, secret, recording []byte) (State, error) {
	st := State{ALPN: cs.NegotiatedProtocol, Version: cs.Version}
	for _, cert := range cs.PeerCertificates {
		st.PeerChain = append(st.PeerChain, cert.Raw)
	}
	switch cs.CipherSuite {
	case tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256:
		st.SessionID = cs.TLSUnique
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		id, err := clientFinished(cs.CipherSuite, secret, recording)
		if err != nil {
			return st, fmt.Errorf("%w: %w", ErrHandshake, err)
		}
		st.SessionID = id
	default:
		return st, fmt.Errorf("%w: %s", ErrSuite, tls.CipherSuiteName(cs.CipherSuite))
	}
	if len(st.PeerChain) > 0 {
		// TLS 1.2 and 1.3 both checked a signature by this key.
		if _, err := st.PeerChain.LeafKey(); err != nil {
			return st, err
		}
	}
	if len(st.SessionID) == 0 {
		return st, fmt.Errorf("%w: no session identifier", ErrHandshake)
	}
	return st, nil
}
