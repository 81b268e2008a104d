// Package wsapi serves the bot API over WebSocket, as SimpleX Chat's terminal
// program does with its option -p: every frame is one JSON message of package
// stdio's line protocol, without a hello. Unlike there, every client gets every
// event.
//
// Who can connect can read and send everything, so [Listen] opens loopback
// addresses only unless it is told otherwise, a client may have to show a
// token, and web pages are refused by their Origin.
//
// Bot API: Usage; RFC 6455.
package wsapi
