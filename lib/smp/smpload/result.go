package smpload

import (
	"math"
	"time"
)

// Result is what a run has measured, as one JSON object.
type Result struct {
	V          int      `json:"v"` // 1
	Workload   Workload `json:"workload"`
	Relay      string   `json:"relay"`             // its first host
	Via        string   `json:"via,omitempty"`     // the proxy's
	Version    uint16   `json:"version,omitempty"` // of SMP, as agreed
	Conns      int      `json:"conns"`
	Depth      int      `json:"depth"`
	Queues     int      `json:"queues,omitempty"`
	Body       int      `json:"body,omitempty"` // bytes
	Rate       float64  `json:"rate,omitempty"` // asked for, per second
	Operations int      `json:"operations"`
	Seconds    float64  `json:"seconds"`
	PerSecond  float64  `json:"per_second"`
	// Latency is that of an operation: of Send, from SEND to MSG; of
	// Subscribe, from the first SUB of a connection to the last answer; of
	// Connect, until commands may be sent.
	Latency Latency `json:"latency_ms"`
	// Interrupted says that the run ended before its bounds.
	Interrupted bool `json:"interrupted,omitempty"`
}

// Latency are milliseconds, to about one in a hundred.
type Latency struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

// recorder counts latencies in classes that grow by a hundredth, from a
// microsecond to over an hour.
type recorder struct {
	classes []uint32 // nil before the first: most workers of a large load at a low rate have none
	n       int
	ops     int
	sum     time.Duration
	max     time.Duration
}

const (
	growth  = 0.01
	classes = 2300
)

func (r *recorder) add(ops int, d time.Duration) {
	if r.classes == nil {
		r.classes = make([]uint32, classes)
	}
	class := int(math.Log(max(float64(d.Nanoseconds())/1000, 1)) / growth)
	r.classes[min(class, len(r.classes)-1)]++
	r.n++
	r.ops += ops
	r.sum += d
	r.max = max(r.max, d)
}

func (r *recorder) merge(o *recorder) {
	if r.classes == nil && o.classes != nil {
		r.classes = make([]uint32, classes)
	}
	for i, n := range o.classes {
		r.classes[i] += n
	}
	r.n += o.n
	r.ops += o.ops
	r.sum += o.sum
	r.max = max(r.max, o.max)
}

// quantile is in milliseconds.
func (r *recorder) quantile(q float64) float64 {
	left := int(math.Ceil(q * float64(r.n)))
	for i, n := range r.classes {
		if left -= int(n); left <= 0 && n > 0 {
			return min(math.Exp((float64(i)+0.5)*growth)/1000, ms(r.max))
		}
	}
	return 0
}

func (r *recorder) latency() Latency {
	if r.n == 0 {
		return Latency{}
	}
	return Latency{
		Mean: round(ms(r.sum) / float64(r.n)), Max: round(ms(r.max)),
		P50: round(r.quantile(0.5)), P90: round(r.quantile(0.9)), P99: round(r.quantile(0.99)),
	}
}

func ms(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// round keeps microseconds of milliseconds, and thousandths of the rest.
func round(x float64) float64 { return math.Round(x*1000) / 1000 }
