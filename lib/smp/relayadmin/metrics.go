package relayadmin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"time"

	"github.com/simplexkit/simplexkit/lib/exit"
)

// family writes one number as Prometheus reads it.
func family(b *strings.Builder, name, kind, help string, v any) {
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n%s %v\n", name, help, name, kind, name, v)
}

// Metrics gives all numbers in the text format of Prometheus. Names of
// smp-server are kept where they mean the same, so that dashboards go on.
// There are no labels but the program's version.
func (a *Admin) Metrics(ctx context.Context) (string, error) {
	n, err := a.count(ctx)
	if err != nil {
		return "", err
	}
	s := a.Relay.Stats()
	var b strings.Builder
	for _, c := range counters {
		family(&b, c.metric, "counter", c.help, c.of(s))
	}
	gauges := []struct {
		name, help string
		v          any
	}{
		{"relay_queues", "Queues in the store.", n.Queues},
		{"relay_messages", "Messages in the store.", n.Messages},
		{"relay_connections", "Connections.", s.Connections},
		{"relay_subscriptions", "Subscriptions.", s.Subscriptions},
		{"relay_cached_queues", "Queues in memory.", s.QueuesInCache},
		{"relay_start_time_seconds", "When the relay was started.", fmt.Sprintf("%.3f", float64(a.started.UnixMilli())/1000)},
		{"relay_goroutines", "Goroutines of the process.", runtime.NumGoroutine()},
		{"relay_heap_bytes", "Memory in use by the process's heap.", heapBytes()},
	}
	for _, g := range gauges {
		family(&b, g.name, "gauge", g.help, g.v)
	}
	if c, err := a.Relay.Home.Cert(); err == nil {
		family(&b, "relay_certificate_expiry_time_seconds", "gauge", "When the online certificate expires.", c.NotAfter.Unix())
	}
	fmt.Fprintf(&b, "# HELP relay_info The program.\n# TYPE relay_info gauge\nrelay_info{version=%q} 1\n", a.Version)
	for _, c := range counters {
		if c.compat != "" {
			family(&b, c.compat, "counter", "As "+c.metric+".", c.of(s))
		}
	}
	for _, g := range []struct {
		name, as string
		v        any
	}{
		{"simplex_smp_queues_total1", "relay_queues", n.Queues},
		{"simplex_smp_messages_total", "relay_messages", n.Messages},
		{"simplex_smp_clients_total", "relay_connections", s.Connections},
		{"simplex_smp_subscribtion_total", "relay_subscriptions", s.Subscriptions},
	} {
		family(&b, g.name, "gauge", "As "+g.as+".", g.v)
	}
	return b.String(), nil
}

func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// Handler serves /metrics, /healthz and /readyz.
func (a *Admin) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		text, err := a.Metrics(r.Context())
		if err != nil {
			a.Log.Error("metrics", "err", err)
			http.Error(w, "the store does not answer", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write([]byte(text)) // the peer may have gone
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { state(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { state(w, a.Alive(r.Context())) })
	return mux
}

func state(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	body := map[string]string{"status": "ok"}
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		body = map[string]string{"status": "unavailable", "reason": "the store does not answer"}
	}
	b, _ := json.Marshal(body) // strings only: cannot fail
	_, _ = w.Write(append(b, '\n'))
}

// ListenMetrics opens the address for [Admin.ServeHTTP]: host:port, or
// unix:/path.
func ListenMetrics(ctx context.Context, addr string) (net.Listener, error) {
	network := "tcp"
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
		if st, err := os.Lstat(path); err == nil && st.Mode().Type() == os.ModeSocket {
			_ = os.Remove(path) // left by a process that was killed
		}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, network, addr)
	if err != nil {
		return nil, exit.Errorf(exit.OSErr, "relay: metrics: %w", err).WithHint("choose another metrics_listen")
	}
	return l, nil
}

// ServeHTTP serves [Admin.Handler] until ctx ends, and closes the listener.
func (a *Admin) ServeHTTP(ctx context.Context, l net.Listener) {
	s := &http.Server{Handler: a.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 20 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		a.Log.Error("metrics", "err", err)
	}
}
