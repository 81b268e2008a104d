package wire

import (
	"encoding/base64"
	"errors"
	"fmt"
)

// ErrBase64 is returned by [ParseBase64]; the input is not echoed, as it may
// be a key.
var ErrBase64 = errors.New("wire: bad base64url")

// Base64 is the text form of bytes in links and JSON: base64url with padding.
func Base64[T ~[]byte | ~string](b T) string {
	return base64.URLEncoding.EncodeToString([]byte(b))
}

// ParseBase64 decodes base64url, with or without padding.
func ParseBase64(s string) ([]byte, error) {
	enc := base64.URLEncoding
	if len(s)%4 != 0 {
		enc = base64.RawURLEncoding
	}
	b, err := enc.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("%w of %d characters", ErrBase64, len(s))
	}
	return b, nil
}
