package carrier_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/carrier"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNames(t *testing.T) {
	for list, want := range map[string][]carrier.Name{
		"tcp":            {carrier.TCP},
		"smp, dtls,smp":  {carrier.SMP, carrier.DTLS},
		"all":            carrier.Names,
		"":               nil,
		"tcp,":           nil,
		"TCP":            nil,
		"carrier pigeon": nil,
	} {
		got, err := carrier.ParseNames(list)
		if !slices.Equal(got, want) || (err == nil) != (want != nil) || err != nil && !errors.Is(err, carrier.ErrRoad) {
			t.Errorf("%q: %v, %v", list, got, err)
		}
	}
	if got, err := carrier.ParseNames(carrier.JoinNames(carrier.Names)); err != nil || !slices.Equal(got, carrier.Names) {
		t.Error(got, err)
	}
}

func FuzzParseNames(f *testing.F) {
	f.Add("tcp,dtls")
	f.Add("all")
	f.Fuzz(func(t *testing.T, s string) {
		names, err := carrier.ParseNames(s)
		if err != nil {
			return
		}
		if again, err := carrier.ParseNames(carrier.JoinNames(names)); err != nil || !slices.Equal(again, names) {
			t.Fatal(again, err)
		}
	})
}

// stream counts how many are open.
type stream struct {
	net.Conn
	open *atomic.Int32
}

func (s stream) Close() error {
	s.open.Add(-1)
	return nil
}

// road opens after a time, or not.
func road(n carrier.Name, after time.Duration, err error, open *atomic.Int32) carrier.Road {
	return carrier.DialFunc{Via: n, Do: func(ctx context.Context) (net.Conn, error) {
		select {
		case <-time.After(after):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		open.Add(1)
		return stream{open: open}, nil
	}}
}

var errNo = errors.New("no")

func TestRace(t *testing.T) {
	const second = time.Second
	type verdict struct {
		after time.Duration
		err   error
	}
	for name, b := range map[string]struct {
		open    map[carrier.Name]verdict
		verify  map[carrier.Name]verdict
		want    carrier.Name
		seconds int
	}{
		"the first to open":         {map[carrier.Name]verdict{"tcp": {2 * second, nil}, "smp": {second, nil}}, nil, "smp", 1},
		"the first to verify":       {map[carrier.Name]verdict{"tcp": {2 * second, nil}, "smp": {second, nil}}, map[carrier.Name]verdict{"smp": {0, errNo}}, "tcp", 2},
		"one that stalls":           {map[carrier.Name]verdict{"tcp": {second, nil}, "smp": {2 * second, nil}}, map[carrier.Name]verdict{"tcp": {time.Hour, errNo}}, "smp", 4},
		"one that wins late":        {map[carrier.Name]verdict{"tcp": {0, nil}, "smp": {second, nil}}, map[carrier.Name]verdict{"tcp": {4 * second, nil}, "smp": {9 * second, nil}}, "tcp", 4},
		"one that cannot be opened": {map[carrier.Name]verdict{"tcp": {0, errNo}, "smp": {second, nil}}, nil, "smp", 1},
		"none opens":                {map[carrier.Name]verdict{"tcp": {0, errNo}, "smp": {second, errNo}}, nil, "", 1},
		"none verifies":             {map[carrier.Name]verdict{"tcp": {0, nil}, "smp": {second, nil}}, map[carrier.Name]verdict{"tcp": {0, errNo}, "smp": {0, errNo}}, "", 1},
		"no time":                   {map[carrier.Name]verdict{"tcp": {time.Hour, nil}}, nil, "", 60},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var open atomic.Int32
				var roads []carrier.Road
				for n, v := range b.open {
					roads = append(roads, road(n, v.after, v.err, &open))
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start := time.Now()
				won, via, err := carrier.Race(ctx, roads, func(ctx context.Context, c *carrier.Conn) (*carrier.Conn, error) {
					v := b.verify[c.Road]
					select {
					case <-time.After(v.after):
					case <-ctx.Done():
						v.err = ctx.Err()
					}
					if v.err != nil {
						_ = c.Close()
						return nil, v.err
					}
					return c, nil
				})
				if via != b.want || (err == nil) != (b.want != "") || err != nil && !errors.Is(err, carrier.ErrNoRoad) {
					t.Errorf("%q, %v", via, err)
				}
				if took := time.Since(start); took != time.Duration(b.seconds)*second {
					t.Errorf("took %v", took)
				}
				if left := open.Load(); won == nil && left != 0 || won != nil && (left != 1 || carrier.RoadOf(won) != via) {
					t.Errorf("%d streams are open", left)
				}
			})
		})
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestJoin(t *testing.T) {
	a, b := listen(t), listen(t)
	j := carrier.Join(carrier.Listener{Listener: a, Road: carrier.TCP}, carrier.Listener{Listener: b, Road: carrier.DTLS})
	if j.Addr() != a.Addr() {
		t.Error(j.Addr())
	}
	for l, want := range map[net.Listener]carrier.Name{a: carrier.TCP, b: carrier.DTLS} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		got, err := j.Accept()
		if err != nil || carrier.RoadOf(got) != want {
			t.Fatal(got, err)
		}
		_ = c.Close()
		if _, err := got.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		_ = got.Close()
	}
	_ = b.Close() // one road less
	c, err := net.Dial("tcp", a.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if got, err := j.Accept(); err != nil || carrier.RoadOf(got) != carrier.TCP {
		t.Error(err)
	} else {
		_ = got.Close()
	}
	_ = j.Close()
	if _, err := j.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	_ = j.Close()
	if carrier.RoadOf(c) != "" {
		t.Error("a road that nobody knows")
	}
}

func TestJoinNeverUsed(t *testing.T) {
	j := carrier.Join(carrier.Listener{Listener: listen(t)})
	_ = j.Close()
	if _, err := j.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// TestJoinAllFail says why when no road is left.
func TestJoinAllFail(t *testing.T) {
	l := listen(t)
	_ = l.Close()
	j := carrier.Join(carrier.Listener{Listener: l})
	defer func() { _ = j.Close() }()
	if _, err := j.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// slow is a stream that takes long to close.
type slow struct{ net.Conn }

func (slow) Close() error {
	time.Sleep(time.Minute) // in a bubble of synctest
	return nil
}

// TestSlowLoser does not keep the winner waiting.
func TestSlowLoser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Int32
		start := time.Now()
		sluggish := carrier.DialFunc{Via: carrier.SMP, Do: func(context.Context) (net.Conn, error) {
			time.Sleep(time.Second) // as above
			return slow{}, nil
		}}
		_, via, err := carrier.Race(t.Context(), []carrier.Road{road(carrier.TCP, 0, nil, &open), sluggish},
			func(_ context.Context, c *carrier.Conn) (*carrier.Conn, error) {
				time.Sleep(2 * time.Second) // as above
				return c, nil
			})
		if took := time.Since(start); err != nil || via != carrier.TCP || took != 3*time.Second {
			t.Errorf("%q after %v: %v", via, took, err)
		}
		time.Sleep(2 * time.Minute) // the loser is closed meanwhile
	})
}
