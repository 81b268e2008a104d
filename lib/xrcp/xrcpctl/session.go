package xrcpctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/filepipe"
)

var (
	// ErrLost is returned once the connection to the host has ended.
	ErrLost = errors.New("xrcpctl: the host is gone")
	// ErrResponse is returned for a response that does not belong to the
	// command.
	ErrResponse = errors.New("xrcpctl: response of another kind")
)

// PollWait is how long a host is asked to wait for an event, as the reference
// asks.
const PollWait = 10 * time.Second

// maxCommands is how many commands may be under way; hosts may allow as few as
// 64 streams.
const maxCommands = 48

// maxFrame is how long frames of HTTP/2 may be, in bytes: that of a file's
// pieces.
const maxFrame = 128 << 10

// Session is a controller with its host. Safe for concurrent use.
type Session struct {
	c       *Controller
	conn    *transport.Conn
	http    *http.ClientConn
	slots   chan struct{} // one for each command under way
	bodies  *xrcp.Bodies
	answer  xrcp.Answer
	lost    *watched
	digests filepipe.Digests
	beside  sync.WaitGroup // keys that are made
	road    carrier.Name   // "" where the listener did not say
}

func newSession(c *Controller, conn *transport.Conn, answer xrcp.Answer) (*Session, error) {
	var codec xrcp.Codec
	if c.cfg.Codec != nil {
		codec = c.cfg.Codec(answer.Hello.App)
	}
	s := &Session{c: c, conn: conn, answer: answer, lost: &watched{Conn: conn.Stream(), done: make(chan struct{})}}
	s.slots = make(chan struct{}, maxCommands)
	s.bodies = xrcp.NewBodies(answer.Keys, conn.SessionID(), codec, c.cfg.MaxBody)
	if err := s.attach(); err != nil {
		return nil, fmt.Errorf("xrcpctl: HTTP/2: %w", err)
	}
	return s, nil
}

// attach makes this end the client of HTTP/2, with prior knowledge, on the
// connection that it has accepted.
func (s *Session) attach() (err error) {
	t := &http.Transport{
		DisableCompression: true,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout: s.c.cfg.Silence, PingTimeout: s.c.cfg.Silence, MaxReadFrameSize: maxFrame,
		},
		Protocols:   new(http.Protocols),
		DialContext: func(context.Context, string, string) (net.Conn, error) { return s.lost, nil },
	}
	t.Protocols.SetUnencryptedHTTP2(true)
	s.http, err = t.NewClientConn(context.Background(), "http", "xrcp:80")
	return err
}

// watched tells when a connection has ended; HTTP/2 always reads from it.
type watched struct {
	net.Conn
	once sync.Once
	done chan struct{}
}

// Read reads; the first error ends the session.
func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err != nil {
		w.once.Do(func() { close(w.done) })
	}
	return n, err
}

// HostApp is the host's app information.
func (s *Session) HostApp() json.RawMessage { return s.answer.Hello.App }

// Pairing is what was stored with Save.
func (s *Session) Pairing() *xrcp.HostPairing { return s.answer.Pairing }

// Code is the session code.
func (s *Session) Code() string { return xrcp.SessionCode(s.conn.SessionID()) }

// Road is the one that the host came by, "" where the listener does not say.
func (s *Session) Road() carrier.Name { return s.road }

// RemoteAddr is the host's address.
func (s *Session) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }

// Done is closed when the connection has ended.
func (s *Session) Done() <-chan struct{} { return s.lost.done }

// Close ends the session, with the commands that are under way, and waits
// until nothing more is read.
func (s *Session) Close() error {
	s.c.move(xrcp.Ended)
	err := s.conn.Close() // before HTTP/2's, which waits for answers
	<-s.lost.done
	if herr := s.http.Close(); !errors.Is(herr, net.ErrClosed) {
		err = errors.Join(err, herr)
	}
	return err
}

// Reply is a response; Close must be called.
type Reply struct {
	xrcp.Response
	key  xrcp.SealKey
	body io.ReadCloser
	sent <-chan struct{}

	slots chan struct{}
	once  sync.Once // gives the slot back
}

// WriteFile writes the file that the response brings to w: to a temporary one,
// as it is not known to be whole before WriteFile has returned nil. The errors
// are those of xrcp.SealKey.OpenFile.
func (r *Reply) WriteFile(w io.Writer) error {
	if r.File == nil {
		return xrcp.ErrNoFile
	}
	return filepipe.Open(r.key, w, r.body, r.File.FileSize, r.File.FileDigest)
}

// Close gives up what has not been read.
func (r *Reply) Close() error {
	err := r.finish()
	r.once.Do(func() { <-r.slots })
	return err
}

func (r *Reply) finish() error {
	err := r.body.Close()
	<-r.sent
	return err
}

