package smptest

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smphandshake"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// ConnOptions of [Dial].
type ConnOptions struct {
	Versions    wire.VersionRange // zero is smp.Versions
	NoALPN      bool
	ProxyServer bool
	Socket      transport.DialFunc // nil connects directly
	// Service is the certificate of a service, in the role.
	Service     *transport.Credential
	ServiceRole smp.ServiceRole
}

// Conn is a bare connection to a relay.
type Conn struct {
	Params  smp.Params
	Service *smp.ServiceKeys // of a service's session
	Secret  []byte           // DH of the session keys

	t testing.TB
	c *transport.Conn

	mu     sync.Mutex
	got    []smp.Response // not waited for yet
	err    error          // of reading
	hang   bool           // read no more
	closed chan struct{}  // by Close
	change chan struct{}  // closed and replaced when got or err changes
}

// Dial connects to the relay. The connection ends with the test.
func Dial(t testing.TB, addr smp.ServerAddr, o ConnOptions) *Conn {
	t.Helper()
	c, err := dial(t, addr, o)
	if err != nil {
		t.Fatalf("smptest: dial: %v", err)
	}
	return c
}

func dial(t testing.TB, addr smp.ServerAddr, o ConnOptions) (*Conn, error) {
	cfg := transport.ClientConfig{Fingerprint: []byte(addr.KeyHash), ALPN: []string{smp.ALPN}}
	if o.NoALPN {
		cfg.ALPN = nil
	}
	hs := smphandshake.ClientConfig{Identity: addr.KeyHash, Versions: o.Versions, ProxyServer: o.ProxyServer}
	if o.Service != nil {
		cfg.Credential = o.Service
		hs.Service = &smphandshake.Service{Role: o.ServiceRole, Credential: o.Service}
	}
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	tc, err := transport.Dialer{Socket: o.Socket}.Dial(ctx, addr.Hosts, addr.Port, cfg)
	if err != nil {
		return nil, err
	}
	h, err := smphandshake.Connect(ctx, tc, hs)
	if err != nil {
		_ = tc.Abort()
		return nil, err
	}
	c := &Conn{Params: h.Params, Service: h.Service, Secret: h.Secret, t: t, c: tc,
		change: make(chan struct{}), closed: make(chan struct{})}
	done := make(chan struct{})
	go func() { defer close(done); c.read() }()
	t.Cleanup(func() { c.Close(); <-done })
	return c, nil
}

func (c *Conn) read() {
	for {
		b, err := c.c.ReadBlock()
		c.mu.Lock()
		if err != nil {
			c.err = err
		} else {
			c.got = append(c.got, c.Params.ParseResponses(b.Payload())...)
		}
		close(c.change)
		c.change = make(chan struct{})
		hang := c.hang
		c.mu.Unlock()
		if err != nil {
			return
		}
		if hang {
			<-c.closed
			return
		}
	}
}

// Close ends the connection; it may be called again.
func (c *Conn) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.closed:
	default:
		close(c.closed)
		_ = c.c.Abort()
	}
}

// SendBlock sends a block's content as it is.
func (c *Conn) SendBlock(content []byte) {
	c.t.Helper()
	if err := c.c.WriteBlock(content); err != nil {
		c.t.Fatalf("smptest: write: %v", err)
	}
}

// NewCorrID is a random ID.
func NewCorrID() smp.CorrID {
	b := make([]byte, 24)
	_, _ = rand.Read(b)
	return smp.CorrID(b)
}

// Encode encodes and authorizes a command with a new ID.
func (c *Conn) Encode(entity smp.EntityID, cmd smp.Command, k key.Private) (smp.CorrID, smp.Item) {
	c.t.Helper()
	id := NewCorrID()
	item, err := c.Params.EncodeCommand(id, entity, cmd, c.credentials(cmd, k))
	if err != nil {
		c.t.Fatalf("smptest: encode %s: %v", cmd.Tag(), err)
	}
	return id, item
}

func (c *Conn) credentials(cmd smp.Command, k key.Private) smp.Credentials {
	cred := smp.Credentials{Key: k}
	if smp.SignedByService(cmd) {
		cred.Service = c.Service
	}
	return cred
}

// Send sends a command in a block of its own.
func (c *Conn) Send(entity smp.EntityID, cmd smp.Command, k key.Private) smp.CorrID {
	c.t.Helper()
	id, item := c.Encode(entity, cmd, k)
	c.SendBlock(item)
	return id
}

// Do sends a command and waits for its answer.
func (c *Conn) Do(entity smp.EntityID, cmd smp.Command, k key.Private) smp.Response {
	c.t.Helper()
	return c.Answer(c.Send(entity, cmd, k))
}

