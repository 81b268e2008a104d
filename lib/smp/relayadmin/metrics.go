package relayadmin

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/simplexkit/simplexkit/lib/exit"
)

// collector is a relay as Prometheus asks for it, once.
type collector struct {
	a   *Admin
	ctx context.Context // of the question
}

// Describe implements [prometheus.Collector]; what there is depends on the
// question.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector]. Names of smp-server are kept
// where they mean the same, so that dashboards go on. There are no labels but
// the program's version.
func (c collector) Collect(out chan<- prometheus.Metric) {
	put := func(name, help string, kind prometheus.ValueType, v float64, labels prometheus.Labels) {
		d := prometheus.NewDesc(name, help, nil, labels)
		m, err := prometheus.NewConstMetric(d, kind, v)
		if err != nil {
			m = prometheus.NewInvalidMetric(d, err)
		}
		out <- m
	}
	n, err := c.a.count(c.ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(prometheus.NewDesc("relay_queues", "Queues in the store.", nil, nil), err)
		return
	}
	s := c.a.Relay.Stats()
	for _, k := range counters {
		put(k.metric, k.help, prometheus.CounterValue, float64(k.of(s)), nil)
		if k.compat != "" {
			put(k.compat, "As "+k.metric+".", prometheus.CounterValue, float64(k.of(s)), nil)
		}
	}
	for _, g := range []struct {
		name, compat, help string
		v                  float64
	}{
		{"relay_queues", "simplex_smp_queues_total1", "Queues in the store.", float64(n.Queues)},
		{"relay_messages", "simplex_smp_messages_total", "Messages in the store.", float64(n.Messages)},
		{"relay_connections", "simplex_smp_clients_total", "Connections.", float64(s.Connections)},
		{"relay_subscriptions", "simplex_smp_subscribtion_total", "Subscriptions.", float64(s.Subscriptions)},
		{"relay_cached_queues", "", "Queues in memory.", float64(s.QueuesInCache)},
		{"relay_start_time_seconds", "", "When the relay was started.", float64(c.a.started.UnixMilli()) / 1000},
		{"relay_goroutines", "", "Goroutines of the process.", float64(runtime.NumGoroutine())},
		{"relay_heap_bytes", "", "Memory in use by the process's heap.", float64(heapBytes())},
	} {
		put(g.name, g.help, prometheus.GaugeValue, g.v, nil)
		if g.compat != "" {
			put(g.compat, "As "+g.name+".", prometheus.GaugeValue, g.v, nil)
		}
	}
	if cert, err := c.a.Relay.Home.Cert(); err == nil {
		put("relay_certificate_expiry_time_seconds", "When the online certificate expires.", prometheus.GaugeValue, float64(cert.NotAfter.Unix()), nil)
	}
	put("relay_info", "The program.", prometheus.GaugeValue, 1, prometheus.Labels{"version": c.a.Version})
}

// gather asks for all numbers. A registry for each question knows its context.
func (a *Admin) gather(ctx context.Context) ([]*dto.MetricFamily, error) {
	r := prometheus.NewRegistry()
	if err := r.Register(collector{a, ctx}); err != nil {
		return nil, err
	}
	return r.Gather()
}

// Metrics gives all numbers in the text format of Prometheus.
func (a *Admin) Metrics(ctx context.Context) (string, error) {
	all, err := a.gather(ctx)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, f := range all {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			return "", err
		}
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
		all, err := a.gather(r.Context())
		if err != nil {
			a.Log.Error("metrics", "err", err)
			http.Error(w, "the store does not answer", http.StatusServiceUnavailable)
			return
		}
		promhttp.HandlerFor(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return all, nil }), promhttp.HandlerOpts{}).ServeHTTP(w, r)
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
