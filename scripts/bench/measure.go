package main

import (
	"context"
	"math"
	"slices"
	"time"
)

// row is one measurement.
type row struct {
	name, unit string
	// floorIs says what ours is compared with.
	floorIs string
	// round is how long one side runs in one round of a full measurement.
	round time.Duration
	long  bool // only with -long
	// open makes both sides ready. Each returns how much of unit it did.
	open func(ctx context.Context, o *options) (*sides, error)
}

// sides are what a row compares.
type sides struct {
	ours  func(ctx context.Context, d time.Duration) (float64, error)
	floor func(ctx context.Context, d time.Duration) (float64, error) // nil: ours stands alone
	more  func() map[string]float64                                   // figures beside, or nil
	close func() error
}

// tries is how often a noisy row is measured in all.
const tries = 3

func (o *options) measure(ctx context.Context, r row) (err error) {
	s, err := r.open(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := s.close(); err == nil {
			err = cerr
		}
	}()
	var out result
	for range tries {
		if out, err = o.rounds(ctx, r, s); err != nil {
			return err
		}
		if out.Noisy = out.IQR > 0.20; !out.Noisy || o.short || time.Now().After(o.patience) {
			break
		}
	}
	return out.print()
}

// rounds lets ours and the floor take turns.
func (o *options) rounds(ctx context.Context, r row, s *sides) (result, error) {
	n, d := 5, o.roundTime(r.round)
	if o.short {
		n = 3
	}
	var ours, floors, ratios []float64
	for range n {
		if err := ctx.Err(); err != nil {
			return result{}, err
		}
		a, err := s.ours(ctx, d)
		if err != nil {
			return result{}, err
		}
		ours = append(ours, a)
		if s.floor == nil {
			continue
		}
		b, err := s.floor(ctx, d)
		if err != nil {
			return result{}, err
		}
		floors, ratios = append(floors, b), append(ratios, a/b)
	}
	out := result{Name: r.name, Ours: round(quantile(ours, 0.5)), Unit: r.unit, Rounds: n, FloorIs: r.floorIs, Short: o.short}
	spread := ours
	if len(ratios) > 0 {
		out.Floor, out.Ratio, spread = round(quantile(floors, 0.5)), round(quantile(ratios, 0.5)), ratios
	}
	if m := quantile(spread, 0.5); m != 0 {
		out.IQR = round((quantile(spread, 0.75) - quantile(spread, 0.25)) / math.Abs(m))
	}
	if s.more != nil {
		out.More = s.more()
	}
	return out, nil
}

// quantile is the q-quantile of v, between its neighbours; 0 of nothing.
func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	at := q * float64(len(s)-1)
	i := int(at)
	if i+1 == len(s) {
		return s[i]
	}
	return s[i] + (at-float64(i))*(s[i+1]-s[i])
}

// round keeps four digits: there is no truth in more.
func round(x float64) float64 {
	if x == 0 {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(x))))
	return math.Round(x*scale) / scale
}

// repeat calls fn for about d and returns how often a second.
func repeat(d time.Duration, fn func() error) (float64, error) {
	start, n := time.Now(), 0
	for time.Since(start) < d {
		for range 8 {
			if err := fn(); err != nil {
				return 0, err
			}
		}
		n += 8
	}
	return float64(n) / time.Since(start).Seconds(), nil
}
