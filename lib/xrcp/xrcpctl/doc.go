// Package xrcpctl is the controller of remote control: it listens, shows an
// invitation, greets the one host that comes with the right certificate and
// hello, and then sends it commands.
//
//	New ─▶ Invitation ─▶ Accept ─▶ Session.Send, StoreFile, GetFile
//	                               Session.Run (events)
//
// Hosts that fail cost nothing: the next one is heard, until one has said a
// good hello; then the port is closed. Only one host at a time is past TLS.
//
// Spec: protocol/xrcp.md of simplexmq, version 1; grammar and keys are package
// xrcp's.
//
// xrcp: Establishing TLS connection
// xrcp: Session verification and protocol negotiation
// xrcp: Controller/host session operation
package xrcpctl
