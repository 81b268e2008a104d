// Package smpload puts load on a message relay and measures it: any relay
// that speaks SMP, ours or another, so that two can be compared by the same
// bytes.
//
// What it can do are the [Workload]s. A [Load] is opened once and may be run
// several times; it deletes the queues it made, also when it is interrupted or
// its connections are lost.
//
// Every queue costs the relay's owner, so relays that are not on this machine
// are refused unless [Options] say otherwise.
//
// smp: Create queue command; Send message; Acknowledge message delivery; Subscribe to queue
package smpload
