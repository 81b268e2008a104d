package relayhome

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/queuedump"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/storelog"
)

// What an smp-server has in its directory of data.
const (
	smpQueues   = "smp-server-store.log"
	smpStarting = smpQueues + ".start" // whole, while the other is written anew
	smpMessages = "smp-server-messages.log"
	smpJournals = "messages"
)

// Takeover says what [Home.Takeover] reads.
type Takeover struct {
	Dir     string // of an smp-server's data; or its log of queues
	SkipBad bool   // leave out what is not understood
	Merge   bool   // see [queuedump.Load]
}

// Takeover stores the queues and messages of an smp-server that has been
// stopped, out of its files, which are only read. The problems are lines that
// are left out; with any of them nothing is stored, which is [exit.DataErr],
// unless o says to skip them.
func (h *Home) Takeover(ctx context.Context, o Takeover) (n queuedump.Totals, problems []storelog.Problem, err error) {
	l, err := readSMPServer(o.Dir)
	if err != nil {
		return n, nil, err
	}
	if problems = l.Problems(); len(problems) > 0 && !o.SkipBad {
		return n, problems, exit.Errorf(exit.DataErr, "%d lines or files of the smp-server cannot be taken over; nothing was stored", len(problems)).
			WithHint("look at the warnings; --skip-bad leaves them out")
	}
	dump, err := unnamed(h.Dir)
	if err != nil {
		return n, problems, exit.Errorf(exit.IOErr, "relay home: %w", err)
	}
	defer dump.Close()
	w, err := queuedump.NewWriter(dump)
	if err == nil {
		err = l.WriteTo(w)
	}
	if err == nil {
		_, err = w.Close()
	}
	if err == nil {
		_, err = dump.Seek(0, 0)
	}
	if err != nil {
		return n, problems, exit.Errorf(exit.IOErr, "relay: %w", err)
	}
	n, err = h.Import(ctx, dump, o.Merge)
	return n, problems, err
}

// readSMPServer finds and reads the files.
func readSMPServer(path string) (*storelog.Log, error) {
	dir := path
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		if path = filepath.Join(dir, smpStarting); !exists(path) {
			path = filepath.Join(dir, smpQueues)
		}
	} else {
		dir = filepath.Dir(path)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, exit.Errorf(exit.NoInput, "smp-server: %w", err).
			WithHint("name the directory of its data, such as /var/opt/simplex; queues in PostgreSQL are first written there: smp-server database export")
	}
	if err != nil {
		return nil, exit.Errorf(exit.IOErr, "smp-server: %w", err)
	}
	defer f.Close()
	l := new(storelog.Log)
	err = l.Read(f, path)
	for _, name := range []string{smpJournals, smpMessages} {
		if path := filepath.Join(dir, name); err == nil && exists(path) {
			err = l.ReadMessages(path)
		}
	}
	if err != nil {
		return nil, exit.Errorf(exit.IOErr, "smp-server: %w", err)
	}
	return l, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
