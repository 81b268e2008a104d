package main

// patchVersion is part of the stamp: raise it with every change below.
const patchVersion = 1

// imports rewires what only the standard library may import.
var imports = [][2]string{
	{"\t\"crypto/internal/boring\"\n", "\tboring \"" + deps + "\"\n"},
	{"\tfipsaes \"crypto/internal/fips140/aes\"\n", ""},
	{"\t\"crypto/internal/fips140/aes/gcm\"\n", "\tgcm \"" + deps + "\"\n"},
	{"\t\"crypto/internal/fips140/tls12\"\n", "\ttls12 \"" + deps + "\"\n"},
	{"\t\"crypto/internal/fips140/tls13\"\n", "\ttls13 \"" + deps + "\"\n"},
	{"\t\"crypto/tls/internal/fips140tls\"\n", "\tfips140tls \"" + deps + "\"\n"},
	{"\t\"internal/byteorder\"\n", "\tbyteorder \"" + deps + "\"\n"},
	{"\t\"internal/cpu\"\n", "\tcpu \"golang.org/x/sys/cpu\"\n"},
	{"\t\"internal/godebug\"\n", "\tgodebug \"" + deps + "\"\n"},
}

// edit replaces old by new, which must stand exactly so many times.
type edit struct {
	file     string
	times    int
	old, new string
}

var edits = []edit{
	// Names that cannot be rewired by the import alone.
	{"cipher_suites.go", 2, ".(*fipsaes.Block)", ""},
	{"cipher_suites.go", 1, "cpu.X86.HasPCLMULQDQ", "cpu.X86.HasPCLMULQDQ"},
	{"prf.go", 1, "tls12.MasterSecret(", "tls12.ExtendedMasterSecret("},

	// TLS 1.3: ChaCha20-Poly1305 alone, whatever the hardware.
	{"defaults.go", 1, "var defaultCipherSuitesTLS13 = []uint16{\n\tTLS_AES_128_GCM_SHA256,\n\tTLS_AES_256_GCM_SHA384,\n", "var defaultCipherSuitesTLS13 = []uint16{\n"},
	{"defaults.go", 1, "\tTLS_CHACHA20_POLY1305_SHA256,\n\tTLS_AES_128_GCM_SHA256,\n\tTLS_AES_256_GCM_SHA384,\n}", "\tTLS_CHACHA20_POLY1305_SHA256,\n}"},

	// Ed448 as a signature scheme.
	{"defaults.go", 1, "\t\tEd25519,\n", "\t\tEd25519,\n\t\tEd448,\n"},
	{"auth.go", 1, "\tcase signaturePKCS1v15:\n\t\tpubKey, ok := pubkey.(*rsa.PublicKey)\n\t\tif !ok {\n\t\t\treturn fmt.Errorf(\"expected an RSA public key, got %T\", pubkey)\n\t\t}\n\t\tif err := rsa.VerifyPKCS1v15(pubKey, hashFunc, signed, sig)", "\tcase signatureEd448:\n\t\treturn verifyEd448(pubkey, signed, sig)\n\tcase signaturePKCS1v15:\n\t\tpubKey, ok := pubkey.(*rsa.PublicKey)\n\t\tif !ok {\n\t\t\treturn fmt.Errorf(\"expected an RSA public key, got %T\", pubkey)\n\t\t}\n\t\tif err := rsa.VerifyPKCS1v15(pubKey, hashFunc, signed, sig)"},
	{"auth.go", 1, "\t\tsigType = signatureEd25519\n", "\t\tsigType = signatureEd25519\n\tcase Ed448:\n\t\tsigType = signatureEd448\n"},
	{"auth.go", 1, "\tcase Ed25519:\n\t\thash = directSigning\n", "\tcase Ed25519, Ed448:\n\t\thash = directSigning\n"},
	{"auth.go", 1, "\t\treturn []SignatureScheme{Ed25519}\n", "\t\treturn []SignatureScheme{Ed25519}\n\tcase ed448.PublicKey:\n\t\treturn []SignatureScheme{Ed448}\n"},
	{"auth.go", 1, "\t\"crypto/ed25519\"\n", "\t\"crypto/ed25519\"\n\t\"github.com/cloudflare/circl/sign/ed448\"\n"},
	{"auth.go", 1, "\tcase ed25519.PublicKey:\n\tdefault:\n\t\treturn fmt.Errorf(\"tls: unsupported certificate key (%T)\", pub)", "\tcase ed25519.PublicKey, ed448.PublicKey:\n\tdefault:\n\t\treturn fmt.Errorf(\"tls: unsupported certificate key (%T)\", pub)"},
	{"common.go", 1, "\tsignatureEd25519\n)", "\tsignatureEd25519\n\tsignatureEd448\n)"},
	{"common.go", 1, "\t\"crypto/ed25519\"\n", "\t\"crypto/ed25519\"\n\t\"github.com/cloudflare/circl/sign/ed448\"\n"},
	{"common.go", 1, "\t\tcase ed25519.PublicKey:\n", "\t\tcase ed25519.PublicKey, ed448.PublicKey:\n"},
	{"handshake_client.go", 1, "\t\"crypto/ed25519\"\n", "\t\"crypto/ed25519\"\n\t\"github.com/cloudflare/circl/sign/ed448\"\n"},
	{"handshake_client.go", 1, "\tcase *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:\n", "\tcase *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey, ed448.PublicKey:\n"},
	{"handshake_client.go", 1, "\t\tcase signatureECDSA, signatureEd25519:\n", "\t\tcase signatureECDSA, signatureEd25519, signatureEd448:\n"},
	{"handshake_server.go", 1, "\t\"crypto/ed25519\"\n", "\t\"crypto/ed25519\"\n\t\"github.com/cloudflare/circl/sign/ed448\"\n"},
	{"handshake_server.go", 1, "\t\tcase ed25519.PublicKey:\n\t\t\ths.ecSignOk = true\n", "\t\tcase ed25519.PublicKey, ed448.PublicKey:\n\t\t\ths.ecSignOk = true\n"},
	{"handshake_server.go", 1, "\t\tcase *ecdsa.PublicKey, *rsa.PublicKey, ed25519.PublicKey:\n", "\t\tcase *ecdsa.PublicKey, *rsa.PublicKey, ed25519.PublicKey, ed448.PublicKey:\n"},

	// crypto/x509 leaves the public key of an Ed448 certificate nil.
	{"cache.go", 1, "\tcert, err := x509.ParseCertificate(der)\n", "\tcert, err := parseCertificate(der)\n"},
	{"handshake_server.go", 1, "x509.ParseCertificate(asn1Data)", "parseCertificate(asn1Data)"},
	{"common.go", 1, "return x509.ParseCertificate(c.Certificate[0])", "return parseCertificate(c.Certificate[0])"},
}

