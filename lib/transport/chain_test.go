package transport_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/transport"
	tls "github.com/simplexkit/simplexkit/lib/transport/gotls"
	"github.com/simplexkit/simplexkit/lib/transport/transporttest"
)

// node is a certificate to be made under the one before it.
type node struct {
	name     string
	ca       bool // marked as CA
	from, to time.Duration
	usage    x509.KeyUsage
	pathLen  int // -1 for none
}

func plain(name string) node {
	return node{name: name, ca: true, from: -time.Hour, to: time.Hour, pathLen: -1}
}

// makeChain makes certificates from the anchor down to the leaf, and returns
// them leaf first.
func makeChain(t testing.TB, nodes ...node) *transport.Credential {
	t.Helper()
	var chain transport.Chain
	var parent *x509.Certificate
	var parentKey ed25519.PrivateKey
	var leaf *key.Ed25519Private
	for i, n := range nodes {
		leaf = key.GenerateEd25519()
		k := ed25519.NewKeyFromSeed(leaf.Raw())
		tmpl := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: n.name},
			NotBefore: time.Now().Add(n.from), NotAfter: time.Now().Add(n.to),
			BasicConstraintsValid: n.ca, IsCA: n.ca, KeyUsage: n.usage,
		}
		if n.pathLen >= 0 {
			tmpl.MaxPathLen, tmpl.MaxPathLenZero = n.pathLen, n.pathLen == 0
		}
		if parent == nil {
			parent, parentKey = tmpl, k
		}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, k.Public(), parentKey)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(transport.Chain{der}, chain...)
		if parent, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		parentKey = k
	}
	return &transport.Credential{Chain: chain, Key: leaf}
}

func TestChains(t *testing.T) {
	expired, future, unmarked := plain("expired"), plain("future"), plain("unmarked")
	expired.to = -time.Minute
	future.from = time.Minute
	unmarked.ca = false
	unsigning, short := plain("unsigning"), plain("short")
	unsigning.usage = x509.KeyUsageDigitalSignature
	short.pathLen = 0
	ca, op, net, leaf := plain("ca"), plain("operator"), plain("network"), plain("leaf")
	for _, c := range []struct {
		name  string
		nodes []node
		good  bool
	}{
		{"two", []node{ca, leaf}, true},
		{"three", []node{op, ca, leaf}, true},
		{"four", []node{op, net, ca, leaf}, true},
		{"five", []node{op, net, ca, ca, leaf}, false},
		{"one", []node{leaf}, false},
		{"leaf expired", []node{ca, expired}, false},
		{"leaf not yet valid", []node{ca, future}, false},
		{"middle expired", []node{op, expired, leaf}, false},
		{"anchor expired", []node{expired, leaf}, true},
		{"anchor without extensions", []node{unmarked, leaf}, true},
		{"middle not marked as CA", []node{op, unmarked, leaf}, false},
		{"middle may not sign", []node{op, unsigning, leaf}, false},
		{"path length", []node{op, short, leaf}, true},
		{"path too long", []node{op, short, net, leaf}, false},
	} {
		cred := makeChain(t, c.nodes...)
		err := cred.Chain.Verify(time.Now(), 2)
		if (err == nil) != c.good || err != nil && !errors.Is(err, transport.ErrChain) {
			t.Errorf("%s: %v", c.name, err)
		}
		id := cred.Chain.Identity()
		_, _, err = transporttest.TryPair(t, transport.ClientConfig{Fingerprint: id[:]}, transport.ServerConfig{Credential: cred})
		if (err == nil) != c.good || err != nil && !errors.Is(err, transport.ErrChain) {
			t.Errorf("%s: in TLS: %v", c.name, err)
		}
	}
}

