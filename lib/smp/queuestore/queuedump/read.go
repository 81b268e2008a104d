package queuedump

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// maxLine bounds a line: a message's body is 16 KB, link data not much more.
const maxLine = 1 << 20

// Verify reads a dump to its end and checks it as a whole: its form, its
// totals and its sum. The errors are [ErrFormat], [ErrVersion] and the
// reader's.
func Verify(r io.Reader) (Totals, error) {
	v := verifier{queues: map[int64]struct{}{}}
	return read(r, v.check)
}

// read calls each for every line between the first and the last.
func read(r io.Reader, each func(line) error) (n Totals, err error) {
	lines := bufio.NewReaderSize(r, maxLine)
	sum := sha256.New()
	bad := func(at int64, format string, args ...any) (Totals, error) {
		return n, fmt.Errorf("%w: line %d: %s", ErrFormat, at, fmt.Sprintf(format, args...))
	}
	for at := int64(1); ; at++ {
		b, err := lines.ReadSlice('\n')
		switch {
		case err == io.EOF:
			return bad(at, "the end is missing")
		case err == bufio.ErrBufferFull:
			return bad(at, "too long")
		case err != nil:
			return n, fmt.Errorf("queuedump: read: %w", err)
		}
		var l line
		if err := json.Unmarshal(b, &l); err != nil {
			return bad(at, "not JSON of this format") // the cause might quote a secret
		}
		if at == 1 {
			if l.Format != formatName || l.V < 1 {
				return bad(at, "not the beginning of a dump")
			}
			if l.V > formatVersion {
				return n, fmt.Errorf("%w: v is %d, this release knows %d", ErrVersion, l.V, formatVersion)
			}
		} else if l.End != nil {
			if l.End.Totals != n || !bytes.Equal(l.End.SHA256, sum.Sum(nil)) {
				return bad(at, "totals or sum do not match the lines before")
			}
			if _, err := lines.Peek(1); err != io.EOF {
				return bad(at+1, "something after the end")
			}
			return n, nil
		} else {
			n.add(l)
			if err := each(l); err != nil {
				return n, fmt.Errorf("line %d: %w", at, err)
			}
		}
		_, _ = sum.Write(b) // a hash takes everything
	}
}

func (n *Totals) add(l line) {
	switch {
	case l.Service != nil:
		n.Services++
	case l.Queue != nil:
		n.Queues++
	case l.Message != nil:
		n.Messages++
	}
}

// verifier checks lines by themselves and against those before.
type verifier struct{ queues map[int64]struct{} }

func (v verifier) check(l line) error {
	switch {
	case l.Service != nil:
		_, err := l.Service.decode()
		return err
	case l.Queue != nil:
		if _, twice := v.queues[l.Queue.N]; twice {
			return fmt.Errorf("%w: a queue's number occurs twice", ErrFormat)
		}
		v.queues[l.Queue.N] = struct{}{}
		_, _, err := l.Queue.decode()
		return err
	case l.Message != nil:
		if _, ok := v.queues[l.Message.Queue]; !ok {
			return fmt.Errorf("%w: a message without its queue", ErrFormat)
		}
		return nil
	}
	return fmt.Errorf("%w: neither service nor queue nor message", ErrFormat)
}

func (s *service) decode() (queuestore.Service, error) {
	if len(s.Role) != 1 || len(s.Certificate) == 0 || len(s.ID) == 0 {
		return queuestore.Service{}, fmt.Errorf("%w: service", ErrFormat)
	}
	return queuestore.Service{Certificate: smp.Fingerprint(s.Certificate), Role: smp.ServiceRole(s.Role[0]), ID: smp.ServiceID(s.ID)}, nil
}

func (q *queue) decode() (*queuestore.Queue, smp.LinkData, error) {
	out := &queuestore.Queue{
		RecipientID: smp.RecipientID(q.RecipientID), SenderID: smp.SenderID(q.SenderID),
		Status: q.Status, Blocking: q.Blocking, LinkID: smp.LinkID(q.LinkID), ServiceID: smp.ServiceID(q.ServiceID),
	}
	p := parser{ok: len(q.RecipientID) > 0 && len(q.SenderID) > 0 && len(q.RecipientKeys) > 0 &&
		len(q.Mode) <= 1 && q.Status <= queuestore.Blocked && (q.Status == queuestore.Blocked) == (q.Blocking != nil)}
	p.secret(&out.Secret, q.Secret)
	out.SenderKey = p.key(q.SenderKey)
	for _, b := range q.RecipientKeys {
		out.RecipientKeys = append(out.RecipientKeys, p.key(b))
		p.ok = p.ok && len(b) > 0
	}
	if len(q.Mode) == 1 {
		out.Mode = smp.QueueMode(q.Mode[0])
	}
	if n := q.Notifier; n != nil {
		out.Notifier = &queuestore.Notifier{ID: smp.NotifierID(n.ID), Key: p.key(n.Key), ServiceID: smp.ServiceID(n.ServiceID)}
		p.secret(&out.Notifier.Secret, n.Secret)
		p.ok = p.ok && len(n.ID) > 0 && len(n.Key) > 0
	}
	var data smp.LinkData
	if q.Link != nil {
		data = smp.LinkData{Fixed: append([]byte{}, q.Link.Fixed...), User: append([]byte{}, q.Link.User...)}
	}
	if !p.ok {
		return nil, data, fmt.Errorf("%w: queue", ErrFormat)
	}
	return out, data, nil
}

// parser notes whether anything was wrong.
type parser struct{ ok bool }

func (p *parser) key(b []byte) key.Public {
	if len(b) == 0 {
		return nil
	}
	k, err := key.ParsePublic(b)
	p.ok = p.ok && err == nil
	return k
}

func (p *parser) secret(to *[32]byte, b []byte) {
	p.ok = p.ok && len(b) == len(to)
	copy(to[:], b)
}
