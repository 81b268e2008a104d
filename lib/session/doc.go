// Package session runs commands over a transport connection: it gathers them
// into blocks, matches answers to them by their correlation IDs and keeps the
// connection alive.
//
// A [Session] has one goroutine that reads and one that writes, both inside
// [Session.Run]. Commands wait in a bounded queue for the writer, which joins
// as many as are waiting into as few blocks as they need. What arrives is
// handed to [Config.OnReceive] in the order of arrival, events and answers
// alike, and answers then to whoever waits for them.
//
// A command that is not answered in time gives [ErrTimeout] and leaves nothing
// behind; its answer, should it still come, is handed to OnReceive only. A
// silent connection is asked with PING; after several unanswered ones it is
// closed.
//
// The notification protocol has the same frame.
//
// smp: Correlating responses with commands
// smp: Keep-alive command
package session
