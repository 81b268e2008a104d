package wire

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// ErrBase64 is returned by [ParseBase64]; the input is not echoed, as it may
// be a key.
var ErrBase64 = errors.New("wire: bad base64url")

// Base64 is the text form of bytes in links and JSON: base64url with padding.
func Base64[T ~[]byte | ~string](b T) string {
	return base64.URLEncoding.EncodeToString([]byte(b))
}

// ParseBase64 decodes base64url, with or without padding. As in the
// reference, bits that no byte needs must be zero, and nothing else may stand
// between the characters, not even line ends.
func ParseBase64(s string) ([]byte, error) {
	enc := paddedBase64
	if len(s)%4 != 0 {
		enc = rawBase64
	}
	// encoding/base64 skips line ends.
	if !strings.ContainsAny(s, "\r\n") {
		if b, err := enc.DecodeString(s); err == nil {
			return b, nil
		}
	}
	return nil, fmt.Errorf("%w of %d characters", ErrBase64, len(s))
}

var (
	paddedBase64 = base64.URLEncoding.Strict()
	rawBase64    = base64.RawURLEncoding.Strict()
)
