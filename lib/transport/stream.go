package transport

import "net"

// Stream is the connection as plain bytes, without blocks: for protocols that
// begin with a few blocks and go on as something else, such as HTTP/2 in
// remote control. It must not be used beside blocks. Closing it closes the
// Conn.
func (c *Conn) Stream() net.Conn { return stream{c.net, c} }

// stream hides what kind of connection lies below.
type stream struct {
	net.Conn
	conn *Conn
}

// Close closes the Conn that the stream is of.
func (s stream) Close() error { return s.conn.Close() }