// Do sends any command, with a file if it is one to store, and waits for the
// response. The errors are ctx's, [ErrLost], *xrcp.ProtocolError, and those of
// xrcp.Bodies.Open, which end the session: both sides' keys may differ then.
func (s *Session) Do(ctx context.Context, cmd xrcp.Command, file io.Reader) (*Reply, error) {
	msg, err := cmd.MarshalJSON()
	if err != nil {
		return nil, err
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r, err := s.do(ctx, cmd, msg, file)
	if r == nil {
		<-s.slots
	}
	return r, err
}

func (s *Session) do(ctx context.Context, cmd xrcp.Command, msg []byte, file io.Reader) (*Reply, error) {
	sealed, k, err := s.bodies.Seal(msg)
	if err != nil {
		return nil, err
	}
	body := &requestBody{src: &joined{head: sealed}, done: make(chan struct{})}
	length := int64(len(sealed))
	if file != nil && cmd.StoreFile != nil {
		attached := filepipe.Ahead(k.FileReader(file, cmd.StoreFile.FileSize))
		body.src, body.end = &joined{sealed, attached}, attached
		length = -1
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://xrcp/", nil)
	if err != nil {
		return nil, err
	}
	req.Body, req.ContentLength = body, length
	s.beside.Go(s.bodies.Prepare) // while the command is on its way
	resp, err := s.http.RoundTrip(req)
	if err != nil {
		_ = body.Close() // nobody else does where nothing was sent
		return nil, s.failure(ctx, err)
	}
	reply := &Reply{body: resp.Body, sent: body.done, slots: s.slots}
	if err := s.read(resp, reply); err != nil {
		_ = reply.finish()
		return nil, s.failure(ctx, err)
	}
	return reply, nil
}

func (s *Session) read(resp *http.Response, r *Reply) (err error) {
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: HTTP status %d", ErrResponse, resp.StatusCode)
	}
	msg, k, err := s.bodies.Open(resp.Body)
	if err != nil {
		return err
	}
	r.key = k
	if r.Response, err = xrcp.ParseResponse(msg); err != nil {
		return err
	}
	if r.Response.Error != nil {
		return r.Response.Error
	}
	return nil
}

// failure says what happened in terms of the session.
func (s *Session) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	select {
	case <-s.lost.done:
		s.c.move(xrcp.Failed)
		return fmt.Errorf("%w: %v", ErrLost, err)
	default:
		return err
	}
}

// Send runs a command of the chat API. retry counts from 0 how often it was
// sent before.
func (s *Session) Send(ctx context.Context, command string, retry int) (xrcp.Result, error) {
	return s.SendOnce(ctx, xrcp.Send{Command: command, RetryNumber: retry})
}

// SendOnce is Send for a command that may have an ID.
func (s *Session) SendOnce(ctx context.Context, cmd xrcp.Send) (xrcp.Result, error) {
	r, err := s.Do(ctx, xrcp.Command{Send: &cmd}, nil)
	if err != nil {
		return xrcp.Result{}, err
	}
	defer func() { _ = r.Close() }()
	if r.Chat == nil {
		return xrcp.Result{}, ErrResponse
	}
	return *r.Chat, nil
}

// Recv asks for the next event; nil is none within wait.
func (s *Session) Recv(ctx context.Context, wait time.Duration) (*xrcp.Result, error) {
	e, err := s.RecvAfter(ctx, xrcp.Recv{Wait: xrcp.Micros(wait.Microseconds())})
	return e.Event, err
}

// RecvAfter asks for the next event of a host that numbers them.
func (s *Session) RecvAfter(ctx context.Context, cmd xrcp.Recv) (xrcp.Event, error) {
	r, err := s.Do(ctx, xrcp.Command{Recv: &cmd}, nil)
	if err != nil {
		return xrcp.Event{}, err
	}
	defer func() { _ = r.Close() }()
	if r.Event == nil {
		return xrcp.Event{}, ErrResponse
	}
	return *r.Event, nil
}

// Run gives each event to handle, one at a time and in order, until ctx or the
// session ends or handle returns an error.
func (s *Session) Run(ctx context.Context, handle func(xrcp.Result) error) error {
	for {
		e, err := s.Recv(ctx, PollWait)
		if err == nil && e != nil {
			err = handle(*e)
		}
		if err != nil {
			return err
		}
	}
}

// StoreFile brings a file to the host, which puts it under a name like the one
// given, and returns that.
func (s *Session) StoreFile(ctx context.Context, name string, file io.ReadSeeker) (string, error) {
	digest, size, err := s.digests.Of(file)
	if err != nil {
		return "", err
	}
	cmd := xrcp.Command{StoreFile: &xrcp.StoreFile{FileName: name, FileSize: size, FileDigest: digest}}
	r, err := s.Do(ctx, cmd, file)
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Close() }()
	if r.FileStored == nil {
		return "", ErrResponse
	}
	return r.FileStored.FilePath, nil
}

// GetFile writes a file of the host's to w; see [Reply.WriteFile]. file is the
// reference's RemoteFile.
func (s *Session) GetFile(ctx context.Context, file json.RawMessage, w io.Writer) error {
	r, err := s.Do(ctx, xrcp.Command{GetFile: &xrcp.GetFile{File: file}}, nil)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	if r.File == nil {
		return ErrResponse
	}
	if err := r.WriteFile(w); err != nil {
		return s.failure(ctx, err)
	}
	return nil
}

// joined reads head, then rest.
type joined struct {
	head []byte
	rest io.Reader
}

// Read reads.
func (j *joined) Read(b []byte) (int, error) {
	if len(j.head) > 0 {
		n := copy(b, j.head)
		j.head = j.head[n:]
		return n, nil
	}
	if j.rest == nil {
		return 0, io.EOF
	}
	return j.rest.Read(b)
}

// requestBody tells when HTTP/2 reads no more of it, so that the caller's file
// is the caller's again.
type requestBody struct {
	src  io.Reader
	end  io.Closer  // may be nil
	mu   sync.Mutex // held while src is read
	done chan struct{}
}

// Read reads.
func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.done:
		return 0, io.ErrClosedPipe
	default:
		return b.src.Read(p)
	}
}

// Close is called by HTTP/2, any number of times.
func (b *requestBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.done:
	default:
		if b.end != nil {
			_ = b.end.Close()
		}
		close(b.done)
	}
	return nil
}
