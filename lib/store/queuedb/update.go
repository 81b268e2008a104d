package queuedb

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/store/internal/queuerow"
)

// update is one update's view of the store.
type update struct {
	s  *DB
	tx *sql.Tx
}

var _ queuestore.Tx = (*update)(nil)

// taken tells whether one of q's IDs belongs to another queue. It is asked
// beforehand because a failed statement may spoil the transaction on other
// databases.
func (u *update) taken(q *queuestore.Queue) (bool, error) {
	var link, ntf any = queuerow.Optional(q.LinkID), nil
	if q.Notifier != nil {
		ntf = []byte(q.Notifier.ID)
	}
	var n int
	err := u.tx.QueryRow(`SELECT
		(SELECT count(*) FROM queues WHERE recipient_id = ? AND num <> ?) +
		(SELECT count(*) FROM queues WHERE sender_id = ? AND num <> ?) +
		(SELECT count(*) FROM queues WHERE notifier_id = ? AND num <> ?) +
		(SELECT count(*) FROM queues WHERE link_id = ? AND num <> ?)`,
		[]byte(q.RecipientID), q.Num, []byte(q.SenderID), q.Num, ntf, q.Num, link, q.Num).Scan(&n)
	return n > 0, err
}

// AddQueue implements [queuestore.QueueTx].
func (u *update) AddQueue(q *queuestore.Queue, link smp.LinkData) error {
	q.Num = 0
	taken, err := u.taken(q)
	if err == nil && taken {
		return queuestore.ErrDuplicate
	}
	if err == nil {
		u.s.num++
		q.Num = u.s.num
		_, err = u.tx.Exec(`INSERT INTO queues (`+queuerow.Columns+`, updated_at, num)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, append(queuerow.Args(q), time.Now().Unix(), q.Num)...)
	}
	if err == nil && q.LinkID != "" {
		err = u.PutLinkData(q.Num, link)
	}
	if err != nil {
		return fmt.Errorf("queuedb: add queue: %w", err)
	}
	return nil
}

// PutQueue implements [queuestore.QueueTx].
func (u *update) PutQueue(q *queuestore.Queue) error {
	taken, err := u.taken(q)
	if err != nil {
		return fmt.Errorf("queuedb: change queue: %w", err)
	}
	if taken {
		return queuestore.ErrDuplicate
	}
	r, err := u.tx.Exec(`UPDATE queues SET (`+queuerow.Columns+`, updated_at) =
		(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE num = ?`,
		append(queuerow.Args(q), time.Now().Unix(), q.Num)...)
	var n int64
	if err == nil {
		n, err = r.RowsAffected()
	}
	if err == nil && n == 0 {
		return queuestore.ErrNotFound
	}
	if err == nil && q.LinkID == "" {
		_, err = u.tx.Exec(`DELETE FROM links WHERE queue = ?`, q.Num)
	}
	if err != nil {
		return fmt.Errorf("queuedb: change queue: %w", err)
	}
	return nil
}

// DeleteQueue implements [queuestore.QueueTx].
func (u *update) DeleteQueue(n queuestore.Num) error {
	_, err := u.tx.Exec(`DELETE FROM messages WHERE queue = ?`, n)
	if err == nil {
		_, err = u.tx.Exec(`DELETE FROM queues WHERE num = ?`, n)
	}
	if err != nil {
		return fmt.Errorf("queuedb: delete queue: %w", err)
	}
	return nil
}

// PutLinkData implements [queuestore.QueueTx].
func (u *update) PutLinkData(n queuestore.Num, d smp.LinkData) error {
	var err error
	if d.Fixed == nil {
		_, err = u.tx.Exec(`UPDATE links SET mutable = ? WHERE queue = ?`, queuerow.NotNull(d.User), n)
	} else {
		_, err = u.tx.Exec(`INSERT INTO links (queue, fixed, mutable) VALUES (?, ?, ?)
			ON CONFLICT (queue) DO UPDATE SET fixed = excluded.fixed, mutable = excluded.mutable`,
			n, d.Fixed, queuerow.NotNull(d.User))
	}
	if err != nil {
		return fmt.Errorf("queuedb: put link: %w", err)
	}
	return nil
}

// Service implements [queuestore.QueueTx].
func (u *update) Service(cert smp.Fingerprint, role smp.ServiceRole, proposed smp.ServiceID) (smp.ServiceID, error) {
	_, err := u.tx.Exec(`INSERT INTO services (certificate, role, id, created_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (certificate) DO NOTHING`, []byte(cert), string(role), []byte(proposed), time.Now().Unix())
	var id []byte
	var known string
	if err == nil {
		err = u.tx.QueryRow(`SELECT id, role FROM services WHERE certificate = ?`, []byte(cert)).Scan(&id, &known)
	}
	if err != nil {
		return "", fmt.Errorf("queuedb: look for service: %w", err)
	}
	if known != string(role) {
		return "", queuestore.ErrDuplicate
	}
	return smp.ServiceID(id), nil
}

// AddMessage implements [queuestore.MessageTx].
func (u *update) AddMessage(n queuestore.Num, m *queuestore.Message) error {
	u.s.seq++ // a number of an update that is taken back stays unused
	m.Seq = u.s.seq
	_, err := u.tx.Exec(`INSERT INTO messages (seq, queue, sent, notify, quota, id, body) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		m.Seq, n, m.Time.Unix(), integer(m.Notify), integer(m.Quota), []byte(m.ID), queuerow.NotNull(m.Body))
	if err != nil {
		return fmt.Errorf("queuedb: add message: %w", err)
	}
	return nil
}

func integer(b bool) int {
	if b {
		return 1
	}
	return 0
}

// DeleteMessages implements [queuestore.MessageTx].
func (u *update) DeleteMessages(n queuestore.Num, upTo queuestore.Seq) error {
	if _, err := u.tx.Exec(`DELETE FROM messages WHERE queue = ? AND seq <= ?`, n, upTo); err != nil {
		return fmt.Errorf("queuedb: delete messages: %w", err)
	}
	return nil
}
