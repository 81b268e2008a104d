// Package testworld holds the tests of the whole: a relay and two messengers,
// as processes that are killed ([World]) or in one process on a network with
// faults (its simulation test), and a [History] that judges what came of the
// messages.
//
// What must never break, whatever fails:
//
//	I1  a message that was accepted is delivered, or still stored
//	I2  no message is shown twice, none out of order
package testworld
