package xrcp

import (
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// AnnouncementSize is what an invitation is padded to inside an announcement,
// in bytes.
const AnnouncementSize = 900

// MaxDatagram is the size of an announcement, in bytes: a longer datagram is
// none.
const MaxDatagram = 1 + 44 + 24 + box.Overhead + AnnouncementSize

// ErrUnknownController is returned for an announcement that is for none of the
// pairings.
var ErrUnknownController = errors.New("xrcp: announcement of an unknown controller")

// Announcement is an invitation sealed for one known host.
//
// xrcp: Session invitation
type Announcement struct {
	DH    key.X25519Public // the controller's, the same as in the invitation
	Nonce box.Nonce
	Box   []byte
}

// SealAnnouncement seals an invitation for the host with that key, which the
// host sent in the last session. dh is the key of the invitation. The error is
// [ErrInvitation] for an invitation that is too long or has another key.
func SealAnnouncement(inv *SignedInvitation, host key.X25519Public, dh *key.X25519Private, n box.Nonce) ([]byte, error) {
	if dh.Public() != inv.DH {
		return nil, fmt.Errorf("%w: another DH key", ErrInvitation)
	}
	k, err := box.SharedKey(host, dh)
	if err != nil {
		return nil, err
	}
	text := inv.String()
	if len(text)+2 > AnnouncementSize { // hints are the first that can be missed
		text = (&SignedInvitation{Invitation: inv.Invitation, SessionSig: inv.SessionSig, IDSig: inv.IDSig}).String()
	}
	sealed, err := k.SealPadded(nil, n, []byte(text), AnnouncementSize)
	if err != nil {
		return nil, fmt.Errorf("%w: too long to announce", ErrInvitation)
	}
	return Announcement{DH: inv.DH, Nonce: n, Box: sealed}.Append(nil), nil
}

// Append appends the datagram.
func (a Announcement) Append(b []byte) []byte {
	b = wire.AppendShort(b, a.DH.AppendSPKI(nil))
	return append(append(b, a.Nonce[:]...), a.Box...)
}

// ParseAnnouncement reads a datagram. The error is [ErrInvitation].
func ParseAnnouncement(b []byte) (a Announcement, err error) {
	if len(b) > MaxDatagram {
		return a, fmt.Errorf("%w: datagram of %d bytes", ErrInvitation, len(b))
	}
	d := wire.NewDecoder(b)
	a.DH, a.Nonce = decodeX25519(d), decodeNonce(d)
	a.Box = d.Tail()
	if err := d.Done(); err != nil {
		return Announcement{}, fmt.Errorf("%w: datagram: %v", ErrInvitation, err)
	}
	return a, nil
}

func decodeX25519(d *wire.Decoder) key.X25519Public {
	k, err := key.ParseX25519(d.Short())
	if err != nil {
		d.Fail(err)
	}
	return k
}

func decodeNonce(d *wire.Decoder) (n box.Nonce) {
	copy(n[:], d.Bytes(len(n)))
	return n
}

// Open opens the announcement with a key that this host had in an earlier
// session. The invitation inside is verified and has the DH key of the
// datagram. The errors are box.ErrOpen and [ErrInvitation].
func (a Announcement) Open(host *key.X25519Private) (*SignedInvitation, error) {
	k, err := box.SharedKey(a.DH, host)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvitation, err)
	}
	text, err := k.OpenPadded(a.Nonce, a.Box)
	if err != nil {
		return nil, err
	}
	inv, err := ParseInvitation(string(text))
	if err != nil {
		return nil, err
	}
	if inv.DH != a.DH {
		return nil, fmt.Errorf("%w: another DH key than the datagram's", ErrInvitation)
	}
	return inv, inv.Verify()
}

// Find opens the announcement with the pairing that it was made for: with its
// key, then with the one before. The invitation is verified to be from the
// pairing's controller. The errors are [ErrUnknownController],
// [ErrInvitation] and [ErrIdentity].
//
// xrcp: Key agreement for announcement packet and for session
func (a Announcement) Find(pairings []*ControllerPairing) (*ControllerPairing, *SignedInvitation, error) {
	for _, p := range pairings {
		for _, k := range p.keys() {
			inv, err := a.Open(k)
			if errors.Is(err, box.ErrOpen) {
				continue
			}
			if err != nil {
				return nil, nil, err
			}
			return p, inv, p.Check(&inv.Invitation)
		}
	}
	return nil, nil, ErrUnknownController
}
