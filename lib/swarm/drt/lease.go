package drt

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"errors"
	"fmt"
	"time"
)

const (
	leaseVersion = 1
	leaseTag     = "DRT-MOBILE"
	// MaxLease is the longest time of a lease.
	MaxLease = 30 * 24 * time.Hour
	// leaseSkew is how far the clock of its device may be ahead of ours.
	leaseSkew = 5 * time.Minute
)

// ErrLease is what a lease that is no good returns, wrapped.
var ErrLease = errors.New("drt: bad lease")

// Lease is a mobile device's word that it belongs to the conversation and wants
// to be woken for it.
type Lease struct {
	Conversation string
	Issuer       string // URI of the account
	Device       ID
	Issued       time.Time // seconds
	Expires      time.Time
	Signature    []byte
}

// signed is what the device signs: a msgpack array.
func (l *Lease) signed() []byte {
	b := appendArray(nil, 7)
	b = appendStr(b, leaseTag)
	b = appendUint(b, leaseVersion)
	b = appendStr(b, l.Conversation)
	b = appendStr(b, l.Issuer)
	b = appendStr(b, l.Device.String())
	b = appendUint(b, uint64(l.Issued.Unix()))
	return appendUint(b, uint64(l.Expires.Unix()))
}

// NewLease signs a lease of the device that holds priv.
func NewLease(conversation, issuer string, device ID, priv *rsa.PrivateKey, now time.Time, d time.Duration) (*Lease, error) {
	l := &Lease{Conversation: conversation, Issuer: issuer, Device: device,
		Issued: time.Unix(now.Unix(), 0), Expires: time.Unix(now.Add(min(d, MaxLease)).Unix(), 0)}
	h := sha512.Sum512(l.signed())
	sig, err := rsa.SignPKCS1v15(rand.Reader, priv, crypto.SHA512, h[:])
	if err != nil {
		return nil, fmt.Errorf("drt: sign lease: %v", err)
	}
	l.Signature = sig
	return l, nil
}

// Valid tells whether the lease is one of the conversation at that time, by its
// fields alone.
func (l *Lease) Valid(conversation string, now time.Time) error {
	switch {
	case l.Conversation != conversation:
		return fmt.Errorf("%w: of another conversation", ErrLease)
	case l.Issued.After(now.Add(leaseSkew)):
		return fmt.Errorf("%w: issued in the future", ErrLease)
	case !now.Before(l.Expires):
		return fmt.Errorf("%w: over", ErrLease)
	case l.Expires.Sub(l.Issued) > MaxLease:
		return fmt.Errorf("%w: too long", ErrLease)
	}
	return nil
}

// Verify tells whether the device with the key pub signed the lease. That the
// key is the device's, and the device the issuer's, is for the caller to know.
func (l *Lease) Verify(pub *rsa.PublicKey) error {
	h := sha512.Sum512(l.signed())
	if rsa.VerifyPKCS1v15(pub, crypto.SHA512, h[:], l.Signature) != nil {
		return fmt.Errorf("%w: signature", ErrLease)
	}
	return nil
}
