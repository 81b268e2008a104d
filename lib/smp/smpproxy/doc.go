// Package smpproxy is the part of a message relay that talks to other relays
// for clients that do not want these to know their addresses:
//
//	client ─ PRXY, PFWD ─> relay, smpproxy ─ RFWD ─> destination relay
//	       <─ PKEY, PRES ─                 <─ RRES ─
//
// All clients share one session with a destination. A destination that cannot
// be reached is not tried again for a while; until then clients get the same
// error at once. Sessions, connection attempts and commands under way are
// bounded, each by a number of [Config].
//
// The proxy sees neither the commands nor the answers: both are encrypted
// between client and destination.
//
// smp: Proxying sender commands
package smpproxy
