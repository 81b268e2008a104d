package queuestore

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/simplexkit/simplexkit/lib/smp"
)

// Lister reads a store out as a whole, piece by piece. What is changed
// meanwhile may be in it or not.
type Lister interface {
	// ListQueues gives the queues with the lowest numbers after one, at most
	// limit, in their order.
	ListQueues(ctx context.Context, after Num, limit int) ([]*Queue, error)
	// ListMessages gives the oldest messages of all queues after one, at most
	// limit, in their order.
	ListMessages(ctx context.Context, after Seq, limit int) ([]Stored, error)
	// ListServices gives all services.
	ListServices(ctx context.Context) ([]Service, error)
}

// Stored is a message with its queue.
type Stored struct {
	Queue Num
	*Message
}

// Service is a service that has connected.
type Service struct {
	Certificate smp.Fingerprint
	Role        smp.ServiceRole
	ID          smp.ServiceID
}

var _ Lister = (*Mem)(nil)

// ListQueues implements [Lister].
func (s *Mem) ListQueues(_ context.Context, after Num, limit int) ([]*Queue, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []*Queue
	for _, n := range slices.Sorted(maps.Keys(s.queues)) {
		if n > after && len(out) < limit {
			out = append(out, s.queues[n].rec)
		}
	}
	return out, nil
}

// ListMessages implements [Lister].
func (s *Mem) ListMessages(_ context.Context, after Seq, limit int) ([]Stored, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Stored
	for n, q := range s.queues {
		for _, m := range q.msgs[q.find(after+1):] {
			out = append(out, Stored{n, m})
		}
	}
	slices.SortFunc(out, func(a, b Stored) int { return cmp.Compare(a.Seq, b.Seq) })
	return out[:min(limit, len(out))], nil
}

// ListServices implements [Lister].
func (s *Mem) ListServices(context.Context) ([]Service, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Service
	for cert, v := range s.certs {
		out = append(out, Service{cert, v.role, v.id})
	}
	return out, nil
}