// ed448File is added to the copy.
const ed448File = `package tls

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/cloudflare/circl/sign/ed448"
)

// Ed448 is the scheme of RFC 8446 that crypto/tls does not have.
const Ed448 SignatureScheme = 0x0808

var oidEd448 = asn1.ObjectIdentifier{1, 3, 101, 113}

func verifyEd448(pubkey crypto.PublicKey, signed, sig []byte) error {
	pub, ok := pubkey.(ed448.PublicKey)
	if !ok {
		return fmt.Errorf("expected an Ed448 public key, got %T", pubkey)
	}
	if len(sig) != ed448.SignatureSize || !ed448.Verify(pub, signed, sig, "") {
		return errors.New("Ed448 verification failure")
	}
	return nil
}

// parseCertificate also reads the public key of an Ed448 certificate.
func parseCertificate(der []byte) (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil || cert.PublicKey != nil {
		return cert, err
	}
	var spki struct {
		Algorithm struct{ OID asn1.ObjectIdentifier }
		Key       asn1.BitString
	}
	rest, err := asn1.Unmarshal(cert.RawSubjectPublicKeyInfo, &spki)
	if err == nil && len(rest) == 0 && spki.Algorithm.OID.Equal(oidEd448) &&
		spki.Key.BitLength == 8*ed448.PublicKeySize {
		cert.PublicKey = ed448.PublicKey(spki.Key.Bytes)
	}
	return cert, nil
}
`
