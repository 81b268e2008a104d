package storelog

import (
	"errors"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// add is CREATE.
func (l *Log) add(q *queue) error {
	r := &q.rec
	_, sender := l.senders[r.SenderID]
	if sender || l.queues[r.RecipientID] != nil {
		return errTaken
	}
	link, ntf := r.LinkID, r.Notifier
	r.LinkID, r.Notifier = "", nil
	if link != "" {
		if _, taken := l.links[link]; taken {
			return errTaken
		}
	}
	if ntf != nil {
		if _, taken := l.notifies[ntf.ID]; taken {
			return errTaken
		}
		l.notifies[ntf.ID] = struct{}{}
	}
	if link != "" {
		l.links[link] = struct{}{}
	}
	r.LinkID, r.Notifier = link, ntf
	l.senders[r.SenderID] = struct{}{}
	l.queues[r.RecipientID] = q
	l.order = append(l.order, q)
	return nil
}

// remove is DELETE.
func (l *Log) remove(q *queue) error {
	l.silence(q)
	if q.rec.LinkID != "" {
		delete(l.links, q.rec.LinkID)
	}
	delete(l.senders, q.rec.SenderID)
	delete(l.queues, q.rec.RecipientID)
	*q = queue{deleted: true}
	return nil
}

// link is LINK: new data, or other data of the user for the same link.
func (l *Log) link(q *queue, id smp.LinkID, d smp.LinkData) error {
	if have := q.rec.LinkID; have != "" && (have != id || string(q.link.Fixed) != string(d.Fixed)) {
		return errors.New("of a queue that has another link")
	}
	if _, taken := l.links[id]; taken && q.rec.LinkID != id {
		return errTaken
	}
	l.links[id] = struct{}{}
	q.rec.LinkID, q.link = id, d
	return nil
}

// unlink is LDELETE.
func (l *Log) unlink(q *queue) error {
	delete(l.links, q.rec.LinkID)
	q.rec.LinkID, q.link = "", smp.LinkData{}
	return nil
}

// notify is NOTIFIER.
func (l *Log) notify(q *queue, n *queuestore.Notifier) error {
	if _, taken := l.notifies[n.ID]; taken {
		return errTaken
	}
	l.silence(q)
	l.notifies[n.ID] = struct{}{}
	q.rec.Notifier = n
	return nil
}

// silence is NDELETE.
func (l *Log) silence(q *queue) {
	if q.rec.Notifier != nil {
		delete(l.notifies, q.rec.Notifier.ID)
		q.rec.Notifier = nil
	}
}

// secure is SECURE.
func (q *queue) secure(k key.Public) error {
	if q.rec.SenderKey != nil && q.rec.SenderKey != k {
		return errors.New("of a queue that is secured with another key")
	}
	q.rec.SenderKey = k
	return nil
}

func status(s queuestore.Status, why *smp.BlockingInfo) func(*Log, *queue) error {
	return func(_ *Log, q *queue) error {
		q.rec.Status, q.rec.Blocking = s, why
		return nil
	}
}

// serve is QUEUE_SERVICE.
func (q *queue) serve(party string, id smp.ServiceID) error {
	switch {
	case party == "R":
		q.rec.ServiceID = id
	case q.rec.Notifier == nil:
		return errors.New("of a queue without notifications")
	default:
		n := *q.rec.Notifier
		n.ServiceID = id
		q.rec.Notifier = &n
	}
	return nil
}
