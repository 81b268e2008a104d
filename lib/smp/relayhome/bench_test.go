package relayhome_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

// serve runs a new home in dir on the loopback until the test ends.
func serve(tb testing.TB, dir string) smp.ServerAddr {
	tb.Helper()
	h, err := relayhome.Init(dir, relayhome.Options{Hosts: []string{"127.0.0.1"}, Port: "5223"})
	if err != nil {
		tb.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	addr := h.Address().ServerAddr
	if _, addr.Port, err = net.SplitHostPort(l.Addr().String()); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Serve(ctx, relayhome.ServeOptions{Listener: l}) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("serve: %v", err)
		}
	})
	return addr
}

// BenchmarkSendMsgAck is the round trip SEND, MSG, ACK of 16 KB, on disk,
// with pairs of a sender and a recipient; clients share the machine.
func BenchmarkSendMsgAck(b *testing.B) {
	for _, pairs := range []int{1, 16, 64} {
		b.Run(map[int]string{1: "1", 16: "16", 64: "64"}[pairs], func(b *testing.B) {
			addr := serve(b, b.TempDir())
			type pair struct {
				snd, rcv *smptest.Conn
				q        *smptest.Queue
				k        key.Private
			}
			var ps []pair
			for range pairs {
				p := pair{snd: smptest.Dial(b, addr, smptest.ConnOptions{}), rcv: smptest.Dial(b, addr, smptest.ConnOptions{}), k: key.GenerateX25519()}
				p.q = p.rcv.NewQueue(true, smp.Messaging)
				p.snd.Do(p.q.SndID(), smp.SKEY{Key: p.k.PublicKey()}, p.k)
				ps = append(ps, p)
			}
			body := make([]byte, 16000)
			b.ResetTimer()
			start := time.Now()
			done := make(chan struct{})
			for i, p := range ps {
				n := b.N / pairs
				if i < b.N%pairs {
					n++
				}
				go func() {
					defer func() { done <- struct{}{} }()
					for range n {
						p.snd.Send(p.q.SndID(), smp.SEND{Body: body}, p.k)
						id, _ := p.q.Open(b, p.rcv.Event(p.q.RcvID()))
						p.rcv.Do(p.q.RcvID(), smp.ACK{ID: id}, p.q.Key)
					}
					p.snd.Pending()
				}()
			}
			for range ps {
				<-done
			}
			b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "msg/s")
		})
	}
}
