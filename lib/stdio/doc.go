// Package stdio speaks the bot API over lines of JSON: on the standard streams
// of a program, on a socket, on a pipe inside the process. [Serve] is the side
// that has the core, [Client] the other.
//
// A line is one UTF-8 JSON object, ended by LF or CRLF, of at most [MaxLine]
// bytes. Answers carry the corrId of their request and may come in another
// order than the requests; events come between them as whole lines. A line that
// cannot be read is answered by an error object with "corrId":null and the
// session goes on. The end of input lets outstanding requests finish.
//
// Bot API: WebSocket API; its frames are our lines.
package stdio
