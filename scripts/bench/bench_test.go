package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"regexp"
	"testing"
)

// TestMain is the floor's server too, which the rows start as a process of
// their own program.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "-echo" {
		if err := serveEcho(context.Background(), os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestRows runs a row of each kind, for a moment.
func TestRows(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts relays")
	}
	o := options{short: true, only: regexp.MustCompile(`^(ratchet_step|sntrup_decap|relay_load_10|agent_start_10)$`)}
	if err := o.run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestNamesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rows() {
		if seen[r.name] {
			t.Errorf("two rows are called %s", r.name)
		}
		seen[r.name] = true
	}
}

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		q    float64
		want float64
	}{
		{nil, 0.5, 0}, {[]float64{3}, 0.9, 3}, {[]float64{3, 1, 2}, 0.5, 2}, {[]float64{1, 2}, 0.5, 1.5}, {[]float64{4, 1, 2, 3, 5}, 0.25, 2},
	} {
		if got := quantile(c.v, c.q); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("quantile %v of %v is %v, want %v", c.q, c.v, got, c.want)
		}
	}
}
