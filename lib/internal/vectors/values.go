package vectors

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// Hex is bytes written as hex. It is nil for null or an absent member, and not
// nil for "".
type Hex []byte

// UnmarshalJSON reads a string of hex digits or null.
func (h *Hex) UnmarshalJSON(b []byte) error {
	var s *string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if s == nil {
		*h = nil
		return nil
	}
	raw, err := hex.DecodeString(*s)
	if err != nil {
		return fmt.Errorf("vectors: hex: %w", err)
	}
	*h = append([]byte{}, raw...)
	return nil
}

// MarshalJSON writes hex digits, or null for nil.
func (h Hex) MarshalJSON() ([]byte, error) {
	if h == nil {
		return []byte("null"), nil
	}
	return json.Marshal(hex.EncodeToString(h))
}

// String is the hex digits.
func (h Hex) String() string { return hex.EncodeToString(h) }

// Large is a value that may be too large to be written down. It unmarshals
// from hex, from null, from {"sha256", "length", …} and from {"error": …}.
type Large struct {
	Bytes   Hex    // nil unless the value itself is given
	SHA256  Hex    // given instead of the value
	Length  int    // of the value; -1 if it is not known
	Refused string // the error of the reference, instead of a value
	Raw     json.RawMessage
}

// UnmarshalJSON reads one of the forms that the type tells.
func (l *Large) UnmarshalJSON(b []byte) error {
	*l = Large{Length: -1, Raw: append(json.RawMessage(nil), b...)}
	if b = bytes.TrimSpace(b); len(b) == 0 || b[0] != '{' {
		err := json.Unmarshal(b, &l.Bytes)
		if l.Bytes != nil {
			l.Length = len(l.Bytes)
		}
		return err
	}
	var o struct {
		SHA256 Hex  `json:"sha256"`
		Length *int `json:"length"`
		Error  json.RawMessage
	}
	if err := json.Unmarshal(b, &o); err != nil {
		return err
	}
	l.SHA256 = o.SHA256
	if o.Length != nil {
		l.Length = *o.Length
	}
	if l.Refused = string(o.Error); l.SHA256 == nil && o.Error == nil {
		return errors.New("vectors: large value without digest and without error")
	}
	return nil
}

// Check tells whether got is the value.
func (l Large) Check(got []byte) error {
	switch {
	case l.Refused != "":
		return fmt.Errorf("%d bytes, the reference refuses: %s", len(got), l.Refused)
	case l.Length >= 0 && len(got) != l.Length:
		return fmt.Errorf("%d bytes, want %d", len(got), l.Length)
	case l.SHA256 != nil:
		if h := sha256.Sum256(got); !bytes.Equal(h[:], l.SHA256) {
			return fmt.Errorf("%d bytes with SHA-256 %x, want %x", len(got), h, []byte(l.SHA256))
		}
	case l.Bytes == nil:
		return errors.New("no value to compare with")
	case !bytes.Equal(got, l.Bytes):
		return fmt.Errorf("got  %x\nwant %x", got, []byte(l.Bytes))
	}
	return nil
}

// Seeded is the first n bytes of SHA256(seed‖0) ‖ SHA256(seed‖1) ‖ …, the
// counter in 4 bytes, big endian: how large values are made.
func Seeded(seed []byte, n int) []byte {
	out := make([]byte, 0, n+sha256.Size)
	for j := uint32(0); len(out) < n; j++ {
		block := binary.BigEndian.AppendUint32(append([]byte(nil), seed...), j)
		h := sha256.Sum256(block)
		out = append(out, h[:]...)
	}
	return out[:n]
}

// PrivateKey is a private key as vectors write it. Raw of a signing key is its
// seed. Use key.ParsePrivate(k.DER) to work with it.
type PrivateKey struct {
	Alg       string `json:"alg"` // ed25519, ed448, x25519 or x448
	Raw       Hex    `json:"raw"`
	DER       Hex    `json:"pkcs8_der"`
	PublicRaw Hex    `json:"public_raw"`
}

// PublicKey is a public key as vectors write it. Use key.ParsePublic(k.DER) to
// work with it.
type PublicKey struct {
	Alg string `json:"alg"`
	Raw Hex    `json:"raw"`
	DER Hex    `json:"spki_der"`
}

// Result is a value or a refusal: {"error": …}. OK is false for a refusal and
// for null.
type Result struct {
	OK    bool
	Error string          // the reference's name of the error
	Value json.RawMessage // what stood there
}

// UnmarshalJSON keeps the value and sees whether it is a refusal.
func (r *Result) UnmarshalJSON(b []byte) error {
	*r = Result{OK: true, Value: append(json.RawMessage(nil), b...)}
	var o map[string]json.RawMessage
	if bytes.Equal(bytes.TrimSpace(b), []byte("null")) {
		r.OK = false
	} else if json.Unmarshal(b, &o) == nil && o["error"] != nil {
		r.OK, r.Error = false, string(o["error"])
		var s string
		if json.Unmarshal(o["error"], &s) == nil {
			r.Error = s
		}
	}
	return nil
}
