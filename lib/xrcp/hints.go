package xrcp

import (
	"fmt"
	"strings"
)

// Hint is a parameter of an invitation behind its signatures: by which other
// roads the controller can be reached. The reference ignores it. It is not
// signed: who changes it can make a host try in vain, as who changes the whole
// link can, and nothing more, for what answers has to prove that it is the
// invitation's controller.
type Hint struct {
	Name  HintName
	Value string // of letters, digits and "-._~:/@,=[]"
}

// HintName says what a hint is about.
type HintName string

// The hints.
const (
	HintVia    HintName = "via" // names of roads, with commas between
	HintSMP    HintName = "smp" // a queue that is the rendez-vous
	HintLibp2p HintName = "p2p" // a peer and its addresses
)

var hintNames = []HintName{HintVia, HintSMP, HintLibp2p}

// maxHints bounds the hints of an invitation, in bytes.
const maxHints = 1024

// WithHints is the invitation with other hints. The error is [ErrInvitation]
// for what a link cannot carry.
func (s *SignedInvitation) WithHints(hints ...Hint) (*SignedInvitation, error) {
	n := 0
	for _, h := range hints {
		if h.Value == "" || strings.IndexFunc(h.Value, notInHint) >= 0 {
			return nil, fmt.Errorf("%w: hint %s", ErrInvitation, h.Name)
		}
		n += len(h.Name) + len(h.Value) + 2
	}
	out := *s
	out.Hints = hints
	if n > maxHints || len(out.String()) > maxInvitation {
		return nil, fmt.Errorf("%w: hints of %d bytes", ErrInvitation, n)
	}
	return &out, nil
}

// Hint is the value of a hint, "" if the invitation does not have it.
func (s *SignedInvitation) Hint(name HintName) string {
	for _, h := range s.Hints {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}

func notInHint(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~:/@,=[]", r)
}

func appendHints(b []byte, hints []Hint) []byte {
	for _, h := range hints {
		b = append(append(append(append(b, '&'), h.Name...), '='), h.Value...)
	}
	return b
}

// parseHints takes the hints of a query; others, and more of them than there
// may be, are passed over as the reference passes over all.
func parseHints(q map[string]string) (hints []Hint) {
	n := 0
	for _, name := range hintNames {
		v := q[string(name)]
		if v == "" || strings.IndexFunc(v, notInHint) >= 0 {
			continue
		}
		if n += len(name) + len(v) + 2; n > maxHints {
			return nil
		}
		hints = append(hints, Hint{name, v})
	}
	return hints
}
