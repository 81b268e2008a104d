// Package swarmtest helps to test conversations: repositories that the real
// daemon wrote and such made by hand, good and bad, with what is known of them;
// and accounts whose keys are not secret.
package swarmtest
