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
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// How much is read from a store at a time.
const (
	queuesAtOnce   = 1000
	messagesAtOnce = 100
)

type writer struct {
	w   *bufio.Writer
	sum hash.Hash
	n   Totals
}

// Write writes all that a store holds. The store should be used by nobody
// meanwhile.
func Write(ctx context.Context, w io.Writer, s Store) (Totals, error) {
	d := &writer{w: bufio.NewWriterSize(w, 1<<16), sum: sha256.New()}
	err := d.put(line{Format: formatName, V: formatVersion})
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
		err = d.put(line{End: &end{Totals: d.n, SHA256: d.sum.Sum(nil)}})
	}
	if err == nil {
		err = d.w.Flush()
	}
	if err != nil {
		return d.n, fmt.Errorf("queuedump: write: %w", err)
	}
	return d.n, nil
}

func (d *writer) put(l line) error {
	b, err := l.encode()
	if err != nil {
		return err
	}
	_, _ = d.sum.Write(b) // a hash takes everything
	_, err = d.w.Write(b)
	return err
}

func (d *writer) services(ctx context.Context, s Store) error {
	all, err := s.ListServices(ctx)
	for _, v := range all {
		if err == nil {
			err = d.put(line{Service: &service{[]byte(v.Certificate), string(rune(v.Role)), []byte(v.ID)}})
			d.n.Services++
		}
	}
	return err
}

func (d *writer) queues(ctx context.Context, s Store) error {
	var after queuestore.Num
	for {
		qs, err := s.ListQueues(ctx, after, queuesAtOnce)
		if err != nil || len(qs) == 0 {
			return err
		}
		for _, q := range qs {
			out := encodeQueue(q)
			if q.LinkID != "" {
				data, err := s.LinkData(ctx, q.Num)
				switch {
				case err == nil:
					out.Link = &link{data.Fixed, data.User}
				case !errors.Is(err, queuestore.ErrNotFound):
					return err
				}
			}
			if err := d.put(line{Queue: out}); err != nil {
				return err
			}
			d.n.Queues++
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

func (d *writer) messages(ctx context.Context, s Store) error {
	var after queuestore.Seq
	for {
		ms, err := s.ListMessages(ctx, after, messagesAtOnce)
		if err != nil || len(ms) == 0 {
			return err
		}
		for _, m := range ms {
			out := &message{int64(m.Queue), []byte(m.ID), m.Time.Unix(), m.Notify, m.Quota, m.Body}
			if err := d.put(line{Message: out}); err != nil {
				return err
			}
			d.n.Messages++
			after = m.Seq
		}
	}
}
