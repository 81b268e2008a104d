package dtlsroad

import (
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// logs gives what the libraries have to say to a logger, at debug level. Their
// words hold addresses.
type logs struct{ l *slog.Logger }

// NewLogger is the same for every part of them.
func (l logs) NewLogger(scope string) logging.LeveledLogger {
	if l.l == nil {
		return logger{slog.New(slog.DiscardHandler)}
	}
	return logger{l.l.With("part", scope)}
}

type logger struct{ l *slog.Logger }

// The levels below debug are dropped: they are of every packet.

// Trace drops.
func (logger) Trace(string) {}

// Tracef drops.
func (logger) Tracef(string, ...any) {}

// Debug drops.
func (logger) Debug(string) {}

// Debugf drops.
func (logger) Debugf(string, ...any) {}

// Info logs.
func (l logger) Info(msg string) { l.l.Debug(msg) }

// Infof logs.
func (l logger) Infof(format string, args ...any) { l.l.Debug(fmt.Sprintf(format, args...)) }

// Warn logs.
func (l logger) Warn(msg string) { l.l.Debug(msg) }

// Warnf logs.
func (l logger) Warnf(format string, args ...any) { l.l.Debug(fmt.Sprintf(format, args...)) }

// Error logs.
func (l logger) Error(msg string) { l.l.Debug(msg) }

// Errorf logs.
func (l logger) Errorf(format string, args ...any) { l.l.Debug(fmt.Sprintf(format, args...)) }
