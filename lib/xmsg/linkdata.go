package xmsg

import (
	"encoding/json"
	"fmt"
)

// maxPlainLinkData is up to where the data of a short link stays readable;
// longer data is compressed, since a link has room for about 13,600 bytes.
const maxPlainLinkData = 10240

// EncodeLinkData gives the JSON of what a short link leads to the form in
// which the link has it: as it is, or 'X' and a frame with its size.
func EncodeLinkData(b []byte) []byte {
	if len(b) <= maxPlainLinkData {
		return b
	}
	return encoder().EncodeAll(b, []byte{'X'})
}

// ParseLinkData gives the JSON object that a short link leads to; nil if there
// is none. The error wraps [ErrSyntax], or [ErrTooLarge] for what would be
// over [MaxExpanded], which is not expanded.
func ParseLinkData(b []byte) (json.RawMessage, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if b[0] == 'X' {
		var err error
		if b, err = expandFrame(b[1:], MaxExpanded); err != nil {
			return nil, fmt.Errorf("xmsg: link data: %w", err)
		}
	}
	if len(b) == 0 || b[0] != '{' || !json.Valid(b) {
		return nil, fmt.Errorf("xmsg: link data: no JSON object: %w", ErrSyntax)
	}
	return json.RawMessage(b), nil
}
