// Package testworld holds the tests of the whole: a relay and two messengers,
// as processes that are killed ([World]), in one process behind a [Proxy] with
// faults, or in simulated time on a [Network] and disks with faults; and a
// [History] that judges what came of the messages.
//
// What must never break, whatever fails:
//
//	I1  a message that was accepted is delivered, or still stored
//	I2  no message is shown twice, none out of order
//	I3  the relay is told that a message was taken only when it is on disk
//	I4  no message key is used twice: every message can be decrypted, without gaps
//	I5  a queue obeys nobody but its owner
package testworld
