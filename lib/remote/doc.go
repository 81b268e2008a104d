// Package remote lets a profile be used from another machine. On the side that
// has the profile, [Host] pairs with controllers, lets known ones in again,
// and passes their commands to the chat API, except those of [Refused]. On the
// other side, [Desk] invites hosts and [Link] is one host as its user sees it:
// commands that are answered once and events that come once, over one session
// after another.
//
//	Desk ── invitation ──▶ Host.Connect ── session code ──▶ Host.Verify
//	Link ── commands ────▶ filter ──▶ chat API              (profile)
//	     ◀─ events ──────── event log, after the number that Link has kept
//
// # Once
//
// Programs of our own number events and name commands. A host notes a command's
// name before it runs it and its answer after: when a command comes again, it
// is answered from there, and one that was cut short by the host's end is
// answered with an error, and not run again. A controller keeps the number of
// the last event that it has given on. Other programs get the events that
// happen while they are attached, and errors for what was under way when the
// connection ended.
//
// # Roads
//
// The controller listens and the host comes, by any of the roads of package
// roads; or the host listens at an address that stays, the controller calls it,
// hands over an announcement and is the server of TLS on the connection that it
// made: see [WriteCall].
//
// After a loss they meet again with nobody's help. The controller announces its
// next session, and calls where the host listens. The host keeps the last
// invitation with the pairing and asks for the next one by its roads, one
// second after the loss and then more and more seldom, for a day, as long as
// [Host.Serve] runs: so it finds a controller whose address has changed, by the
// relay or the libp2p peer that stayed. Only controllers that told of roads
// beside plain TCP are asked; others would take the question for a failed
// attempt.
//
// Spec: protocol/xrcp.md of simplexmq, version 1; docs/protocol of SimpleX
// Chat for the commands and events about remote control.
package remote
