package cli

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/simplexkit/simplexkit/lib/exit"
)

// NewLogger makes a program's logger on w: warnings and errors, with one
// verbose also information, with two all; with quiet errors alone. format is
// text, json or auto, which is text, with the prefixes that journald reads
// instead of times when w is standard error and goes to the journal.
func NewLogger(w io.Writer, format string, verbose int, quiet bool) (*slog.Logger, error) {
	level := slog.LevelWarn
	switch {
	case quiet:
		level = slog.LevelError
	case verbose == 1:
		level = slog.LevelInfo
	case verbose > 1:
		level = slog.LevelDebug
	}
	o := &slog.HandlerOptions{Level: level}
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	case "auto", "text":
	default:
		return nil, exit.Errorf(exit.Usage, "--log-format %s: no such format", format).WithHint("formats are auto, text and json")
	}
	if format == "text" || w != io.Writer(os.Stderr) || !inJournal() {
		return slog.New(slog.NewTextHandler(w, o)), nil
	}
	o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	return slog.New(slog.NewTextHandler(journalWriter{w}, o)), nil
}

// inJournal reports whether standard error is the stream that systemd named.
func inJournal() bool {
	dev, ino, ok := strings.Cut(os.Getenv("JOURNAL_STREAM"), ":")
	if !ok {
		return false
	}
	var st syscall.Stat_t
	if syscall.Fstat(2, &st) != nil {
		return false
	}
	return dev == strconv.FormatUint(st.Dev, 10) && ino == strconv.FormatUint(st.Ino, 10)
}

// journalWriter turns the level that begins each line into the prefix that
// sd-daemon(3) describes. A handler writes a record at once.
type journalWriter struct{ w io.Writer }

func (j journalWriter) Write(line []byte) (int, error) {
	for level, priority := range map[string]string{"ERROR": "<3>", "WARN": "<4>", "INFO": "<6>", "DEBUG": "<7>"} {
		if rest, ok := bytes.CutPrefix(line, []byte("level="+level+" ")); ok {
			_, err := j.w.Write(append([]byte(priority), rest...))
			return len(line), err
		}
	}
	return j.w.Write(line)
}
