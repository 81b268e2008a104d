package smpload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
)

const (
	// opTimeout bounds an operation; it is not cut short when a run is
	// interrupted, so that every queue made is known.
	opTimeout = time.Minute
	// deleteTimeout bounds the deletion of a thousand queues.
	deleteTimeout = time.Minute
	// startOfWorker is how long it takes at most to start a worker.
	startOfWorker = 20 * time.Microsecond
	// opening is how many connections are set up at once.
	opening = 32
)

// Load is a workload that is ready to run. Run and Close may not be called at
// once.
type Load struct {
	addr    smp.AuthServer
	o       Options
	clients []*smpclient.Client // each may be nil
	proxies []*smpclient.Client // those of Options.Via; each may be nil
	work    workload

	mu   sync.Mutex // guards what follows
	made []smpclient.Queue
}

// workload does operations for workers, of which each does one at a time.
type workload interface {
	// begin starts what a run needs; the function it returns ends that and
	// waits.
	begin() (end func())
	// op does an operation of worker w, which began, or should have begun, at
	// start, and records it.
	op(ctx context.Context, w int, start time.Time, r *recorder) error
}

// Open connects and makes the queues that the workload needs. The errors are
// [ErrOptions], [ErrRemote] and those of package smpclient. ctx bounds the
// opening only.
func Open(ctx context.Context, addr smp.AuthServer, o Options) (_ *Load, err error) {
	o.setDefaults()
	if err := o.check(addr.ServerAddr); err != nil {
		return nil, err
	}
	l := &Load{addr: addr, o: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close(ctx))
		}
	}()
	switch o.Workload {
	case Create:
		l.work, err = openCreate(ctx, l)
	case Send:
		l.work, err = openSend(ctx, l)
	case Subscribe:
		l.work, err = openSubscribe(ctx, l)
	default:
		l.work = &connecting{l}
	}
	if err != nil {
		return nil, fmt.Errorf("smpload: open %s: %w", o.Workload, err)
	}
	return l, nil
}

// Run does operations until the bounds or ctx end; then it waits for those
// under way. With an error the result is of what was done before.
func (l *Load) Run(ctx context.Context, b Bounds) (Result, error) {
	if b == (Bounds{}) {
		b.Duration = 10 * time.Second
	}
	end := l.work.begin()
	defer end()
	workers := l.o.Conns * l.o.Depth
	r := &run{b: b, stop: make(chan struct{}), start: time.Now()}
	if l.o.Rate > 0 {
		// Not before all workers wait for their time.
		r.start = r.start.Add(time.Duration(workers) * startOfWorker)
		r.interval = time.Duration(float64(workers) / l.o.Rate * float64(time.Second))
	}
	recs := make([]*recorder, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			recs[w] = new(recorder)
			r.worker(ctx, l.work, w, workers, recs[w])
		})
	}
	all.Wait()
	took := time.Since(r.start)
	sum := new(recorder)
	for _, rec := range recs {
		sum.merge(rec)
	}
	return l.result(sum, took, ctx.Err() != nil), r.err
}

func (l *Load) result(r *recorder, took time.Duration, interrupted bool) Result {
	res := Result{
		V: 1, Workload: l.o.Workload, Relay: l.addr.Hosts[0], Conns: l.o.Conns, Depth: l.o.Depth, Rate: l.o.Rate,
		Operations: r.ops, Seconds: round(took.Seconds()), PerSecond: round(float64(r.ops) / took.Seconds()),
		Latency: r.latency(), Interrupted: interrupted,
	}
	switch l.o.Workload {
	case Send:
		res.Body = l.o.Body
	case Subscribe:
		res.Queues = l.o.Queues
	}
	if l.o.Via != nil {
		res.Via = l.o.Via.Hosts[0]
	}
	if len(l.clients) > 0 && l.clients[0] != nil {
		res.Version = uint16(l.clients[0].Version())
	}
	return res
}

// run is the state that the workers of a run share.
type run struct {
	b        Bounds
	start    time.Time
	interval time.Duration // between the operations of a worker; 0: none
	begun    atomic.Int64

	once sync.Once
	stop chan struct{} // closed after the first error
	err  error
}

func (r *run) fail(err error) {
	r.once.Do(func() {
		r.err = err
		close(r.stop)
	})
}

// worker does operations one after another. Those of a rate are spread evenly
// over the workers.
func (r *run) worker(ctx context.Context, work workload, w, workers int, rec *recorder) {
	due := r.start.Add(r.interval / time.Duration(workers) * time.Duration(w))
	for {
		// A worker that waits for its time begins when it wakes up: timers are
		// late by up to a millisecond. One that is late has been kept waiting.
		late := r.interval > 0 && time.Now().After(due)
		if r.interval > 0 && !r.sleep(ctx, due) || !r.more(ctx) {
			return
		}
		start := time.Now()
		if late {
			start = due
		}
		due = due.Add(r.interval)
		opCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), opTimeout)
		err := work.op(opCtx, w, start, rec)
		cancel()
		if err != nil {
			r.fail(err)
			return
		}
	}
}

// more tells whether another operation may begin.
func (r *run) more(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-r.stop:
		return false
	default:
	}
	if r.b.Duration > 0 && time.Since(r.start) >= r.b.Duration {
		return false
	}
	return r.b.Count == 0 || r.begun.Add(1) <= int64(r.b.Count)
}

// sleep is false if the run ends meanwhile.
func (r *run) sleep(ctx context.Context, until time.Time) bool {
	d := time.Until(until)
	if d <= 0 {
		return true
	}
	if r.b.Duration > 0 {
		d = min(d, r.b.Duration-time.Since(r.start))
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-r.stop:
	}
	return false
}
