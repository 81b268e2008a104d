package storelog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/queuedump"
)

// ReadMessages takes in the messages of queues read before, from a log or
// from a directory of journals. They are read again by WriteTo. The error is
// that of a file that cannot be read.
func (l *Log) ReadMessages(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("storelog: messages: %w", err)
	}
	if st.IsDir() {
		return l.journals(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("storelog: messages: %w", err)
	}
	defer f.Close()
	file := l.file(path)
	return l.lines(f, path, func(line []byte, at int64) error {
		w := fields{rest: string(line)}
		if w.word() != "v3" {
			return errLine
		}
		rid := smp.RecipientID(w.id())
		skip := len(line) - len(w.rest)
		if w.bad {
			return errLine
		}
		return l.place(rid, file, at+int64(skip), w.rest)
	})
}

func (l *Log) file(path string) int32 {
	l.files = append(l.files, path)
	return int32(len(l.files) - 1)
}

// place notes a message.
func (l *Log) place(rid smp.RecipientID, file int32, at int64, line string) error {
	m, err := message(line)
	if err != nil {
		return err
	}
	q := l.queues[rid]
	if q == nil {
		return errUnknown
	}
	q.last = max(q.last, m.Time.Unix())
	l.places = append(l.places, place{queue: q, time: q.last, at: at, size: int32(len(line)), file: file})
	return nil
}

const (
	stateName, logSuffix = "queue_state.", ".log"
	backup               = ".bak" // of a state file that was being replaced
	messagesName         = "messages."
)

// journals reads what is unread of all queues below dir.
func (l *Log) journals(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("storelog: messages: %w", err)
		}
		name, ok := strings.CutPrefix(d.Name(), stateName)
		if !ok || d.IsDir() {
			return nil
		}
		name, replaced := strings.CutSuffix(name, backup)
		name, ok = strings.CutSuffix(name, logSuffix)
		if !ok || strings.Contains(name, ".") {
			return nil // an old copy
		}
		if !replaced {
			if _, err := os.Stat(path + backup); err == nil {
				return nil
			}
		}
		f := fields{}
		if rid := smp.RecipientID(f.decode(name)); !f.bad {
			return l.journal(path, rid)
		}
		l.problem(path, 0, "its name has no queue")
		return nil
	})
}

// journalState is a line of a state file.
type journalState struct {
	write, read journalPlace
	size        int64
}

type journalPlace struct {
	id        string
	at, bytes int64
}

func parseState(line string) (s journalState, err error) {
	f := fields{rest: line}
	s.write, s.read = f.journalPlace("write="), f.journalPlace("read=")
	can := f.must("canWrite=")
	s.size, err = strconv.ParseInt(f.must("size="), 10, 64)
	f.bad = f.bad || err != nil || can != "T" && can != "F"
	return s, f.done()
}

func (f *fields) journalPlace(name string) (p journalPlace) {
	v := strings.Split(f.must(name), ",")
	if f.bad = f.bad || len(v) != 5; f.bad {
		return p
	}
	var n [4]int64
	for i := range n {
		var err error
		n[i], err = strconv.ParseInt(v[i+1], 10, 64)
		f.bad = f.bad || err != nil || n[i] < 0
	}
	p = journalPlace{v[0], n[2], n[3]}
	f.bad = f.bad || p.id == "" || strings.ContainsAny(p.id, "/\\.") || p.at > p.bytes
	return p
}

// journal reads the messages of a queue.
func (l *Log) journal(path string, rid smp.RecipientID) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("storelog: messages: %w", err)
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	s, err := parseState(lines[len(lines)-1])
	if err != nil && len(lines) > 1 { // it was being written
		s, err = parseState(lines[len(lines)-2])
	}
	switch {
	case err != nil:
		l.problem(path, len(lines), "state of the messages: %v", err)
		return nil
	case s.size == 0:
		return nil
	case l.queues[rid] == nil:
		l.problem(path, 0, "messages %v", errUnknown)
		return nil
	}
	dir := filepath.Dir(path)
	if err := l.part(dir, rid, s.read.id, s.read.at, s.read.bytes); err != nil || s.read.id == s.write.id {
		return err
	}
	return l.part(dir, rid, s.write.id, 0, s.write.at)
}

// part reads the messages from one place to another of a file.
func (l *Log) part(dir string, rid smp.RecipientID, id string, from, to int64) error {
	path := filepath.Join(dir, messagesName+id+logSuffix)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		l.problem(path, 0, "is missing")
		return nil
	}
	if err != nil {
		return fmt.Errorf("storelog: messages: %w", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Size() < to {
		l.problem(path, 0, "has %d bytes of %d", st.Size(), to)
	}
	file := l.file(path)
	return l.lines(io.NewSectionReader(f, from, to-from), path, func(line []byte, at int64) error {
		return l.place(rid, file, from+at, string(line))
	})
}

// writeMessages reads the messages again, in their order.
func (l *Log) writeMessages(w *queuedump.Writer) error {
	var open *os.File
	at := int32(-1)
	defer func() {
		if open != nil {
			_ = open.Close() // was only read
		}
	}()
	for _, p := range l.places {
		if p.file != at {
			if open != nil {
				_ = open.Close() // was only read
			}
			var err error
			if open, err = os.Open(l.files[p.file]); err != nil {
				return fmt.Errorf("storelog: messages: %w", err)
			}
			at = p.file
		}
		line := make([]byte, p.size)
		if _, err := open.ReadAt(line, p.at); err != nil {
			return fmt.Errorf("storelog: messages: %w", err)
		}
		m, err := message(string(line))
		if err != nil {
			return fmt.Errorf("storelog: %s changed meanwhile; is the server still running?", l.files[p.file])
		}
		if err := w.Message(queuestore.Stored{Queue: p.queue.rec.Num, Message: m}); err != nil {
			return err
		}
	}
	return nil
}
