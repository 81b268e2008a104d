package relayhome

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// CertInfo is what is known of a home's certificates.
type CertInfo struct {
	NotBefore, NotAfter time.Time // of the online certificate
	CANotAfter          time.Time
	Algorithm           string // of the online key, such as "ed25519"
	CAKeyHere           bool   // the offline key lies in the home
}

// Cert looks at the certificates.
func (h *Home) Cert() (CertInfo, error) {
	leaf, err := x509.ParseCertificate(h.cred.Chain[0])
	if err != nil {
		return CertInfo{}, exit.Errorf(exit.Config, "%s: %w", filepath.Join(h.Dir, fileCert), err)
	}
	i := CertInfo{NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, Algorithm: h.cred.Key.PublicKey().Alg().String()}
	if ca, err := x509.ParseCertificate(h.cred.Chain[len(h.cred.Chain)-1]); err == nil {
		i.CANotAfter = ca.NotAfter
	}
	_, err = os.Stat(filepath.Join(h.Dir, fileCAKey))
	i.CAKeyHere = err == nil
	return i, nil
}

// Rotate makes a new online key and certificate under the offline CA, whose
// key is read from caKey, or from the home if that is empty. The address
// stays. Relays that run on the home must be told, see [Relay.Reload].
func (h *Home) Rotate(caKey string, now time.Time) error {
	if caKey == "" {
		caKey = filepath.Join(h.Dir, fileCAKey)
	}
	text, err := readSecret(filepath.Dir(caKey), filepath.Base(caKey))
	if exit.Code(err) == exit.NoInput {
		return exit.Errorf(exit.NoInput, "relay home: the offline key is not here: %w", err).
			WithHint("bring it and name it with --ca-key FILE; it can be taken away again afterwards")
	}
	if err != nil {
		return err
	}
	defer clear(text)
	k, err := transport.ParseKeyPEM(text)
	if err != nil {
		return exit.Errorf(exit.DataErr, "%s: %w", caKey, err)
	}
	cert := h.cred.Chain[1] // the one that names the relay
	ca := &transport.CA{Cert: cert, Key: k}
	leaf, err := ca.GenerateLeaf(h.Settings.Hosts[0], now)
	if err == nil {
		err = leaf.Check(now)
	}
	if err != nil {
		return exit.Errorf(exit.DataErr, "%s: not the key of this relay's offline certificate: %w", caKey, err)
	}
	if smp.ChainIdentity(leaf.Chain) != h.id {
		return exit.Errorf(exit.Software, "relay home: the new certificate has another identity")
	}
	return h.replaceLeaf(leaf)
}

// replaceLeaf writes key and certificate. They are two files; a third with
// both is there meanwhile, and counts in their stead.
func (h *Home) replaceLeaf(leaf *transport.Credential) error {
	lock, err := lockFile(h.Dir, fileCert+".lock")
	if err != nil {
		return err
	}
	defer lock.Close()
	pair := append(transport.AppendKeyPEM(nil, leaf.Key), leaf.Chain.AppendPEM(nil)...)
	if err := writeFile(filepath.Join(h.Dir, filePair), pair); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(h.Dir, fileKey), transport.AppendKeyPEM(nil, leaf.Key)); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(h.Dir, fileCert), leaf.Chain.AppendPEM(nil)); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(h.Dir, filePair)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return exit.Errorf(exit.IOErr, "relay home: %w", err)
	}
	return nil
}

// filePair has key and certificate while these are being replaced.
const filePair = "server.new"
