package swarm

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// account is our account and this device.
type account struct {
	name    string
	account *ident.Account
	device  *ident.Device
}

// accountRecord is an account in the store, with its keys.
type accountRecord struct {
	Name    string `json:"name,omitempty"`
	Account []byte `json:"account"` // PEM
	Device  []byte `json:"device"`  // PEM
}

func (n *Node) loadAccount(ctx context.Context) (*account, error) {
	r, err := get[accountRecord](ctx, n, kindAccount, "", "")
	if isNotFound(err) {
		return nil, ErrNoAccount
	}
	if err != nil {
		return nil, err
	}
	a, err := ident.ParseAccount(r.Account)
	if err != nil {
		return nil, err
	}
	d, err := ident.ParseDevice(r.Device)
	if err != nil {
		return nil, err
	}
	return &account{r.Name, a, d}, nil
}

// putAccount keeps an account with a new device of it.
func (n *Node) putAccount(ctx context.Context, name string, a *ident.Account) error {
	if _, err := n.self(ctx); !errors.Is(err, ErrNoAccount) {
		if err != nil {
			return err
		}
		return fmt.Errorf("%w: the account", ErrExists)
	}
	d, err := a.NewDevice(n.cfg.Now())
	if err != nil {
		return err
	}
	accountPEM, err := a.MarshalPEM()
	if err != nil {
		return err
	}
	devicePEM, err := d.MarshalPEM()
	if err != nil {
		return err
	}
	if err := n.cfg.Values.Put(ctx, value(kindAccount, "", "", accountRecord{name, accountPEM, devicePEM})); err != nil {
		return err
	}
	n.news.ring()
	return nil
}

// InitAccount makes the account and this device. It takes seconds.
func (n *Node) InitAccount(ctx context.Context, name string) (*api.SwarmAccount, error) {
	if ok, err := n.HasAccount(ctx); ok || err != nil {
		if err == nil {
			err = fmt.Errorf("%w: the account", ErrExists)
		}
		return nil, err
	}
	a, err := ident.NewAccount(n.cfg.Now())
	if err != nil {
		return nil, err
	}
	if err := n.putAccount(ctx, name, a); err != nil {
		return nil, err
	}
	return n.Account(ctx)
}

// Account is the account with its devices.
func (n *Node) Account(ctx context.Context) (*api.SwarmAccount, error) {
	a, err := n.self(ctx)
	if err != nil {
		return nil, err
	}
	_, until := a.device.Cert.Validity()
	r := &api.SwarmAccount{Type: "swarmAccount", Name: n.displayName(a), URI: a.device.URI().String(),
		Device: a.device.ID().String(), Expires: until.UTC()}
	r.Devices = []api.SwarmDevice{{Device: r.Device, Name: r.Name, This: true}}
	siblings, err := n.siblings(ctx, a)
	if err != nil {
		return nil, err
	}
	for _, d := range siblings {
		_, err := n.cfg.Values.Get(ctx, kindRevoked, "", d)
		r.Devices = append(r.Devices, api.SwarmDevice{Device: d, Revoked: err == nil})
	}
	if net := n.network(); net != nil {
		r.Addresses = net.Addresses()
	}
	return r, nil
}

func (n *Node) displayName(a *account) string {
	if a.name != "" {
		return a.name
	}
	return n.cfg.Name
}

// siblings are the other devices of our account that were seen, in trees and
// on the network.
func (n *Node) siblings(ctx context.Context, a *account) ([]string, error) {
	peers, err := n.cfg.Values.List(ctx, kindPeer, "")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, v := range peers {
		var p peerRecord
		if json.Unmarshal(v.Data, &p) == nil && p.URI == a.device.URI().String() && v.Key != a.device.ID().String() {
			out = append(out, v.Key)
		}
	}
	return out, nil
}

// archive is an account in a file.
type archive struct {
	V       int           `json:"v"`
	Name    string        `json:"name,omitempty"`
	Account []byte        `json:"account"`
	Convs   []*convRecord `json:"conversations"`
	// Peers are the devices that have them, and where they were.
	Peers map[string]peerRecord `json:"peers,omitempty"`
}

// The frame of an archive: magic, salt, nonce, AES-256-GCM of JSON under a key
// of Argon2id with 3 passes over 64 MiB.
const (
	archiveMagic = "simplexkit-swarm-archive-1\n"
	saltSize     = 16
	maxArchive   = 16 << 20
)

