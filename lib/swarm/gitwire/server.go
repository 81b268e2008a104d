package gitwire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// Backend is the repository behind a server.
type Backend interface {
	// Head is what HEAD and refs/heads/main are, zero if there is nothing.
	Head(ctx context.Context) (commit.ObjectID, error)
	// Known tells whether the repository has the commit.
	Known(ctx context.Context, id commit.ObjectID) (bool, error)
	// Pack writes a pack of all that want reaches and haves, which are
	// known, do not. Its error is told to the client as "pack", no more.
	Pack(ctx context.Context, want commit.ObjectID, haves []commit.ObjectID, w io.Writer) error
}

// maxWants is how many want lines are read; a client that names the same head
// for every ref sends as many.
const maxWants = 64

const capabilities = "side-band side-band-64k ofs-delta no-progress include-tag symref=HEAD:refs/heads/main agent=simplexkit"

type server struct {
	ctx   context.Context
	l     *lines
	b     Backend
	haves int // limit

	head commit.ObjectID
	want commit.ObjectID
	band int // size of chunks, 0 without side-band
	have []commit.ObjectID
}

// Serve answers one client, which may send up to haves have lines. It returns
// nil when the client has its pack or wants nothing.
func Serve(ctx context.Context, rw io.ReadWriter, b Backend, haves int) error {
	s := &server{ctx: ctx, l: newLines(rw), b: b, haves: haves}
	if err := s.serve(); err != nil {
		return fmt.Errorf("gitwire: serve: %w", err)
	}
	return nil
}

func (s *server) serve() (err error) {
	if s.head, err = s.b.Head(s.ctx); err != nil {
		return err
	}
	if err := s.refs(); err != nil {
		return err
	}
	if wanted, err := s.wants(); err != nil || !wanted {
		return err
	}
	if done, err := s.negotiate(); err != nil || !done {
		return err
	}
	return s.pack()
}

func (s *server) refs() error {
	if s.head.IsZero() {
		s.l.write(s.head.String(), " ", bare, "\x00", capabilities, "\n")
		return s.l.flushLine()
	}
	s.l.write(s.head.String(), " HEAD\x00", capabilities, "\n")
	s.l.write(s.head.String(), " refs/heads/main\n")
	return s.l.flushLine()
}

// refuse tells the client what it did wrong.
func (s *server) refuse(text string) error {
	s.l.write("ERR ", text)
	return errors.Join(fmt.Errorf("%s: %w", text, ErrProtocol), s.l.w.Flush())
}

// wants reads the want lines; the flush alone means none.
func (s *server) wants() (wanted bool, err error) {
	for n := 0; ; n++ {
		line, flush, err := s.l.text()
		if err == io.EOF && n == 0 {
			return false, nil
		}
		if err != nil {
			return false, noEOF(err)
		}
		if flush {
			return n > 0, nil
		}
		arg, ok := strings.CutPrefix(line, "want ")
		if !ok {
			return false, s.refuse("only want lines are understood here")
		}
		if n == maxWants {
			return false, errors.Join(ErrTooMany, s.refuse("too many wants"))
		}
		id, caps, _ := strings.Cut(arg, " ")
		if n == 0 {
			s.choose(caps)
		}
		if s.want, err = commit.ParseObjectID(id); err != nil || s.want != s.head || s.head.IsZero() {
			return false, s.refuse("not our ref")
		}
	}
}

// choose reads the capabilities that the client wants used.
func (s *server) choose(caps string) {
	for _, c := range strings.Fields(caps) {
		switch c {
		case "side-band":
			s.band = max(s.band, oldChunk)
		case "side-band-64k":
			s.band = maxChunk
		}
	}
}

// negotiate reads the haves up to done. The first that is known is
// acknowledged, and each flush before it is denied.
func (s *server) negotiate() (done bool, err error) {
	for n := 0; ; n++ {
		line, flush, err := s.l.text()
		if err == io.EOF {
			return false, nil // the client had second thoughts
		}
		if err != nil {
			return false, err
		}
		arg, have := strings.CutPrefix(line, "have ")
		switch {
		case flush:
			if len(s.have) == 0 {
				s.l.write("NAK\n")
			}
			if err := s.l.w.Flush(); err != nil {
				return false, err
			}
		case line == "done":
			if len(s.have) == 0 {
				s.l.write("NAK\n")
			}
			return true, nil
		case have && n < s.haves:
			if err := s.gotHave(arg); err != nil {
				return false, err
			}
		case have:
			return false, errors.Join(ErrTooMany, s.refuse("too many haves"))
		default:
			return false, s.refuse("neither have nor done")
		}
	}
}

func (s *server) gotHave(arg string) error {
	id, err := commit.ParseObjectID(arg)
	if err != nil {
		return s.refuse("have without id")
	}
	known, err := s.b.Known(s.ctx, id)
	if err != nil || !known {
		return err
	}
	if s.have = append(s.have, id); len(s.have) > 1 {
		return nil
	}
	s.l.write("ACK ", id.String(), "\n")
	return s.l.w.Flush()
}

func (s *server) pack() error {
	if s.band == 0 {
		return errors.Join(s.b.Pack(s.ctx, s.want, s.have, s.l.w), s.l.w.Flush())
	}
	if err := s.b.Pack(s.ctx, s.want, s.have, &band{s.l, 1, s.band}); err != nil {
		_, _ = (&band{s.l, 3, s.band}).Write([]byte("pack\n"))
		return errors.Join(err, s.l.flushLine())
	}
	return s.l.flushLine()
}
