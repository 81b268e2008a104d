package xrcphost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/filepipe"
)

// Limits of a session.
const (
	maxStreams = 64        // commands at a time; one of them is usually a Recv
	maxFrame   = 128 << 10 // bytes of a frame of HTTP/2, as long as a file's pieces
	// stallTimeout is how long a command may go on without another byte of it,
	// or a response without another byte of it being taken.
	stallTimeout = time.Minute
)

// Handler does what a controller asks. Its methods may be called at the same
// time. ctx ends with the command's stream or with the session. An error is
// answered as a *xrcp.ProtocolError; errors of the chat API belong into the
// Result.
type Handler interface {
	// Send runs a command of the chat API; retry counts from 0 how often the
	// controller says it has sent it before.
	Send(ctx context.Context, command string, retry int) (xrcp.Result, error)
	// Recv waits for the next event; nil means none within wait.
	Recv(ctx context.Context, wait time.Duration) (*xrcp.Result, error)
	// StoreFile makes room for a file. The name is the controller's wish and
	// not to be trusted.
	StoreFile(ctx context.Context, name string, size uint32) (NewFile, error)
	// GetFile opens a file, which is read twice. file is the reference's
	// RemoteFile, not to be trusted.
	GetFile(ctx context.Context, file json.RawMessage) (io.ReadSeekCloser, error)
}

// Resuming is a [Handler] whose app information says Resume: it is given whole
// commands, with the ID and the number that its methods need.
type Resuming interface {
	Handler
	// SendOnce is Send for a command that may have an ID.
	SendOnce(ctx context.Context, cmd xrcp.Send) (xrcp.Result, error)
	// RecvAfter is Recv; wait is that of cmd, and After may be nil.
	RecvAfter(ctx context.Context, cmd xrcp.Recv) (xrcp.Event, error)
}

// NewFile is a file on its way. Either Commit or Abort is called, once.
type NewFile interface {
	io.Writer
	// Commit is called when all is there and the digest right; it returns the
	// name that the host gives the file.
	Commit() (path string, err error)
	// Abort removes what was written.
	Abort() error
}

// Session is a host with its controller.
type Session struct {
	c       *connecting
	conn    *transport.Conn
	bodies  *xrcp.Bodies
	digests filepipe.Digests
	wg      sync.WaitGroup // handlers
}

func newSession(c *connecting, conn *transport.Conn, keys *xrcp.Keys) *Session {
	var codec xrcp.Codec
	if c.Codec != nil {
		codec = c.Codec(c.Invitation.App)
	}
	keys.Verify.Both = both
	return &Session{c: c, conn: conn, bodies: xrcp.NewBodies(keys, conn.SessionID(), codec, c.MaxBody)}
}

// both runs two functions at the same time.
func both(a, b func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		a()
	}()
	b()
	<-done
}

// Pairing is what was stored with Save at last.
func (s *Session) Pairing() *xrcp.ControllerPairing { return s.c.pairing.Confirm() }

// Code is the session code.
func (s *Session) Code() string { return xrcp.SessionCode(s.conn.SessionID()) }

// Road is the one that led to the controller.
func (s *Session) Road() carrier.Name { return s.c.road }

// RemoteAddr is the controller's address.
func (s *Session) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }

// Close ends the session; Serve then returns.
func (s *Session) Close() error {
	s.c.move(xrcp.Ended)
	return s.conn.Close()
}

// Serve answers commands until ctx or the session ends, and waits for the
// handler. It returns ctx's error, or nil if the connection ended. log may be
// nil. To be called once.
//
// xrcp: Controller/host session operation
func (s *Session) Serve(ctx context.Context, h Handler, log *slog.Logger) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	server := s.server(ctx, h, log)
	once := &listener{conn: s.conn.Stream(), closed: make(chan struct{})}
	server.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateClosed {
			_ = once.Close()
		}
	}
	_ = server.Serve(once) // it ends with the connection, whatever it says
	ended := ctx.Err()
	cancel()
	stop()
	s.wg.Wait()
	_ = s.conn.Close()
	s.c.wg.Wait()
	s.c.move(xrcp.Failed)
	return ended
}

// server is HTTP/2 with prior knowledge.
func (s *Session) server(ctx context.Context, h Handler, log *slog.Logger) *http.Server {
	server := &http.Server{
		Protocols: new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, MaxReadFrameSize: maxFrame, SendPingTimeout: s.c.Silence, PingTimeout: s.c.Silence,
		},
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.wg.Add(1)
			defer s.wg.Done()
			s.serve(w, r, h, log)
		}),
		ReadHeaderTimeout: stallTimeout,
	}
	server.Protocols.SetUnencryptedHTTP2(true)
	return server
}

// listener gives one connection, and is closed with it.
type listener struct {
	conn   net.Conn
	given  bool // owned by the caller of Accept
	once   sync.Once
	closed chan struct{}
}

