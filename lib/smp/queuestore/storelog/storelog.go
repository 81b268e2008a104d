package storelog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/queuedump"
)

// maxLine bounds a line: a message's body is 16 KB before base64, the data of
// a link and the certificates of a service are not longer.
const maxLine = 1 << 20

// errLine is of a line that is not understood.
var errLine = errors.New("not understood")

// Problem is a line that was left out, and why.
type Problem struct {
	File string
	Line int // from 1; 0 is the file as a whole
	What string
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.What
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.What)
}

// Log is what a server has stored. The zero value is empty.
type Log struct {
	services []queuestore.Service
	queues   map[smp.RecipientID]*queue
	order    []*queue // as created; deleted ones included
	senders  map[smp.SenderID]struct{}
	notifies map[smp.NotifierID]struct{}
	links    map[smp.LinkID]struct{}

	files  []string
	places []place

	problems []Problem
}

type queue struct {
	rec     queuestore.Queue
	link    smp.LinkData
	deleted bool
	last    int64 // time of its last message read
}

// place is where a message stands.
type place struct {
	queue *queue
	time  int64 // not before that of the one before in the queue
	at    int64 // of the line without what precedes the message
	size  int32
	file  int32
}

// Problems are the lines that were left out so far.
func (l *Log) Problems() []Problem { return l.problems }

func (l *Log) problem(file string, line int, format string, args ...any) {
	l.problems = append(l.problems, Problem{file, line, fmt.Sprintf(format, args...)})
}

// Read takes in a log of queues; name is what problems call it. The error is
// the reader's.
func (l *Log) Read(r io.Reader, name string) error {
	if l.queues == nil {
		l.queues, l.senders = map[smp.RecipientID]*queue{}, map[smp.SenderID]struct{}{}
		l.notifies, l.links = map[smp.NotifierID]struct{}{}, map[smp.LinkID]struct{}{}
	}
	return l.lines(r, name, func(line []byte, _ int64) error { return l.apply(string(line)) })
}

// lines calls each with every line, without its end, and the line's place.
func (l *Log) lines(r io.Reader, name string, each func(line []byte, at int64) error) error {
	b := bufio.NewReaderSize(r, 1<<16)
	var long []byte
	at := int64(0)
	for n := 1; ; n++ {
		long = long[:0]
		line, err := b.ReadSlice('\n')
		for err == bufio.ErrBufferFull && len(long) <= maxLine {
			long = append(long, line...)
			line, err = b.ReadSlice('\n')
		}
		if err == bufio.ErrBufferFull {
			return fmt.Errorf("storelog: %s:%d: a line of more than a megabyte; is this file a log?", name, n)
		}
		if len(long) > 0 {
			long = append(long, line...)
			line = long
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("storelog: read %s: %w", name, err)
		}
		start, torn := at, err == io.EOF && len(line) > 0
		at += int64(len(line))
		for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
			line = line[:len(line)-1]
		}
		if len(line) > 0 {
			if e := each(line, start); e != nil && torn {
				l.problem(name, n, "cut short: the server was writing it when it ended")
			} else if e != nil {
				l.problem(name, n, "%v", e)
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

// WriteTo writes everything. The errors are those of reading the messages
// again, and of writing.
func (l *Log) WriteTo(w *queuedump.Writer) error {
	for _, s := range l.services {
		if err := w.Service(s); err != nil {
			return err
		}
	}
	num := queuestore.Num(0)
	for _, q := range l.order {
		if q.deleted {
			continue
		}
		num++
		q.rec.Num = num
		var link *smp.LinkData
		if q.rec.LinkID != "" {
			link = &q.link
		}
		if err := w.Queue(&q.rec, link); err != nil {
			return err
		}
	}
	// Relays look for old messages from the beginning of all.
	slices.SortStableFunc(l.places, func(a, b place) int {
		switch {
		case a.time < b.time:
			return -1
		case a.time > b.time:
			return 1
		}
		return 0
	})
	return l.writeMessages(w)
}

// message parses what is stored of one.
func message(line string) (*queuestore.Message, error) {
	f := fields{rest: line}
	m := &queuestore.Message{ID: smp.MsgID(f.id())}
	m.Time = time.Unix(f.number(), 0).UTC()
	word := f.word()
	switch {
	case word == "quota":
		m.Quota, m.Body = true, []byte{}
		return m, f.done()
	case len(word) >= 7 && word[:6] == "flags=" && (word[6] == 'T' || word[6] == 'F'):
		m.Notify = word[6] == 'T'
		word = f.word()
	}
	m.Body = f.decode(word)
	if len(m.Body) > smp.MaxStoredBody {
		return nil, fmt.Errorf("a message of %d bytes", len(m.Body))
	}
	return m, f.done()
}
