package sntrup

import (
	"crypto/rand"
	"math"
	mrand "math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"
)

// TestTiming asks statistics whether the time of Decapsulate depends on
// secrets, as dudect does (Reparaz, Balasch and Verbauwhede, "Dude, is my code
// constant time?"): two classes of inputs are measured in random order, and
// Welch's t-test compares their times, of all and of those below several
// quantiles. |t| over 10 is a leak for sure; below 5 there is no sign of one.
//
// It takes a minute of a machine that does little else, so it only runs with
// SIMPLEXKIT_TIMING set: make timing.
func TestTiming(t *testing.T) {
	if os.Getenv("SIMPLEXKIT_TIMING") == "" {
		t.Skip("SIMPLEXKIT_TIMING is not set")
	}
	key := func() *SecretKey { return must(GenerateKey(rand.Reader)) }
	one, other := key(), make([]*SecretKey, 256)
	for i := range other {
		other[i] = key()
	}
	fixed := encapsulated(one)
	good := func() *Ciphertext { return encapsulated(one) }
	bad := func() *Ciphertext { c := *good(); c[0] ^= 1; return &c }
	noise := func() *Ciphertext {
		c := *good()
		_, _ = rand.Read(c[len(c)-32:]) // the confirmation alone is wrong
		return &c
	}
	slot := func(k *SecretKey, c *Ciphertext) func() {
		k1, c1 := *k, *c // all in memory of their own, so that no class is nearer
		return func() { k1.Decapsulate(&c1) }
	}
	for _, c := range []struct {
		name string
		a, b func() func()
	}{
		{"one ciphertext or any", func() func() { return slot(one, fixed) }, func() func() { return slot(one, good()) }},
		{"good or bad ciphertexts", func() func() { return slot(one, good()) }, func() func() { return slot(one, bad()) }},
		{"good or wrong confirmations", func() func() { return slot(one, good()) }, func() func() { return slot(one, noise()) }},
		{"one key or any", func() func() { return slot(one, good()) }, func() func() {
			k := other[mrand.IntN(len(other))]
			return slot(k, encapsulated(k))
		}},
	} {
		worst, n := welch(c.a, c.b, 20_000)
		t.Logf("%-28s |t| = %.1f of %d measurements", c.name, worst, n)
		if worst > 10 {
			t.Errorf("%s: times differ", c.name)
		}
	}
	// The same must find what does leak: a comparison that ends early.
	want, found := make([]byte, CiphertextSize), make([]byte, CiphertextSize)
	equal := func(a, b []byte) func() {
		return func() {
			for range 20 {
				for i := range a {
					if a[i] != b[i] {
						break
					}
				}
			}
		}
	}
	late := slices.Clone(want)
	late[len(late)/2] = 1
	found[0] = 1
	if worst, _ := welch(func() func() { return equal(want, late) }, func() func() { return equal(want, found) }, 2000); worst < 10 {
		t.Errorf("a comparison that leaks has |t| = %.1f", worst)
	}
}

func encapsulated(k *SecretKey) *Ciphertext {
	c, _, err := k.Public().Encapsulate(rand.Reader)
	return must(c, err)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// welch measures n calls of inputs of either class, chosen at random, and
// gives the largest |t|.
func welch(a, b func() func(), n int) (worst float64, measured int) {
	const inputs = 500 // made at a time, not while measuring
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var times [2][]float64
	for measured < n {
		runtime.GC()
		calls, class := make([]func(), inputs), make([]int, inputs)
		for i := range calls {
			if class[i] = mrand.IntN(2); class[i] == 0 {
				calls[i] = a()
			} else {
				calls[i] = b()
			}
		}
		calls[0]() // warm
		for i, call := range calls {
			start := time.Now()
			call()
			times[class[i]] = append(times[class[i]], float64(time.Since(start)))
		}
		measured += inputs
	}
	all := slices.Sorted(slices.Values(slices.Concat(times[0], times[1])))
	for _, q := range []float64{0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1} {
		limit := all[int(q*float64(len(all)-1))]
		var m [2]moments
		for i := range times {
			for _, v := range times[i] {
				if v <= limit {
					m[i].add(v)
				}
			}
		}
		worst = max(worst, math.Abs((m[0].mean-m[1].mean)/math.Sqrt(m[0].variance()/m[0].n+m[1].variance()/m[1].n)))
	}
	return worst, measured
}

// moments are Welford's.
type moments struct{ n, mean, sum float64 }

func (m *moments) add(v float64) {
	m.n++
	d := v - m.mean
	m.mean += d / m.n
	m.sum += d * (v - m.mean)
}

func (m *moments) variance() float64 { return m.sum / (m.n - 1) }
