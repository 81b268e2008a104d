package transport

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// maxRecording bounds what a handshake may record: a flight with a chain of
// four certificates has less than 10 KiB.
const maxRecording = 1 << 17

// maxCork is the most that is gathered before it is written.
const maxCork = 1 << 17

// recordNone, recordReads and recordWrites tell which direction is the
// client's.
const (
	recordNone = iota
	recordReads
	recordWrites
)

// wireConn lies between TLS and the socket. It records the client's side of
// the handshake, and gathers records so that several blocks are one write.
type wireConn struct {
	net.Conn

	// Used by the goroutine of the handshake, until it is over.
	record    int
	recording []byte

	begun atomic.Int64 // the Conn's

	mu     sync.Mutex
	corked *[]byte // gathered records; nil when not corked
}

var corkPool = sync.Pool{New: func() any { b := make([]byte, 0, 4*DefaultBlockSize); return &b }}

// Read reads from the socket.
func (w *wireConn) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if n > 0 {
		mark(&w.begun)
	}
	if w.record == recordReads {
		if len(w.recording)+n > maxRecording {
			return 0, fmt.Errorf("%w: too long", ErrHandshake)
		}
		w.recording = append(w.recording, b[:n]...)
	}
	return n, err
}

// Write writes to the socket or, while corked, to memory.
func (w *wireConn) Write(b []byte) (int, error) {
	if w.record == recordWrites {
		w.recording = append(w.recording, b...)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.corked == nil {
		return w.Conn.Write(b)
	}
	*w.corked = append(*w.corked, b...)
	if len(*w.corked) < maxCork {
		return len(b), nil
	}
	if err := w.flushLocked(); err != nil {
		return 0, err
	}
	return len(b), nil
}

// cork gathers writes until uncork.
func (w *wireConn) cork() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = corkPool.Get().(*[]byte)
}

// uncork writes what was gathered.
func (w *wireConn) uncork() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.flushLocked()
	if cap(*w.corked) <= 2*maxCork {
		corkPool.Put(w.corked)
	}
	w.corked = nil
	return err
}

func (w *wireConn) flushLocked() error {
	b := *w.corked
	*w.corked = b[:0]
	if len(b) == 0 {
		return nil
	}
	_, err := w.Conn.Write(b)
	return err
}

// stop ends the recording and returns it; the caller wipes it.
func (w *wireConn) stop() []byte {
	r := w.recording
	w.record, w.recording = recordNone, nil
	return r
}
