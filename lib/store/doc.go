// Package store is the engine under every database of the module: one SQLite
// file, opened, migrated, read and written. It knows no tables but its own
// list of migrations; queuedb, agentdb and chatdb stand on it, and several of
// them may share one file.
//
// # Writing
//
// [DB.Update] runs one function at a time, in the order of the calls, and
// returns nil only when what the function wrote is on disk. Calls that wait
// while another runs join its transaction, each within a savepoint of its
// own, and one commit, that is one fsync, serves them all:
//
//	Update A  ─ begin ─ fn ┐
//	Update B    wait       └ savepoint ─ fn ─ release ┐
//	Update C    wait                                  └ savepoint ─ fn ─ commit
//	            A, B and C return together
//
// There is no goroutine behind it: the turn passes from caller to caller and
// the last in the queue commits. A function runs exactly once, on its
// caller's goroutine. An error or a panic in it takes back only what it wrote
// itself; an error of the commit goes to every caller of the group.
//
// A context that ends while its caller waits for the turn ends the wait, and
// the function does not run. Later it has no effect on the transaction: an
// interrupted statement would take back the work of the whole group, so
// statements of an update run to their end whatever their context says. The
// function itself may look at its context and return an error.
//
// After an error of the commit, or the process's death inside it, the update
// may or may not be there at the next start, as with any database.
//
// # Reading
//
// [DB.View] reads a snapshot and never waits for writers, nor they for it. A
// context that ends interrupts it.
//
// # Files
//
// The journal is a write-ahead log: path-wal and path-shm belong to the
// database at path, and only [DB.Backup] makes a copy that is whole. All of
// them are readable by their owner alone. Statements are prepared once for
// each connection and text, so plain ExecContext and QueryContext with
// constant texts are the quick way to use a transaction.
package store
