package smpserver

import (
	"sync"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// itemPool has memory for messages that are being written.
var itemPool = sync.Pool{New: func() any { b := make([]byte, 0, smp.MaxItem); return &b }}

// bodyPool has memory for bodies of messages on their way through the relay.
// A body that is not put back goes to the garbage collector, so only the
// common ways of a message do it: it is stored and nobody waits for it, or it
// is written to its recipient.
var bodyPool = sync.Pool{New: func() any { b := make([]byte, 0, smp.MaxStoredBody); return &b }}

// cloneBody copies a body that stands in a block. Small ones are not worth a
// buffer.
func cloneBody(b []byte) []byte {
	if len(b) < smp.MaxStoredBody/4 {
		return append(make([]byte, 0, len(b)), b...)
	}
	return append((*bodyPool.Get().(*[]byte))[:0], b...)
}

// putBody is the end of a body that nobody else has.
func putBody(m *queuestore.Message) {
	if b := m.Body; cap(b) == smp.MaxStoredBody {
		b = b[:0]
		bodyPool.Put(&b)
	}
	m.Body = nil
}
