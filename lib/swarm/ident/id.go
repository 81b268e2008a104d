package ident

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// URI names an account: the SHA-1 of its public key.
type URI [20]byte

// DeviceID names a device: the SHA-256 of its public key.
type DeviceID [32]byte

// ErrID is wrapped by the errors of ParseURI and ParseDeviceID.
var ErrID = errors.New("not an id")

// ParseURI reads 40 lower-case hex digits, not all zero.
func ParseURI(s string) (URI, error) {
	var u URI
	return u, parseHex(u[:], s, "URI")
}

// ParseDeviceID reads 64 lower-case hex digits, not all zero.
func ParseDeviceID(s string) (DeviceID, error) {
	var d DeviceID
	return d, parseHex(d[:], s, "device id")
}

func parseHex(dst []byte, s, what string) error {
	if len(s) != 2*len(dst) {
		return fmt.Errorf("ident: %s of %d characters, want %d: %w", what, len(s), 2*len(dst), ErrID)
	}
	zero := true
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("ident: %s with %q: %w", what, c, ErrID)
		}
		zero = zero && c == '0'
	}
	if zero {
		return fmt.Errorf("ident: %s of zeros only: %w", what, ErrID)
	}
	_, err := hex.Decode(dst, []byte(s))
	return err
}

// String is 40 hex digits.
func (u URI) String() string { return hex.EncodeToString(u[:]) }

// IsZero tells whether u names nobody.
func (u URI) IsZero() bool { return u == URI{} }

// MarshalText writes the hex digits.
func (u URI) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText is ParseURI.
func (u *URI) UnmarshalText(b []byte) (err error) {
	*u, err = ParseURI(string(b))
	return err
}

// String is 64 hex digits.
func (d DeviceID) String() string { return hex.EncodeToString(d[:]) }

// IsZero tells whether d names no device.
func (d DeviceID) IsZero() bool { return d == DeviceID{} }

// MarshalText writes the hex digits.
func (d DeviceID) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDeviceID.
func (d *DeviceID) UnmarshalText(b []byte) (err error) {
	*d, err = ParseDeviceID(string(b))
	return err
}
