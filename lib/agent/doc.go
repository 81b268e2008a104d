// Package agent makes duplex connections out of the simplex queues of SMP
// relays.
package agent
