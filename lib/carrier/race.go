package carrier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// ErrNoRoad is returned where none of the roads led to the callee; it wraps
// what each of them said.
var ErrNoRoad = errors.New("carrier: no road leads there")

// Stagger is how long [Race] waits for the verification of one stream before it
// begins that of the next. The callee hears one caller at a time, so the
// streams of one caller should not compete with each other.
const Stagger = 3 * time.Second

// closing is how long a race that is won waits for the others to be closed.
const closing = time.Second

// Race opens all roads side by side and verifies the streams, one after
// another in the order in which they open, or after [Stagger]. The first that
// verifies wins, and all others are closed; Race waits for that no longer than
// a moment, as roads of relays close slowly. verify owns the stream, and closes
// it on error; its context ends with the race.
//
// The error is ctx's, or wraps [ErrNoRoad] and those of the roads.
func Race[T io.Closer](ctx context.Context, roads []Road, verify func(ctx context.Context, c *Conn) (T, error)) (T, Name, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &race[T]{
		ctx: ctx, cancel: cancel, verify: verify, opening: len(roads),
		opened: make(chan opened), verified: make(chan verified[T]),
	}
	for _, road := range roads {
		go func() {
			c, err := road.Dial(ctx)
			r.opened <- opened{road.Name(), c, err}
		}()
	}
	return r.run()
}

// opened is the end of one Dial.
type opened struct {
	road Name
	conn net.Conn
	err  error
}

// verified is the end of one verification.
type verified[T io.Closer] struct {
	road Name
	what T
	err  error
}

// race is owned by the goroutine of judge.
type race[T io.Closer] struct {
	ctx      context.Context
	cancel   context.CancelFunc
	verify   func(context.Context, *Conn) (T, error)
	opened   chan opened
	verified chan verified[T]

	opening, verifying int      // goroutines under way
	waiting            []opened // open, not yet verified
	won                *verified[T]
	errs               []error
}

func (r *race[T]) run() (none T, via Name, err error) {
	if r.judge(true); r.pending() {
		go r.judge(false)
	}
	switch {
	case r.won != nil:
		return r.won.what, r.won.road, nil
	case r.ctx.Err() != nil:
		r.errs = append(r.errs, r.ctx.Err())
	}
	return none, "", fmt.Errorf("%w: %w", ErrNoRoad, errors.Join(r.errs...))
}

// pending tells whether there are streams or attempts left.
func (r *race[T]) pending() bool { return r.opening > 0 || r.verifying > 0 || len(r.waiting) > 0 }

// judge runs the race until nothing is pending or, in a hurry, until a moment
// after somebody has won.
func (r *race[T]) judge(hurry bool) {
	patience := time.NewTimer(Stagger)
	defer patience.Stop()
	ended := r.ctx.Done()
	var late <-chan time.Time
	for r.pending() {
		if hurry && r.won != nil && late == nil {
			late = time.After(closing)
		}
		if r.won != nil || r.ctx.Err() != nil {
			r.giveUp()
		} else if r.verifying == 0 && len(r.waiting) > 0 {
			r.next()
			patience.Reset(Stagger)
		}
		if r.opening == 0 && r.verifying == 0 {
			continue
		}
		select {
		case o := <-r.opened:
			r.arrived(o)
		case v := <-r.verified:
			r.judged(v)
		case <-patience.C:
			if r.won == nil && len(r.waiting) > 0 {
				r.next()
				patience.Reset(Stagger)
			}
		case <-ended:
			ended = nil
		case <-late:
			return
		}
	}
}

func (r *race[T]) giveUp() {
	r.cancel()
	for _, o := range r.waiting {
		r.verifying++
		go func() {
			_ = o.conn.Close()
			r.verified <- verified[T]{road: o.road, err: errLost}
		}()
	}
	r.waiting = nil
}

var errLost = errors.New("another road was faster")

func (r *race[T]) next() {
	o := r.waiting[0]
	r.waiting, r.verifying = r.waiting[1:], r.verifying+1
	go func() {
		what, err := r.verify(r.ctx, &Conn{o.conn, o.road})
		r.verified <- verified[T]{o.road, what, err}
	}()
}

func (r *race[T]) arrived(o opened) {
	r.opening--
	if o.err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s: %w", o.road, o.err))
		return
	}
	r.waiting = append(r.waiting, o)
}

func (r *race[T]) judged(v verified[T]) {
	r.verifying--
	switch {
	case v.err != nil:
		r.errs = append(r.errs, fmt.Errorf("%s: %w", v.road, v.err))
	case r.won != nil:
		_ = v.what.Close()
	default:
		r.won = &v
	}
}
