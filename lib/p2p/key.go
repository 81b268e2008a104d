package p2p

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"

	lcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// PeerID names a peer: the multihash of its public key. Its String is base58;
// the value itself is bytes.
type PeerID = peer.ID

// ParsePeerID reads the text form of a peer ID.
func ParsePeerID(s string) (PeerID, error) {
	if len(s) > 128 {
		return "", errors.New("p2p: parse peer ID: too long")
	}
	id, err := peer.Decode(s)
	if err != nil {
		return "", fmt.Errorf("p2p: parse peer ID: %v", err)
	}
	return id, nil
}

// PeerOf is the ID of the peer that holds the private half of pub, an RSA (2048
// bits or more) or Ed25519 key.
func PeerOf(pub crypto.PublicKey) (PeerID, error) {
	k, err := publicKey(pub)
	if err != nil {
		return "", err
	}
	return peer.IDFromPublicKey(k)
}

// DeviceID is the device ID of a key as repositories have it: the hex SHA-256
// of its SubjectPublicKeyInfo.
func DeviceID(pub crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return "", fmt.Errorf("p2p: device ID: %v", err)
	}
	h := sha256.Sum256(der)
	return hex.EncodeToString(h[:]), nil
}

func publicKey(pub crypto.PublicKey) (lcrypto.PubKey, error) {
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(pub)
		if err != nil {
			return nil, fmt.Errorf("p2p: RSA key: %v", err)
		}
		k, err := lcrypto.UnmarshalRsaPublicKey(der)
		if err != nil {
			return nil, fmt.Errorf("p2p: RSA key: %v", err)
		}
		return k, nil
	case ed25519.PublicKey:
		return lcrypto.UnmarshalEd25519PublicKey(pub)
	}
	return nil, fmt.Errorf("p2p: a key of type %T is no identity", pub)
}

func privateKey(priv crypto.PrivateKey) (lcrypto.PrivKey, error) {
	switch priv := priv.(type) {
	case *rsa.PrivateKey:
		k, err := lcrypto.UnmarshalRsaPrivateKey(x509.MarshalPKCS1PrivateKey(priv))
		if err != nil {
			return nil, errors.New("p2p: the RSA key is no good as an identity: 2048 to 8192 bits are needed")
		}
		return k, nil
	case ed25519.PrivateKey:
		return lcrypto.UnmarshalEd25519PrivateKey(priv)
	}
	return nil, fmt.Errorf("p2p: a key of type %T is no identity", priv)
}

// standard is k as the standard library has it.
func standard(k lcrypto.PubKey) (crypto.PublicKey, error) {
	raw, err := k.Raw()
	if err != nil {
		return nil, err
	}
	switch k.Type() {
	case lcrypto.Ed25519:
		return ed25519.PublicKey(raw), nil
	case lcrypto.RSA:
		return x509.ParsePKIXPublicKey(raw)
	}
	return nil, fmt.Errorf("p2p: peer's key is of type %s", k.Type())
}
