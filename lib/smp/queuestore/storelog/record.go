package storelog

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// fields takes a line apart. After the first word that is wrong it gives
// zeros.
type fields struct {
	rest string
	bad  bool
}

// word is the next one, empty at the end.
func (f *fields) word() (w string) {
	w, f.rest, _ = strings.Cut(f.rest, " ")
	return w
}

// named is the value of the next word if it begins with the name.
func (f *fields) named(name string) (v string, ok bool) {
	if !strings.HasPrefix(f.rest, name) {
		return "", false
	}
	return f.word()[len(name):], true
}

// must is the value of the next word, which must have the name.
func (f *fields) must(name string) string {
	v, ok := f.named(name)
	f.bad = f.bad || !ok
	return v
}

func (f *fields) done() error {
	if f.bad || f.rest != "" {
		return errLine
	}
	return nil
}

// decode takes base64url, padded or not, with at least a byte.
func (f *fields) decode(s string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil || len(b) == 0 {
		f.bad = true
		return nil
	}
	return b
}

func (f *fields) id() string { return string(f.decode(f.word())) }

func (f *fields) number() int64 {
	n, err := strconv.ParseInt(f.word(), 10, 64)
	f.bad = f.bad || err != nil
	return n
}

func (f *fields) key(s string) key.Public {
	k, err := key.ParsePublic(f.decode(s))
	f.bad = f.bad || err != nil
	return k
}

func (f *fields) keys(s string) (out []key.Public) {
	for part := range strings.SplitSeq(s, ",") {
		out = append(out, f.key(part))
	}
	return out
}

func (f *fields) secret(s string) (out [32]byte) {
	b := f.decode(s)
	f.bad = f.bad || len(b) != len(out)
	copy(out[:], b)
	return out
}

// data is that of a link; the user's part may be empty.
func (f *fields) data(fixed string) (d smp.LinkData) {
	d.Fixed, d.User = f.decode(fixed), []byte{}
	if user := f.word(); user != "" {
		d.User = f.decode(user)
	}
	return d
}

func (f *fields) notifier(id string) *queuestore.Notifier {
	n := &queuestore.Notifier{ID: smp.NotifierID(f.decode(id)), Key: f.key(f.word()), Secret: f.secret(f.word())}
	if v, ok := f.named("nsrv="); ok {
		n.ServiceID = smp.ServiceID(f.decode(v))
	}
	return n
}

func (f *fields) blocking(s string) *smp.BlockingInfo {
	reason, notice, noted := strings.Cut(s, ",notice=")
	info := &smp.BlockingInfo{Reason: smp.BlockingReason(strings.TrimPrefix(reason, "reason="))}
	if reason == string(info.Reason) || info.Reason != smp.BlockedSpam && info.Reason != smp.BlockedContent {
		f.bad = true
	}
	if noted {
		info.Notice = new(smp.ClientNotice)
		f.bad = f.bad || json.Unmarshal([]byte(notice), info.Notice) != nil
	}
	return info
}

// create parses what follows CREATE.
func (f *fields) create() *queue {
	q := new(queue)
	r := &q.rec
	r.RecipientID = smp.RecipientID(f.decode(f.must("rid=")))
	r.RecipientKeys = f.keys(f.must("rk="))
	r.Secret = f.secret(f.must("rdh="))
	r.SenderID = smp.SenderID(f.decode(f.must("sid=")))
	if k := f.must("sk="); k != "" {
		r.SenderKey = f.key(k)
	}
	if v, ok := f.named("sndSecure="); ok {
		r.Mode = map[string]smp.QueueMode{"T": smp.Messaging, "F": smp.Contact}[v]
		f.bad = f.bad || r.Mode == 0
	} else if v, ok := f.named("queue_mode="); ok {
		r.Mode = map[string]smp.QueueMode{"M": smp.Messaging, "C": smp.Contact}[v]
		f.bad = f.bad || r.Mode == 0
	}
	if v, ok := f.named("link_id="); ok {
		r.LinkID, q.link = smp.LinkID(f.decode(v)), f.data(f.must("queue_data="))
	}
	if v, ok := f.named("notifier="); ok {
		r.Notifier = f.notifier(v)
	}
	if v, ok := f.named("updated_at="); ok {
		_, err := strconv.ParseInt(v, 10, 64)
		f.bad = f.bad || err != nil
	}
	if v, ok := f.named("status="); ok {
		f.status(r, v)
	}
	if v, ok := f.named("rsrv="); ok {
		r.ServiceID = smp.ServiceID(f.decode(v))
	}
	return q
}

