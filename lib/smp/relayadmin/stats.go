package relayadmin

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp/smpserver"
)

// Totals are sums by name, as in [Stats].
type Totals map[string]int64

// Stats are numbers of a relay. Totals grow since its start; Days are kept
// over restarts.
type Stats struct {
	V             int       `json:"v"`
	Since         time.Time `json:"since"`
	Totals        Totals    `json:"totals"`
	Queues        int64     `json:"queues"`
	Messages      int64     `json:"messages"`
	Connections   int       `json:"connections"`
	Subscriptions int       `json:"subscriptions"`
	CachedQueues  int       `json:"cachedQueues"`
	Days          []Day     `json:"days"` // the last is today
}

// Day is what happened on a day.
type Day struct {
	Date   string `json:"date"` // UTC, 2006-01-02
	Totals Totals `json:"totals"`
}

// counter is one of the totals, under its names in JSON and in Prometheus.
type counter struct {
	name   string // in JSON
	metric string
	compat string // what smp-server calls it, if it means the same
	help   string
	of     func(smpserver.Stats) int64
}

var counters = []counter{
	{"accepted", "relay_connections_accepted_total", "", "Sockets accepted.", func(s smpserver.Stats) int64 { return s.Accepted }},
	{"handshakes", "relay_handshakes_total", "", "Handshakes that ended well.", func(s smpserver.Stats) int64 { return s.Handshakes }},
	{"refused", "relay_connections_refused_total", "", "Connections closed because there were too many.", func(s smpserver.Stats) int64 { return s.Refused }},
	{"queuesCreated", "relay_queues_created_total", "simplex_smp_queues_created", "Queues created.", func(s smpserver.Stats) int64 { return s.Created }},
	{"messagesSent", "relay_messages_sent_total", "simplex_smp_messages_sent", "Messages taken from senders.", func(s smpserver.Stats) int64 { return s.Sent }},
	{"messagesDelivered", "relay_messages_delivered_total", "", "Messages written to recipients, also again.", func(s smpserver.Stats) int64 { return s.Delivered }},
	{"messagesReceived", "relay_messages_acknowledged_total", "simplex_smp_messages_received", "Messages that recipients have acknowledged.", func(s smpserver.Stats) int64 { return s.Acked }},
	{"messagesExpired", "relay_messages_expired_total", "simplex_smp_messages_expired", "Messages deleted because of their age.", func(s smpserver.Stats) int64 { return s.Expired }},
	{"quotaExceeded", "relay_quota_exceeded_total", "", "Messages refused because their queue was full.", func(s smpserver.Stats) int64 { return s.QuotaExceeded }},
	{"malformed", "relay_malformed_blocks_total", "", "Blocks that could not be read.", func(s smpserver.Stats) int64 { return s.Malformed }},
	{"proxySessions", "relay_proxy_sessions_total", "simplex_smp_relay_sessions_successes", "Sessions with other relays given to clients.", func(s smpserver.Stats) int64 { return s.Proxied }},
	{"proxyMessages", "relay_proxy_messages_total", "simplex_smp_relay_messages_successes", "Commands forwarded to other relays with success.", func(s smpserver.Stats) int64 { return s.Forwarded }},
}

func totals(s smpserver.Stats) Totals {
	t := Totals{}
	for _, c := range counters {
		t[c.name] = c.of(s)
	}
	return t
}

// Stats gives the numbers.
func (a *Admin) Stats(ctx context.Context) (Stats, error) {
	n, err := a.count(ctx)
	if err != nil {
		return Stats{}, err
	}
	s := a.Relay.Stats()
	return Stats{
		V: 1, Since: a.started, Totals: totals(s), Queues: n.Queues, Messages: n.Messages,
		Connections: s.Connections, Subscriptions: s.Subscriptions, CachedQueues: s.QueuesInCache,
		Days: a.history.add(totals(s), time.Now()),
	}, nil
}

// ReadDays gives the days of a home, whether its relay runs or not; today's
// lags by up to a minute.
func ReadDays(home string) ([]Day, error) {
	h, err := readHistory(home)
	return h.Days, err
}

const (
	fileHistory  = "stats.json"
	historyDays  = 31
	historyEvery = time.Minute
)

// history is what stats.json holds, and what was counted when last looked at.
type history struct {
	mu   sync.Mutex
	last Totals
	path string

	V    int   `json:"v"`
	Days []Day `json:"days"`
}

// readHistory gives an empty one with its error.
func readHistory(dir string) (*history, error) {
	h := &history{V: 1, path: filepath.Join(dir, fileHistory), last: Totals{}}
	b, err := os.ReadFile(h.path)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err == nil {
		err = json.Unmarshal(b, h)
	}
	if err != nil {
		h.Days = nil
	}
	return h, err
}

// add puts what was counted since the last time to a day, and gives all days.
func (h *history) add(now Totals, at time.Time) []Day {
	h.mu.Lock()
	defer h.mu.Unlock()
	date := at.UTC().Format(time.DateOnly)
	if n := len(h.Days); n == 0 || h.Days[n-1].Date != date {
		h.Days = append(h.Days, Day{date, Totals{}})
		h.Days = h.Days[max(0, len(h.Days)-historyDays):]
	}
	today := h.Days[len(h.Days)-1].Totals
	for k, v := range now {
		today[k] += v - h.last[k]
	}
	h.last = now
	out := make([]Day, len(h.Days))
	for i, d := range h.Days {
		t := Totals{}
		for k, v := range d.Totals {
			t[k] = v
		}
		out[i] = Day{d.Date, t}
	}
	return out
}

// save replaces the file as a whole.
func (h *history) save(days []Day) error {
	b, err := json.Marshal(&history{V: 1, Days: days})
	if err != nil {
		return err
	}
	return WriteFile(h.path, append(b, '\n'), 0o600)
}

// keepHistory saves the days now and then, and at the end.
func (a *Admin) keepHistory(ctx context.Context) {
	t := time.NewTicker(historyEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		if err := a.history.save(a.history.add(totals(a.Relay.Stats()), time.Now())); err != nil {
			a.Log.Warn("saving the numbers of days", "err", err)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// WriteFile replaces a file as a whole: readers see the old or the new one.
func WriteFile(path string, text []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(mode)
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
