package queuedump

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// How much is read from a store at a time.
const (
	queuesAtOnce   = 1000
	messagesAtOnce = 100
)

// Writer writes a dump piece by piece: all services, then all queues, then all
// messages in the order of their arrival.
type Writer struct {
	w   *bufio.Writer
	sum hash.Hash
	n   Totals
}

// NewWriter begins a dump.
func NewWriter(w io.Writer) (*Writer, error) {
	d := &Writer{w: bufio.NewWriterSize(w, 1<<16), sum: sha256.New()}
	return d, d.put(line{Format: formatName, V: formatVersion})
}

// Close ends the dump; the writer beneath stays open.
func (d *Writer) Close() (Totals, error) {
	err := d.put(line{End: &end{Totals: d.n, SHA256: d.sum.Sum(nil)}})
	if err == nil {
		err = d.w.Flush()
	}
	return d.n, err
}

func (d *Writer) put(l line) error {
	b, err := l.encode()
	if err != nil {
		return err
	}
	_, _ = d.sum.Write(b) // a hash takes everything
	_, err = d.w.Write(b)
	return err
}

// Service writes a service.
func (d *Writer) Service(v queuestore.Service) error {
	d.n.Services++
	return d.put(line{Service: &service{[]byte(v.Certificate), string(rune(v.Role)), []byte(v.ID)}})
}

// Queue writes a queue under its number, with the data of its link, if any.
func (d *Writer) Queue(q *queuestore.Queue, data *smp.LinkData) error {
	out := encodeQueue(q)
	if data != nil {
		out.Link = &link{data.Fixed, data.User}
	}
	d.n.Queues++
	return d.put(line{Queue: out})
}

// Message writes a message of a queue that was written.
func (d *Writer) Message(m queuestore.Stored) error {
	d.n.Messages++
	return d.put(line{Message: &message{int64(m.Queue), []byte(m.ID), m.Time.Unix(), m.Notify, m.Quota, m.Body}})
}

// Write writes all that a store holds. The store should be used by nobody
// meanwhile.
func Write(ctx context.Context, w io.Writer, s Store) (n Totals, err error) {
	d, err := NewWriter(w)
	if err == nil {
		err = d.services(ctx, s)
	}
	if err == nil {
		err = d.queues(ctx, s)
	}
	if err == nil {
		err = d.messages(ctx, s)
	}
	if err == nil {
		n, err = d.Close()
	}
	if err != nil {
		return n, fmt.Errorf("queuedump: write: %w", err)
	}
	return n, nil
}

func (d *Writer) services(ctx context.Context, s Store) error {
	all, err := s.ListServices(ctx)
	for _, v := range all {
		if err == nil {
			err = d.Service(v)
		}
	}
	return err
}

func (d *Writer) queues(ctx context.Context, s Store) error {
	var after queuestore.Num
	for {
		qs, err := s.ListQueues(ctx, after, queuesAtOnce)
		if err != nil || len(qs) == 0 {
			return err
		}
		for _, q := range qs {
			var link *smp.LinkData
			if q.LinkID != "" {
				data, err := s.LinkData(ctx, q.Num)
				switch {
				case err == nil:
					link = &data
				case !errors.Is(err, queuestore.ErrNotFound):
					return err
				}
			}
			if err := d.Queue(q, link); err != nil {
				return err
			}
			after = q.Num
		}
	}
}

func encodeQueue(q *queuestore.Queue) *queue {
	out := &queue{
		N: int64(q.Num), RecipientID: []byte(q.RecipientID), SenderID: []byte(q.SenderID), Secret: q.Secret[:],
		SenderKey: encodeKey(q.SenderKey), Status: q.Status, Blocking: q.Blocking,
		LinkID: []byte(q.LinkID), ServiceID: []byte(q.ServiceID),
	}
	if q.Mode != 0 {
		out.Mode = string(rune(q.Mode))
	}
	for _, k := range q.RecipientKeys {
		out.RecipientKeys = append(out.RecipientKeys, encodeKey(k))
	}
	if n := q.Notifier; n != nil {
		out.Notifier = &notifier{[]byte(n.ID), encodeKey(n.Key), n.Secret[:], []byte(n.ServiceID)}
	}
	return out
}

func encodeKey(k key.Public) []byte {
	if k == nil {
		return nil
	}
	return k.AppendSPKI(nil)
}

func (d *Writer) messages(ctx context.Context, s Store) error {
	var after queuestore.Seq
	for {
		ms, err := s.ListMessages(ctx, after, messagesAtOnce)
		if err != nil || len(ms) == 0 {
			return err
		}
		for _, m := range ms {
			if err := d.Message(m); err != nil {
				return err
			}
			after = m.Seq
		}
	}
}
