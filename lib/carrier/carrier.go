package carrier

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// Name is the name of a road, as people write it behind --via.
type Name string

// The roads.
const (
	TCP       Name = "tcp"
	Multicast Name = "multicast"
	FlipTCP   Name = "flip-tcp"
	FlipUDP   Name = "flip-udp"
	FlipSMP   Name = "flip-smp"
	DTLS      Name = "dtls"
	Libp2p    Name = "libp2p"
	SMP       Name = "smp"
)

// Names are all roads, those with the least in between first.
var Names = []Name{TCP, Multicast, FlipTCP, FlipUDP, DTLS, Libp2p, FlipSMP, SMP}

// ErrRoad is returned for a list that names no road, or none that is known.
var ErrRoad = errors.New("carrier: no such road")

// ParseNames reads a list of roads with commas between them, without
// repetitions; "all" is every road. The error is [ErrRoad].
func ParseNames(list string) ([]Name, error) {
	if list == "all" {
		return slices.Clone(Names), nil
	}
	var out []Name
	for s := range strings.SplitSeq(list, ",") {
		n := Name(strings.TrimSpace(s))
		if !slices.Contains(Names, n) {
			return nil, fmt.Errorf("%w: %.20q; there are %s", ErrRoad, s, JoinNames(Names))
		}
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out, nil
}

// JoinNames writes a list as [ParseNames] reads it.
func JoinNames(names []Name) string {
	s := make([]string, len(names))
	for i, n := range names {
		s[i] = string(n)
	}
	return strings.Join(s, ",")
}

// Road is one way to a callee.
type Road interface {
	Name() Name
	// Dial opens a stream. What answers is not known to be the callee. ctx
	// bounds the opening only.
	Dial(ctx context.Context) (net.Conn, error)
}

// Conn is a stream that knows its road.
type Conn struct {
	net.Conn
	Road Name
}

// RoadOf is the road of a stream that came by [Join] or [Race], "" of others.
func RoadOf(c net.Conn) Name {
	if c, ok := c.(*Conn); ok {
		return c.Road
	}
	return ""
}

// DialFunc is a road made of a function.
type DialFunc struct {
	Via Name
	Do  func(ctx context.Context) (net.Conn, error)
}

// Name is Via.
func (d DialFunc) Name() Name { return d.Via }

// Dial calls Do.
func (d DialFunc) Dial(ctx context.Context) (net.Conn, error) { return d.Do(ctx) }