// Accept gives the connection or waits for Close.
func (l *listener) Accept() (net.Conn, error) {
	if !l.given {
		l.given = true
		return l.conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

// Close ends Accept.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is the connection's.
func (l *listener) Addr() net.Addr { return l.conn.LocalAddr() }

// stream is one command.
type stream struct {
	*Session
	w    http.ResponseWriter
	ctl  *http.ResponseController
	body io.Reader
	h    Handler
}

func (s *Session) serve(w http.ResponseWriter, r *http.Request, h Handler, log *slog.Logger) {
	if r.Method != http.MethodPost {
		http.Error(w, "", http.StatusMethodNotAllowed)
		return
	}
	st := &stream{Session: s, w: w, ctl: http.NewResponseController(w), h: h}
	st.body = patient{r.Body, st.ctl}
	err := st.command(r.Context())
	if err != nil && r.Context().Err() == nil {
		log.Debug("remote control: command", "err", err)
	}
	s.wg.Go(s.bodies.Prepare) // while the response is on its way
}

// patient gives up a body that stalls.
type patient struct {
	io.Reader
	ctl *http.ResponseController
}

// Read reads.
func (p patient) Read(b []byte) (int, error) {
	_ = p.ctl.SetReadDeadline(time.Now().Add(stallTimeout)) // HTTP/2 has deadlines
	return p.Reader.Read(b)
}

// command reads, does and answers a command.
func (s *stream) command(ctx context.Context) error {
	msg, k, err := s.bodies.Open(s.body)
	if err != nil {
		return errors.Join(err, s.fail(err))
	}
	cmd, err := xrcp.ParseCommand(msg)
	if err != nil {
		return errors.Join(err, s.fail(err))
	}
	var r xrcp.Response
	switch {
	case cmd.Send != nil:
		r.Chat = new(xrcp.Result)
		if h, ok := s.h.(Resuming); ok {
			*r.Chat, err = h.SendOnce(ctx, *cmd.Send)
		} else {
			*r.Chat, err = s.h.Send(ctx, cmd.Send.Command, cmd.Send.RetryNumber)
		}
	case cmd.Recv != nil:
		_ = s.ctl.SetReadDeadline(time.Time{}) // the command has come; its event may take long
		r.Event = new(xrcp.Event)
		if h, ok := s.h.(Resuming); ok {
			*r.Event, err = h.RecvAfter(ctx, *cmd.Recv)
		} else {
			r.Event.Event, err = s.h.Recv(ctx, cmd.Recv.Wait.Duration())
		}
	case cmd.StoreFile != nil:
		r.FileStored, err = s.store(ctx, cmd.StoreFile, k)
	default:
		return s.get(ctx, cmd.GetFile.File)
	}
	if err != nil {
		return errors.Join(err, s.fail(err))
	}
	_, err = s.reply(r)
	return err
}

func (s *stream) fail(err error) error {
	_, err = s.reply(xrcp.Response{Error: xrcp.AsProtocolError(err)})
	return err
}

// reply sends a response; the key is for an attachment.
func (s *stream) reply(r xrcp.Response) (xrcp.SealKey, error) {
	msg, err := r.MarshalJSON()
	if err != nil {
		return xrcp.SealKey{}, err
	}
	sealed, k, err := s.bodies.Seal(msg)
	if err != nil {
		return xrcp.SealKey{}, err
	}
	_, err = s.Write(sealed)
	return k, err
}

// Write writes to the response.
func (s *stream) Write(b []byte) (int, error) {
	_ = s.ctl.SetWriteDeadline(time.Now().Add(stallTimeout)) // HTTP/2 has deadlines
	return s.w.Write(b)
}

func (s *stream) store(ctx context.Context, cmd *xrcp.StoreFile, k xrcp.SealKey) (*xrcp.FileStored, error) {
	f, err := s.h.StoreFile(ctx, cmd.FileName, cmd.FileSize)
	if err != nil {
		return nil, err
	}
	if err := filepipe.Open(k, f, s.body, cmd.FileSize, cmd.FileDigest); err != nil {
		return nil, errors.Join(err, f.Abort())
	}
	path, err := f.Commit()
	if err != nil {
		return nil, err
	}
	return &xrcp.FileStored{FilePath: path}, nil
}

func (s *stream) get(ctx context.Context, file json.RawMessage) error {
	f, err := s.h.GetFile(ctx, file)
	if err != nil {
		return errors.Join(err, s.fail(err))
	}
	defer func() { _ = f.Close() }()
	digest, size, err := s.digests.Of(f)
	if err != nil {
		return errors.Join(err, s.fail(err))
	}
	k, err := s.reply(xrcp.Response{File: &xrcp.File{FileSize: size, FileDigest: digest}})
	if err != nil {
		return err
	}
	sealed := filepipe.Ahead(k.FileReader(f, size))
	defer func() { _ = sealed.Close() }()
	if _, err := io.CopyBuffer(s, sealed, make([]byte, maxFrame)); err != nil {
		return fmt.Errorf("xrcphost: sending a file: %w", err)
	}
	return nil
}
