package dtlsroad

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/pion/dtls/v2"
	"github.com/pion/dtls/v2/pkg/crypto/selfsign"
	"github.com/pion/sctp"
)

// Sizes in bytes.
const (
	maxMessage = 32 << 10 // of SCTP: what one Write is cut into
	window     = 4 << 20  // what the other end may have sent and we not read
)

// closeTimeout is how long Close waits for the other end to have got all.
const closeTimeout = 2 * time.Second

// config is for one connection: its certificate is used once.
func config(log *slog.Logger) (*dtls.Config, error) {
	cert, err := selfsign.GenerateSelfSigned()
	if err != nil {
		return nil, fmt.Errorf("dtlsroad: making a certificate: %w", err)
	}
	c := &dtls.Config{
		CipherSuites:         []dtls.CipherSuiteID{}, // none of the built-in ones
		CustomCipherSuites:   func() []dtls.CipherSuite { return []dtls.CipherSuite{new(suite)} },
		ExtendedMasterSecret: dtls.RequireExtendedMasterSecret,
		InsecureSkipVerify:   true, // see the package comment
		LoggerFactory:        logs{log},
		FlightInterval:       250 * time.Millisecond,
	}
	c.Certificates = append(c.Certificates, cert)
	return c, nil
}

// secure makes a stream of a packet connection, which it closes on error.
func secure(ctx context.Context, packets net.Conn, caller bool, log *slog.Logger) (net.Conn, error) {
	cfg, err := config(log)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = packets.Close() })()
	begin, associate := dtls.ServerWithContext, sctp.Server
	if caller {
		begin, associate = dtls.ClientWithContext, sctp.Client
	}
	sealed, err := begin(ctx, packets, cfg)
	if err != nil {
		_ = packets.Close()
		return nil, reason(ctx, "DTLS", err)
	}
	a, err := associate(sctp.Config{
		NetConn: sealed, LoggerFactory: logs{log}, BlockWrite: true,
		MaxReceiveBufferSize: window, MaxMessageSize: maxMessage,
		RTOMax: 5000, // milliseconds; the default of a minute is for other networks
	})
	if err != nil {
		_ = sealed.Close()
		return nil, reason(ctx, "SCTP", err)
	}
	// Both ends open the same stream; nobody has to wait for the first data.
	s, err := a.OpenStream(0, sctp.PayloadTypeWebRTCBinary)
	if err != nil {
		_ = a.Close()
		return nil, reason(ctx, "SCTP", err)
	}
	return &stream{Stream: s, assoc: a, sealed: sealed, packets: packets}, nil
}

func reason(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return fmt.Errorf("dtlsroad: %s: %w", what, err)
}

// stream is a stream of SCTP as a net.Conn.
type stream struct {
	*sctp.Stream
	assoc   *sctp.Association
	sealed  *dtls.Conn
	packets net.Conn

	buf, rest []byte // owned by the reader
	once      sync.Once
}

// Read reads.
func (s *stream) Read(b []byte) (int, error) {
	if len(s.rest) == 0 {
		if s.buf == nil {
			s.buf = make([]byte, maxMessage)
		}
		if len(b) >= maxMessage {
			return s.Stream.Read(b)
		}
		n, err := s.Stream.Read(s.buf)
		if err != nil {
			return 0, err
		}
		s.rest = s.buf[:n]
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Write writes; it waits while the other end or the network is slow.
func (s *stream) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		m, err := s.Stream.Write(b[:min(len(b), maxMessage)])
		n += m
		if err != nil {
			return n, err
		}
		b = b[m:]
	}
	return n, nil
}

// LocalAddr is the UDP socket's.
func (s *stream) LocalAddr() net.Addr { return s.packets.LocalAddr() }

// RemoteAddr is the UDP address.
func (s *stream) RemoteAddr() net.Addr { return s.packets.RemoteAddr() }

// Close sends what is not sent yet, for a while, and closes.
func (s *stream) Close() error {
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		s.flush(ctx)
		_ = s.assoc.Shutdown(ctx) // what is lost then is lost
		_ = s.assoc.Close()       // closes all below
		_ = s.packets.Close()
		_ = s.SetDeadline(time.Time{}) // each that is set has a goroutine
	})
	return nil
}

// flush waits until the other end has got all; SCTP's shutdown would overtake
// what is not under way yet.
func (s *stream) flush(ctx context.Context) {
	empty := make(chan struct{}, 1)
	s.OnBufferedAmountLow(func() {
		select {
		case empty <- struct{}{}:
		default:
		}
	})
	if s.BufferedAmount() == 0 {
		return
	}
	select {
	case <-empty:
	case <-ctx.Done():
	}
}
