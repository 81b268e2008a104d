//go:build !simplextls

package gotls

import "crypto/tls"

// Patched tells whether this is the patched copy, which speaks Ed448.
const Patched = false

// The types of crypto/tls.
type (
	Config                       = tls.Config
	Conn                         = tls.Conn
	Certificate                  = tls.Certificate
	ConnectionState              = tls.ConnectionState
	ClientHelloInfo              = tls.ClientHelloInfo
	CertificateRequestInfo       = tls.CertificateRequestInfo
	ClientAuthType               = tls.ClientAuthType
	CurveID                      = tls.CurveID
	SignatureScheme              = tls.SignatureScheme
	AlertError                   = tls.AlertError
	RecordHeaderError            = tls.RecordHeaderError
	CertificateVerificationError = tls.CertificateVerificationError
)

// The constants of crypto/tls.
const (
	VersionTLS12                                  = tls.VersionTLS12
	VersionTLS13                                  = tls.VersionTLS13
	TLS_AES_128_GCM_SHA256                        = tls.TLS_AES_128_GCM_SHA256
	TLS_AES_256_GCM_SHA384                        = tls.TLS_AES_256_GCM_SHA384
	TLS_CHACHA20_POLY1305_SHA256                  = tls.TLS_CHACHA20_POLY1305_SHA256
	TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 = tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
	X25519                                        = tls.X25519
	CurveP256                                     = tls.CurveP256
	NoClientCert                                  = tls.NoClientCert
	RequestClientCert                             = tls.RequestClientCert
	RequireAnyClientCert                          = tls.RequireAnyClientCert
)

// The functions of crypto/tls.
var (
	Client          = tls.Client
	Server          = tls.Server
	X509KeyPair     = tls.X509KeyPair
	CipherSuiteName = tls.CipherSuiteName
	VersionName     = tls.VersionName
)
