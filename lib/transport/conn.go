package transport

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// DefaultBlockSize is the block size of SMP, in bytes.
const DefaultBlockSize = 16384

// State is what TLS, or whatever else secures a connection, has established.
type State struct {
	SessionID []byte // tls-unique: 12 bytes in TLS 1.2, 32 in 1.3
	ALPN      string // agreed protocol, empty if none
	PeerChain Chain  // verified; empty if the peer showed none
	Version   uint16 // of TLS, such as 0x0304; 0 if it is not TLS
}

// Conn is a secured connection that carries blocks. One goroutine may read
// while another writes; the other methods are safe at any time, but
// [Conn.SetChains], which comes before both.
type Conn struct {
	net       net.Conn // carries plain text: the TLS connection
	raw       net.Conn // the socket
	wire      *wireConn
	state     State
	blockSize int

	first      [1]byte       // owned by the reader
	begun      *atomic.Int64 // Unix nanoseconds of the first byte after the last block; 0: none
	send, recv *box.Chain

	closing sync.Once
	closed  error
}

// NewConn carries blocks over a connection that somebody else has secured: c
// with what st tells of it. A block size of 0 is [DefaultBlockSize].
func NewConn(c net.Conn, st State, blockSize int) *Conn {
	if blockSize == 0 {
		blockSize = DefaultBlockSize
	}
	return &Conn{net: c, raw: c, state: st, blockSize: blockSize, begun: new(atomic.Int64)}
}

// State is what the handshake established. The caller must not change it.
func (c *Conn) State() State { return c.state }

// SessionID binds authorizations to this connection. The caller must not
// change it.
func (c *Conn) SessionID() []byte { return c.state.SessionID }

// ALPN is the agreed protocol, empty if none.
func (c *Conn) ALPN() string { return c.state.ALPN }

// PeerChain is the peer's verified chain, empty if it showed none.
func (c *Conn) PeerChain() Chain { return c.state.PeerChain }

// RemoteAddr is the peer's network address.
func (c *Conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// LocalAddr is this end's network address.
func (c *Conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// BlockSize is the size of every block, in bytes.
func (c *Conn) BlockSize() int { return c.blockSize }

// MaxPayload is the size of the largest payload that a block holds now.
func (c *Conn) MaxPayload() int {
	if c.send != nil {
		return c.blockSize - box.Overhead - 2
	}
	return c.blockSize - 2
}

// SetChains begins block encryption, in both directions, with the next block.
// It must not be called while another goroutine reads or writes. The chains
// belong to the Conn from now on.
//
// smp: Transport handshake
func (c *Conn) SetChains(send, recv *box.Chain) { c.send, c.recv = send, recv }

// PartSince is when the first byte arrived of a block, or of the TLS record
// that it begins in, which is not complete; zero if there is none. The owner
// decides how long a peer may take.
func (c *Conn) PartSince() time.Time {
	at := c.begun.Load()
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(0, at)
}

// SetDeadline bounds reads and writes; the zero time means no bound. After a
// write has timed out the connection is of no use.
func (c *Conn) SetDeadline(t time.Time) error { return c.net.SetDeadline(t) }

// SetReadDeadline bounds reads.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.net.SetReadDeadline(t) }

// SetWriteDeadline bounds writes.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.net.SetWriteDeadline(t) }

// Close says goodbye to the peer, waiting up to 5 seconds for room in the
// socket, and closes. Later calls return the same error.
func (c *Conn) Close() error {
	c.closing.Do(func() { c.closed = c.net.Close() })
	return c.closed
}

// Abort closes the socket at once; reads and writes that are under way fail.
func (c *Conn) Abort() error {
	err := c.raw.Close()
	_ = c.Close() // releases what TLS holds; the socket is closed already
	return err
}

// Block is a received block. Release gives its memory to later blocks; a
// block that is not released goes to the garbage collector, so payloads may be
// kept simply by not releasing.
type Block struct {
	payload []byte
	buf     *[]byte
	pool    *sync.Pool
}

// Payload is the content. It is valid until Release.
func (b *Block) Payload() []byte { return b.payload }

// Release must be called at most once, when no slice of the payload is in use.
func (b *Block) Release() {
	if b.buf != nil && b.pool != nil {
		b.pool.Put(b.buf)
	}
	b.payload, b.buf = nil, nil
}

// blockPool holds buffers of [DefaultBlockSize]; other sizes are small or rare.
var blockPool = sync.Pool{New: func() any { b := make([]byte, DefaultBlockSize); return &b }}

func (c *Conn) buffer() (*[]byte, *sync.Pool) {
	if c.blockSize == DefaultBlockSize {
		return blockPool.Get().(*[]byte), &blockPool
	}
	b := make([]byte, c.blockSize)
	return &b, nil
}

// ReadBlock waits for a block. io.EOF means that the peer closed between two
// blocks, io.ErrUnexpectedEOF that it did inside of one; also [ErrBlock] and
// errors of the network. While it waits no buffer is held.
func (c *Conn) ReadBlock() (Block, error) {
	if _, err := io.ReadFull(c.net, c.first[:]); err != nil {
		return Block{}, err
	}
	mark(c.begun)
	buf, pool := c.buffer()
	b := Block{buf: buf, pool: pool}
	(*buf)[0] = c.first[0]
	if _, err := io.ReadFull(c.net, (*buf)[1:]); err != nil {
		b.Release()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Block{}, err
	}
	c.begun.Store(0)
	if err := c.open(&b); err != nil {
		b.Release()
		return Block{}, err
	}
	return b, nil
}

// mark notes the time unless that was done.
func mark(begun *atomic.Int64) {
	if begun.Load() == 0 {
		begun.Store(time.Now().UnixNano())
	}
}

func (c *Conn) open(b *Block) (err error) {
	if c.recv != nil {
		k, nonce := c.recv.Next()
		b.payload, err = k.OpenPaddedInPlace(nonce, *b.buf)
		k.Wipe()
	} else {
		b.payload, err = wire.Unpad(*b.buf)
	}
	if err != nil {
		return fmt.Errorf("%w: %v", ErrBlock, err)
	}
	return nil
}

// seal makes a block in the memory of buf.
func (c *Conn) seal(buf, payload []byte) ([]byte, error) {
	if c.send == nil {
		return wire.Pad(buf, payload, c.blockSize)
	}
	k, nonce := c.send.Next()
	defer k.Wipe()
	return k.SealPadded(buf, nonce, payload, c.blockSize-box.Overhead)
}

// WriteBlock writes one block. [ErrTooLarge] leaves the connection usable; it
// is of no use after any other error.
func (c *Conn) WriteBlock(payload []byte) error { return c.WriteBlocks(payload) }

// WriteBlocks writes blocks, several of them with one write to the socket.
// With [ErrTooLarge] for any of them nothing is written.
func (c *Conn) WriteBlocks(payloads ...[]byte) (err error) {
	for _, p := range payloads {
		if len(p) > c.MaxPayload() {
			return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(p), c.MaxPayload())
		}
	}
	if c.wire != nil && len(payloads) > 1 {
		c.wire.cork()
		defer func() {
			if e := c.wire.uncork(); err == nil {
				err = e
			}
		}()
	}
	for _, p := range payloads {
		if err := c.writeBlock(p); err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) writeBlock(payload []byte) error {
	buf, pool := c.buffer()
	out := Block{buf: buf, pool: pool}
	defer func() { out.Release() }()
	block, err := c.seal((*buf)[:0], payload)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrTooLarge, err)
	}
	_, err = c.net.Write(block)
	return err
}