// Answer waits for the answer to a command.
func (c *Conn) Answer(id smp.CorrID) smp.Response {
	c.t.Helper()
	return c.Wait("an answer", func(r smp.Response) bool { return r.CorrID == id })
}

// Event waits for the next event of a queue.
func (c *Conn) Event(entity smp.EntityID) smp.Response {
	c.t.Helper()
	return c.Wait("an event", func(r smp.Response) bool { return r.CorrID == "" && r.EntityID == entity })
}

// Wait takes the first response that match likes, waiting for it.
func (c *Conn) Wait(what string, match func(smp.Response) bool) smp.Response {
	c.t.Helper()
	limit := time.NewTimer(Timeout)
	defer limit.Stop()
	for {
		r, found, change, err := c.take(match)
		switch {
		case found:
			return r
		case err != nil:
			c.t.Fatalf("smptest: waiting for %s: %v", what, err)
		}
		select {
		case <-change:
		case <-limit.C:
			c.t.Fatalf("smptest: no %s within %v", what, Timeout)
		}
	}
}

func (c *Conn) take(match func(smp.Response) bool) (smp.Response, bool, <-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, r := range c.got {
		if match(r) {
			c.got = append(c.got[:i:i], c.got[i+1:]...)
			return r, true, nil, nil
		}
	}
	return smp.Response{}, false, c.change, c.err
}

// Pending takes all that has come and was not waited for.
func (c *Conn) Pending() []smp.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.got
	c.got = nil
	return got
}

// WaitClosed waits until the relay has closed the connection.
func (c *Conn) WaitClosed() {
	c.t.Helper()
	limit := time.NewTimer(Timeout)
	defer limit.Stop()
	for {
		c.mu.Lock()
		err, change := c.err, c.change
		c.mu.Unlock()
		if err != nil {
			return
		}
		select {
		case <-change:
		case <-limit.C:
			c.t.Fatalf("smptest: connection still open after %v", Timeout)
		}
	}
}

// Queue is a queue on a relay with the keys of its recipient.
type Queue struct {
	smp.IDS
	Key    key.Private // authorizes the recipient
	Secret *box.Key    // opens messages
}

// NewQueue creates a queue.
func (c *Conn) NewQueue(subscribe bool, mode smp.QueueMode) *Queue {
	c.t.Helper()
	k, dh := key.GenerateX25519(), key.GenerateX25519()
	var auth key.Private = k
	if c.Params.Version < smp.VersionAuth {
		auth = key.GenerateEd25519()
	}
	cmd := smp.NEW{AuthKey: auth.PublicKey(), DHKey: dh.Public(), Create: !subscribe}
	if mode != 0 {
		cmd.Queue = &smp.QueueReq{Mode: mode}
	}
	r := c.Do("", cmd, auth)
	ids, ok := r.Message.(smp.IDS)
	if !ok {
		c.t.Fatalf("smptest: answer to NEW: %s", Describe(r))
	}
	shared, err := box.SharedKey(ids.DHKey, dh)
	if err != nil {
		c.t.Fatalf("smptest: %v", err)
	}
	return &Queue{IDS: ids, Key: auth, Secret: shared}
}

// RcvID is the recipient's ID as the entity of a command.
func (q *Queue) RcvID() smp.EntityID { return smp.EntityID(q.RecipientID) }

// SndID is the sender's ID as the entity of a command.
func (q *Queue) SndID() smp.EntityID { return smp.EntityID(q.SenderID) }

// Open decrypts a response that must be a message.
func (q *Queue) Open(t testing.TB, r smp.Response) (smp.MsgID, smp.RcvBody) {
	t.Helper()
	m, ok := r.Message.(smp.MSG)
	if !ok {
		t.Fatalf("smptest: not a message: %s", Describe(r))
	}
	b, err := smp.OpenMsg(q.Secret, m)
	if err != nil {
		t.Fatalf("smptest: %v", err)
	}
	return m.ID, b
}

// Describe is a short text of a response: the tag, and the words of an error.
func Describe(r smp.Response) string {
	if r.Err != nil {
		return "unreadable: " + r.Err.String()
	}
	if e, ok := r.Message.(smp.ERR); ok {
		return "ERR " + e.Err.String()
	}
	if r.Message == nil {
		return "nothing"
	}
	return fmt.Sprint(r.Message.Tag())
}

// StopReading makes the connection take nothing more from the relay, like a
// peer that hangs.
func (c *Conn) StopReading() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hang = true
}

// TrySend sends a block's content, or tells why it cannot be sent.
func (c *Conn) TrySend(content []byte) error { return c.c.WriteBlock(content) }
