// Package swarm is conversations that no server keeps. A conversation is a git
// repository of signed commits (lib/swarm/repo), whose rules are those of the
// real daemons (lib/swarm/verify); members' devices fetch from each other and
// merge.
//
// A [Node] is one device of one account. Its methods write a commit and return
// when that is on disk; what other devices wrote is checked in whole before a
// line of it is shown. Both come to [Config.Handler] in the order of the
// history, each commit once unless the process dies in between: who keeps them
// must know a commit that comes again.
//
// Beside the repositories a node has [Values]: the account, conversations with
// their states, invitations that wait, settings, marks.
//
// The network is lib/swarm/peer's, behind [Network]: without one a node writes
// and reads what it has, and others get it when it runs.
package swarm