func (f *fields) status(r *queuestore.Queue, v string) {
	switch info, blocked := strings.CutPrefix(v, "blocked,"); {
	case blocked:
		r.Status, r.Blocking = queuestore.Blocked, f.blocking(info)
	case v == "off":
		r.Status = queuestore.Off
	case v != "active":
		f.bad = true
	}
}

// service parses what follows NEW_SERVICE. What the other server calls the
// hash of the certificate is another than this relay's, which is made anew.
func (f *fields) service() (s queuestore.Service) {
	s.ID = smp.ServiceID(f.decode(f.must("service_id=")))
	role := f.must("role=")
	if f.bad = f.bad || len(role) != 1; !f.bad {
		s.Role = smp.ServiceRole(role[0])
	}
	var chain [][]byte
	for part := range strings.SplitSeq(f.must("cert="), ",") {
		chain = append(chain, f.decode(part))
	}
	s.Certificate = smp.ChainIdentity(chain)
	f.decode(f.must("cert_hash="))
	_, err := strconv.ParseInt(f.must("created_at="), 10, 64)
	f.bad = f.bad || err != nil || s.Certificate == ""
	return s
}

var (
	errTaken   = errors.New("one of the queue's IDs is in use by another")
	errUnknown = errors.New("of a queue that there is not")
)

// apply runs a line. A line that is not understood, or that the other server
// would refuse, changes nothing.
func (l *Log) apply(line string) error {
	f := &fields{rest: line}
	switch word := f.word(); word {
	case "CREATE":
		q := f.create()
		if err := f.done(); err != nil {
			return err
		}
		return l.add(q)
	case "NEW_SERVICE":
		s := f.service()
		if err := f.done(); err != nil {
			return err
		}
		l.services = append(l.services, s)
		return nil
	default:
		rid := smp.RecipientID(f.id())
		edit := change(word, f)
		if err := f.done(); err != nil || edit == nil {
			return errLine
		}
		q := l.queues[rid]
		if q == nil {
			return errUnknown
		}
		return edit(l, q)
	}
}

// change parses the rest of a line that changes a queue; nil is another line.
func change(word string, f *fields) func(*Log, *queue) error {
	switch word {
	case "LINK":
		id, d := smp.LinkID(f.id()), f.data(f.word())
		return func(l *Log, q *queue) error { return l.link(q, id, d) }
	case "LDELETE":
		return (*Log).unlink
	case "SECURE":
		k := f.key(f.word())
		return func(_ *Log, q *queue) error { return q.secure(k) }
	case "KEYS":
		ks := f.keys(f.word())
		return func(_ *Log, q *queue) error { q.rec.RecipientKeys = ks; return nil }
	case "NOTIFIER":
		n := f.notifier(f.word())
		return func(l *Log, q *queue) error { return l.notify(q, n) }
	case "NDELETE":
		return func(l *Log, q *queue) error { l.silence(q); return nil }
	case "SUSPEND":
		return status(queuestore.Off, nil)
	case "BLOCK":
		return status(queuestore.Blocked, f.blocking(f.word()))
	case "UNBLOCK":
		return status(queuestore.Active, nil)
	case "DELETE":
		return (*Log).remove
	case "TIME":
		f.number()
		return func(*Log, *queue) error { return nil }
	case "QUEUE_SERVICE":
		party, id := f.word(), smp.ServiceID("")
		if f.bad = f.bad || party != "R" && party != "N"; f.rest != "" {
			id = smp.ServiceID(f.id())
		}
		return func(_ *Log, q *queue) error { return q.serve(party, id) }
	}
	return nil
}
