package gitwire

import (
	"fmt"
	"io"
	"strings"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// Ref is a name that a server shows.
type Ref struct {
	Name string
	ID   commit.ObjectID
}

// Client is the fetching side of one exchange.
type Client struct {
	l    *lines
	caps map[string]bool
}

// NewClient speaks on rw, which the caller watches over with a Link.
func NewClient(rw io.ReadWriter) *Client { return &Client{l: newLines(rw)} }

const (
	maxRefName = 1024
	// bare is the name in front of the capabilities of a server without refs.
	bare = "capabilities^{}"
)

// Refs reads what the server shows, at most limit of them; more are ErrTooMany.
func (c *Client) Refs(limit int) ([]Ref, error) {
	var refs []Ref
	for n := 0; ; n++ {
		line, flush, err := c.l.text()
		if err != nil {
			return nil, fmt.Errorf("gitwire: refs: %w", noEOF(err))
		}
		if flush {
			return refs, nil
		}
		if n == 0 && line == "version 1" {
			n--
			continue
		}
		if n > limit {
			return nil, fmt.Errorf("gitwire: refs: more than %d: %w", limit, ErrTooMany)
		}
		if strings.HasPrefix(line, "shallow ") {
			return nil, fmt.Errorf("gitwire: refs: shallow repository: %w", ErrProtocol)
		}
		name, caps, _ := strings.Cut(line, "\x00")
		if n == 0 {
			c.capabilities(caps)
		}
		ref, err := parseRef(name)
		if err != nil {
			return nil, err
		}
		if ref.Name != bare && !strings.HasSuffix(ref.Name, "^{}") {
			refs = append(refs, ref)
		}
	}
}

func parseRef(line string) (Ref, error) {
	id, name, ok := strings.Cut(line, " ")
	if !ok || name == "" || len(name) > maxRefName {
		return Ref{}, fmt.Errorf("gitwire: ref of %d bytes: %w", len(line), ErrProtocol)
	}
	oid, err := commit.ParseObjectID(id)
	if err != nil {
		return Ref{}, fmt.Errorf("gitwire: ref: %v: %w", err, ErrProtocol)
	}
	return Ref{name, oid}, nil
}

func (c *Client) capabilities(s string) {
	c.caps = make(map[string]bool)
	for _, name := range strings.Fields(s) {
		c.caps[name] = true
	}
}

// Done tells the server that nothing is wanted.
func (c *Client) Done() error { return c.l.flushLine() }

// Want asks for want and all that it reaches and haves do not. It returns the
// pack, which ends in io.EOF.
func (c *Client) Want(want commit.ObjectID, haves []commit.ObjectID) (io.Reader, error) {
	if !c.caps["side-band-64k"] {
		return nil, fmt.Errorf("gitwire: server without side-band-64k: %w", ErrProtocol)
	}
	caps := " side-band-64k"
	for _, name := range []string{"no-progress", "ofs-delta"} {
		if c.caps[name] {
			caps += " " + name
		}
	}
	c.l.write("want ", want.String(), caps, "\n")
	_, _ = c.l.w.WriteString("0000")
	for _, id := range haves {
		c.l.write("have ", id.String(), "\n")
	}
	c.l.write("done\n")
	if err := c.l.w.Flush(); err != nil {
		return nil, fmt.Errorf("gitwire: want: %w", err)
	}
	line, flush, err := c.l.text()
	if err != nil {
		return nil, fmt.Errorf("gitwire: want: %w", noEOF(err))
	}
	if flush || line != "NAK" && !strings.HasPrefix(line, "ACK ") {
		return nil, fmt.Errorf("gitwire: want: neither ACK nor NAK: %w", ErrProtocol)
	}
	return &unband{l: c.l}, nil
}