func archiveKey(passphrase string, salt []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(argon2.IDKey([]byte(passphrase), salt, 3, 64<<10, 4, 32))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// sealArchive is the account with its conversations, sealed.
func (n *Node) sealArchive(ctx context.Context, passphrase string) ([]byte, error) {
	a, err := n.self(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := a.account.MarshalPEM()
	if err != nil {
		return nil, err
	}
	convs, err := n.records(ctx)
	if err != nil {
		return nil, err
	}
	peers, err := n.sources(ctx, a, convs)
	if err != nil {
		return nil, err
	}
	plain, err := json.Marshal(archive{1, n.displayName(a), keys, convs, peers})
	if err != nil {
		return nil, err
	}
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // crypto/rand.Read never returns an error
	k, err := archiveKey(passphrase, salt)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, k.NonceSize())
	_, _ = rand.Read(nonce)
	out := append(append([]byte(archiveMagic), salt...), nonce...)
	return k.Seal(out, nonce, plain, []byte(archiveMagic)), nil
}

// sources notes in the conversations which devices have them, and returns where
// these were.
func (n *Node) sources(ctx context.Context, a *account, convs []*convRecord) (map[string]peerRecord, error) {
	own := a.device.ID().String()
	peers := map[string]peerRecord{}
	for _, r := range convs {
		if r.State != Member {
			continue
		}
		certs, err := n.Peers(ctx, r.ID)
		if err != nil {
			continue // it cannot be read here, but perhaps with others
		}
		r.Devices = []string{own}
		for _, c := range certs[:min(len(certs), maxSources)] {
			r.Devices = append(r.Devices, c.DeviceID().String())
		}
		for _, d := range r.Devices {
			p, err := get[peerRecord](ctx, n, kindPeer, "", d)
			if err != nil && !isNotFound(err) {
				return nil, err
			}
			if err == nil {
				peers[d] = p
			}
		}
	}
	us := peerRecord{URI: a.device.URI().String(), Name: n.displayName(a)}
	if net := n.network(); net != nil {
		us.Peer, us.Addrs = net.Name(), net.Addresses()
	}
	peers[own] = us
	return peers, nil
}

// maxSources is how many devices of a conversation an archive names.
const maxSources = 64

// errArchive is said of every archive that cannot be opened.
var errArchive = errors.New("swarm: not an archive, or another passphrase")

func openArchive(b []byte, passphrase string) (*archive, error) {
	rest, ok := bytes.CutPrefix(b, []byte(archiveMagic))
	if !ok || len(rest) < saltSize+12 {
		return nil, errArchive
	}
	k, err := archiveKey(passphrase, rest[:saltSize])
	if err != nil {
		return nil, err
	}
	rest = rest[saltSize:]
	plain, err := k.Open(nil, rest[:k.NonceSize()], rest[k.NonceSize():], []byte(archiveMagic))
	if err != nil {
		return nil, errArchive
	}
	a := new(archive)
	if err := json.Unmarshal(plain, a); err != nil || a.V != 1 {
		return nil, errArchive
	}
	return a, nil
}

// Export writes the account to a new file that only its owner may read.
func (n *Node) Export(ctx context.Context, path, passphrase string) error {
	b, err := n.sealArchive(ctx, passphrase)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// Import makes this a device of the account in a file. Its conversations come
// back as soon as a member is reached; who does not know this device yet is
// asked for a new invitation.
func (n *Node) Import(ctx context.Context, path, passphrase string) (*api.SwarmAccount, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.Size() > maxArchive {
		return nil, errArchive
	}
	b, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	a, err := openArchive(b, passphrase)
	if err != nil {
		return nil, err
	}
	return n.adopt(ctx, a)
}

// adopt takes an account over, as a new device.
func (n *Node) adopt(ctx context.Context, a *archive) (*api.SwarmAccount, error) {
	keys, err := ident.ParseAccount(a.Account)
	if err != nil {
		return nil, err
	}
	if err := n.putAccount(ctx, a.Name, keys); err != nil {
		return nil, err
	}
	for dev, p := range a.Peers {
		if err := n.cfg.Values.Put(ctx, value(kindPeer, "", dev, p)); err != nil {
			return nil, err
		}
	}
	for _, r := range a.Convs {
		if _, err := n.record(ctx, r.ID); err == nil {
			continue
		}
		if r.State == Member {
			r.State = Cloning
		}
		if err := n.putRecord(ctx, r); err != nil {
			return nil, err
		}
	}
	return n.Account(ctx)
}

// clock is a commit's time: never before that of the head.
func (n *Node) clock(head int64) time.Time {
	now := n.cfg.Now()
	if now.Unix() < head {
		return time.Unix(head, 0)
	}
	return now
}
