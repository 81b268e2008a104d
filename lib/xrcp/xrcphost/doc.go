// Package xrcphost is the host of remote control: it connects to the
// controller of an invitation, has the session code compared, and then answers
// the controller's commands with the help of a [Handler].
//
//	invitation or announcement ─▶ Connect ─▶ Session.Serve
//
// Nothing is stored before the code was found to be the same, and the handler
// hears of nothing before the controller has proved its keys. Commands are
// checked for both signatures of the controller.
//
// Spec: protocol/xrcp.md of simplexmq, version 1; grammar and keys are package
// xrcp's.
//
// xrcp: Establishing TLS connection
// xrcp: Session verification and protocol negotiation
// xrcp: Controller/host session operation
package xrcphost
