package testworld

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// Stream names one direction of one conversation, such as "alice>bob".
type Stream string

// OpKind is what happened to a message.
type OpKind string

// The kinds of entries of a history.
const (
	Attempted OpKind = "attempt" // the sender began to send it
	Accepted  OpKind = "accept"  // it was told that the message is taken
	Shown     OpKind = "show"    // the receiver saw it
	Fault     OpKind = "fault"   // something was killed or cut
)

// Op is one entry of a history.
type Op struct {
	At     time.Duration `json:"at"` // since the history began, in nanoseconds
	Kind   OpKind        `json:"kind"`
	Stream Stream        `json:"stream,omitempty"`
	Text   string        `json:"text"`
	Seq    int64         `json:"seq,omitempty"` // the receiver's number, of Shown
}

// History records what senders and receivers saw and checks it. Texts must be
// different within a stream, and a stream's messages attempted one after
// another. Safe for concurrent use; the zero value is empty.
type History struct {
	mu    sync.Mutex
	start time.Time
	ops   []Op
}

func (h *History) add(op Op) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.start.IsZero() {
		h.start = time.Now()
	}
	op.At = time.Since(h.start)
	h.ops = append(h.ops, op)
}

// Attempt records that text is about to be sent.
func (h *History) Attempt(s Stream, text string) {
	h.add(Op{Kind: Attempted, Stream: s, Text: text})
}

// Accept records that the sender was told that text is taken.
func (h *History) Accept(s Stream, text string) { h.add(Op{Kind: Accepted, Stream: s, Text: text}) }

// Show records that the receiver saw text under its number seq.
func (h *History) Show(s Stream, seq int64, text string) {
	h.add(Op{Kind: Shown, Stream: s, Text: text, Seq: seq})
}

// Fault records what was done to the world.
func (h *History) Fault(what string) { h.add(Op{Kind: Fault, Text: what}) }

// Count is the number of entries of a kind.
func (h *History) Count(k OpKind) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, op := range h.ops {
		if op.Kind == k {
			n++
		}
	}
	return n
}

// Missing is how many accepted messages have not been shown.
func (h *History) Missing() int {
	n := 0
	for _, s := range h.streams() {
		n += len(s.missing())
	}
	return n
}

// MissingOf is how many accepted messages of one stream have not been shown.
func (h *History) MissingOf(name Stream) int {
	for _, s := range h.streams() {
		if s.name == name {
			return len(s.missing())
		}
	}
	return 0
}

// ShownOf is how many messages of one stream have been shown.
func (h *History) ShownOf(name Stream) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, op := range h.ops {
		if op.Kind == Shown && op.Stream == name {
			n++
		}
	}
	return n
}

// WriteTo writes the entries as JSON, one a line.
func (h *History) WriteTo(w io.Writer) (int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var n int64
	for _, op := range h.ops {
		line, err := json.Marshal(op)
		if err != nil {
			return n, fmt.Errorf("testworld: history: %w", err)
		}
		m, err := w.Write(append(line, '\n'))
		n += int64(m)
		if err != nil {
			return n, fmt.Errorf("testworld: history: %w", err)
		}
	}
	return n, nil
}

// Check judges the whole history: I2 over all of it, and I1, which presumes
// that all has been delivered that ever will be. It returns every violation.
func (h *History) Check() error {
	var errs []error
	for _, s := range h.streams() {
		errs = append(errs, s.checkShown()...)
		for _, text := range s.missing() {
			errs = append(errs, fmt.Errorf("I1: %s: accepted and never shown: %q", s.name, text))
		}
	}
	return errors.Join(errs...)
}

// stream is what a history says of one direction.
type stream struct {
	name      Stream
	attempted []string
	accepted  []string
	shown     []Op
}

func (h *History) streams() []*stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	byName := map[Stream]*stream{}
	var all []*stream
	for _, op := range h.ops {
		if op.Kind == Fault {
			continue
		}
		s := byName[op.Stream]
		if s == nil {
			s = &stream{name: op.Stream}
			byName[op.Stream] = s
			all = append(all, s)
		}
		switch op.Kind {
		case Attempted:
			s.attempted = append(s.attempted, op.Text)
		case Accepted:
			s.accepted = append(s.accepted, op.Text)
		case Shown:
			s.shown = append(s.shown, op)
		}
	}
	return all
}

// missing are the accepted messages that were not shown, in their order.
func (s *stream) missing() []string {
	shown := map[string]bool{}
	for _, op := range s.shown {
		shown[op.Text] = true
	}
	return slices.DeleteFunc(slices.Clone(s.accepted), func(text string) bool { return shown[text] })
}

// checkShown finds messages that were shown twice, out of order, under numbers
// that do not rise, or that nobody sent. A message that was attempted and not
// accepted may be shown, in its place, or not.
func (s *stream) checkShown() (errs []error) {
	place := map[string]int{}
	for i, text := range s.attempted {
		place[text] = i
	}
	first := map[string]Op{}
	lastPlace, lastSeq := -1, int64(0)
	for _, op := range s.shown {
		at, sent := place[op.Text]
		before, again := first[op.Text]
		switch {
		case !sent:
			errs = append(errs, fmt.Errorf("I2: %s: shown and never sent: %q", s.name, op.Text))
			continue
		case again:
			errs = append(errs, fmt.Errorf("I2: %s: shown twice: %q at %s as %d and at %s as %d",
				s.name, op.Text, before.At, before.Seq, op.At, op.Seq))
			continue
		case at < lastPlace:
			errs = append(errs, fmt.Errorf("I2: %s: out of order: %q after %q", s.name, op.Text, s.attempted[lastPlace]))
		}
		if op.Seq <= lastSeq && op.Seq != 0 {
			errs = append(errs, fmt.Errorf("I2: %s: number %d of %q after %d", s.name, op.Seq, op.Text, lastSeq))
		}
		first[op.Text] = op
		lastPlace, lastSeq = max(lastPlace, at), max(lastSeq, op.Seq)
	}
	return errs
}
