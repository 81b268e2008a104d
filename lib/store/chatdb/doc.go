// Package chatdb keeps the state of package chat in SQLite, as the component
// "chat" of a profile's database: users, contacts, connections, chat items,
// messages on their way, and the event log.
package chatdb
