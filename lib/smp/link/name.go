package link

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Name is a name that relays may resolve: of a public group ('#') or of a
// contact ('@').
//
//	#name   #name.simplex   @name.simplex   #a.b.name.testing   @example.com
type Name struct {
	Contact bool
	Labels  []string // at least two, the top one last
}

// ParseName parses a name, with or without "simplex:/name"; without '#' or
// '@' it is a group's, and a group's single label is under "simplex". The
// error is [ErrLink].
func ParseName(s string) (Name, error) {
	s = strings.TrimPrefix(s, "simplex:/name")
	var n Name
	if rest, ok := strings.CutPrefix(s, "@"); ok {
		n.Contact, s = true, rest
	} else {
		s = strings.TrimPrefix(s, "#")
	}
	n.Labels = strings.Split(s, ".")
	if slices.ContainsFunc(n.Labels, func(l string) bool { return !validLabel(l) }) {
		return Name{}, fmt.Errorf("%w: name", ErrLink)
	}
	if len(n.Labels) == 1 {
		if n.Contact {
			return Name{}, fmt.Errorf("%w: name without a domain", ErrLink)
		}
		n.Labels = append(n.Labels, "simplex")
	}
	return n, nil
}

// validLabel tells whether s is words of letters and digits joined by '-'.
// Latin letters with marks are not allowed: they are mistaken for others.
func validLabel(s string) bool {
	for word := range strings.SplitSeq(s, "-") {
		if word == "" {
			return false
		}
		for _, c := range word {
			switch {
			case '0' <= c && c <= '9':
			case !unicode.IsLetter(c), '\u00c0' <= c && c <= '\u024f':
				return false
			}
		}
	}
	return true
}

// Domain is the whole domain: "a.b.name.simplex".
func (n Name) Domain() string { return strings.Join(n.Labels, ".") }

// Short is the form that people see: "#name" for "#name.simplex".
func (n Name) Short() string {
	if n.Contact {
		return "@" + n.Domain()
	}
	if len(n.Labels) == 2 && n.Labels[1] == "simplex" {
		return "#" + n.Labels[0]
	}
	return "#" + n.Domain()
}

// String is the form of a link: "simplex:/name#name.simplex".
func (n Name) String() string {
	if n.Contact {
		return "simplex:/name@" + n.Domain()
	}
	return "simplex:/name#" + n.Domain()
}