func TestForgedChains(t *testing.T) {
	a, b := makeChain(t, plain("ca"), plain("leaf")), makeChain(t, plain("ca"), plain("leaf"))
	other := makeChain(t, plain("other ca"), plain("leaf"))
	for name, chain := range map[string]transport.Chain{
		"another CA of the same name": {a.Chain[0], b.Chain[1]},
		"another CA":                  {a.Chain[0], other.Chain[1]},
		"in the wrong order":          {a.Chain[1], a.Chain[0]},
		"garbage":                     {a.Chain[0], []byte("garbage")},
		"empty":                       {},
	} {
		if err := chain.Verify(time.Now(), 1); !errors.Is(err, transport.ErrChain) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (transport.Chain{a.Chain[1]}).Verify(time.Now(), 1); err != nil {
		t.Errorf("self-signed: %v", err)
	}
	if err := (transport.Chain{a.Chain[0]}).Verify(time.Now(), 1); !errors.Is(err, transport.ErrChain) {
		t.Errorf("leaf alone: %v", err)
	}
}

// tweaked is a certificate with another outer signature algorithm.
func TestSignatureAlgorithmMustBeTheKeys(t *testing.T) {
	a := makeChain(t, plain("ca"), plain("leaf"))
	var outer struct {
		TBS asn1.RawValue
		Alg struct{ OID asn1.ObjectIdentifier }
		Sig asn1.BitString
	}
	if _, err := asn1.Unmarshal(a.Chain[0], &outer); err != nil {
		t.Fatal(err)
	}
	outer.Alg.OID = asn1.ObjectIdentifier{1, 3, 101, 113}
	der, err := asn1.Marshal(outer)
	if err != nil {
		t.Fatal(err)
	}
	if err := (transport.Chain{der, a.Chain[1]}).Verify(time.Now(), 2); !errors.Is(err, transport.ErrChain) {
		t.Errorf("got %v", err)
	}
}

func TestWrongFingerprint(t *testing.T) {
	for _, fp := range [][]byte{make([]byte, 32), {}, []byte("short")} {
		_, _, err := transporttest.TryPair(t, transport.ClientConfig{Fingerprint: fp}, transport.ServerConfig{})
		if !errors.Is(err, transport.ErrFingerprint) {
			t.Errorf("%d bytes: %v", len(fp), err)
		}
	}
}

func TestClientCertificateIsChecked(t *testing.T) {
	expired := plain("leaf")
	expired.to = -time.Minute
	self := makeChain(t, plain("self"))
	for _, version := range tlsVersions {
		_, s := transporttest.Pair(t, transport.ClientConfig{Credential: self, MaxVersion: version}, transport.ServerConfig{})
		if !s.PeerChain().Equal(self.Chain) {
			t.Error("self-signed client not seen")
		}
		bad := makeChain(t, plain("ca"), expired)
		_, s, err := transporttest.TryPair(t, transport.ClientConfig{Credential: bad, MaxVersion: version}, transport.ServerConfig{})
		if err == nil || s != nil {
			t.Errorf("expired client: %v", err)
		}
	}
}

func TestCredentialsInPEM(t *testing.T) {
	cred, fp := transporttest.Credential(t)
	text := cred.Chain.AppendPEM([]byte("some words\n"))
	chain, err := transport.ParseChainPEM(text)
	if err != nil || !chain.Equal(cred.Chain) {
		t.Fatalf("chain of %d, %v", len(chain), err)
	}
	k, err := transport.ParseKeyPEM(transport.AppendKeyPEM(nil, cred.Key))
	if err != nil || k.PublicKey() != cred.Key.PublicKey() {
		t.Fatalf("key: %v", err)
	}
	back := &transport.Credential{Chain: chain, Key: k}
	if err := back.Check(time.Now()); err != nil {
		t.Error(err)
	}
	if id := chain.Identity(); string(id[:]) != string(fp) {
		t.Error("another identity")
	}
	back.Key = key.GenerateEd25519()
	if err := back.Check(time.Now()); !errors.Is(err, transport.ErrCredential) {
		t.Errorf("another key: %v", err)
	}
	for _, bad := range []string{"", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if _, err := transport.ParseChainPEM([]byte(bad)); !errors.Is(err, transport.ErrCredential) {
			t.Errorf("chain %q: %v", bad, err)
		}
		if _, err := transport.ParseKeyPEM([]byte(bad)); !errors.Is(err, transport.ErrCredential) {
			t.Errorf("key %q: %v", bad, err)
		}
	}
	if _, err := transport.Server(t.Context(), nopConn{}, &transport.ServerConfig{}); !errors.Is(err, transport.ErrCredential) {
		t.Errorf("no credential: %v", err)
	}
}

// openssl makes chains as relays have: Ed25519 now, Ed448 before 2024, mixed.
func TestChainMadeByOpenSSL(t *testing.T) {
	for _, alg := range [][2]string{{"ED25519", "ED25519"}, {"ED448", "ED25519"}, {"ED448", "ED448"}} {
		cred := opensslCredential(t, alg[0], alg[1])
		if err := cred.Check(time.Now()); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		damaged := append([]byte(nil), cred.Chain[0]...)
		damaged[len(damaged)-1] ^= 1
		if err := (transport.Chain{damaged, cred.Chain[1]}).Verify(time.Now(), 2); !errors.Is(err, transport.ErrChain) {
			t.Errorf("%s: damaged signature: %v", alg, err)
		}
		if alg[1] == "ED448" && !tls.Patched {
			if _, err := transport.Server(t.Context(), nopConn{}, &transport.ServerConfig{Credential: cred}); !errors.Is(err, transport.ErrCredential) {
				t.Errorf("%s: %v", alg, err)
			}
			continue
		}
		for _, version := range tlsVersions {
			c, s := transporttest.Pair(t, transport.ClientConfig{MaxVersion: version, Credential: cred}, transport.ServerConfig{Credential: cred})
			checkPair(t, c, s, version, "")
			exchange(t, c, s)
		}
	}
}

func opensslCredential(t *testing.T, caAlg, leafAlg string) *transport.Credential {
	t.Helper()
	dir := opensslDir(t, caAlg, leafAlg)
	k, err := transport.ParseKeyPEM(readFile(t, filepath.Join(dir, "server.key")))
	if err != nil {
		t.Fatal(err)
	}
	chain := opensslChain(t, dir)
	return &transport.Credential{Chain: chain, Key: k}
}

func opensslChain(t *testing.T, dir string) transport.Chain {
	t.Helper()
	var chain transport.Chain
	for _, name := range []string{"server.crt", "ca.crt"} {
		c, err := transport.ParseChainPEM(readFile(t, filepath.Join(dir, name)))
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, c...)
	}
	return chain
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// opensslDir makes a relay's files with the commands that operators use.
func opensslDir(t *testing.T, caAlg, leafAlg string) string {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	conf := "[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=test\n[v3ca]\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always\n" +
		"basicConstraints=critical,CA:true\n[v3]\nbasicConstraints=CA:FALSE\nkeyUsage=digitalSignature,nonRepudiation,keyAgreement\nextendedKeyUsage=serverAuth\n"
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"genpkey", "-algorithm", caAlg, "-out", "ca.key"},
		{"req", "-new", "-x509", "-days", "999999", "-config", "conf", "-extensions", "v3ca", "-key", "ca.key", "-subj", "/CN=CA/O=test", "-out", "ca.crt"},
		{"genpkey", "-algorithm", leafAlg, "-out", "server.key"},
		{"req", "-new", "-config", "conf", "-key", "server.key", "-out", "server.csr"},
		{"x509", "-req", "-days", "999999", "-extfile", "conf", "-extensions", "v3", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.crt"},
	} {
		cmd := exec.Command("openssl", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %s: %v: %s", args[0], err, out)
		}
	}
	return dir
}
