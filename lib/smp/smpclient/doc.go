// Package smpclient is the client's side of SMP: one session with a relay,
// with a method for each command of the protocol.
//
// [Dial] connects, checks the relay's identity and agrees on a version; the
// [Client] then runs until it is closed or the connection is lost. Methods
// wait for the relay's answer. What the relay sends unasked, and messages that
// it sends as the answer to SUB or ACK, are handed to [Options.OnMessage] in
// the order of arrival.
//
// Errors are *smp.Error if the relay answered with one. All others are of the
// way to it: [ErrTimeout], [ErrClosed], [ErrFingerprint], [ErrVersion],
// [ErrHandshake], [ErrConnect], [ErrUnexpected] and those of the context.
//
// smp: SMP commands
package smpclient
