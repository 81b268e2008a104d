package peer

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/p2p"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// real is a device on real sockets.
type real struct {
	*memStore
	engine *Engine
	host   *p2p.Host
	devs   *Devices
	key    *rsa.PrivateKey
	id     p2p.PeerID
}

// dial opens n devices on the loop-back that know each other's addresses; apart
// tells whether two of them cannot reach each other now.
func dial(t *testing.T, n int, apart func(a, b int) bool) []*real {
	t.Helper()
	out := make([]*real, n)
	at := map[p2p.PeerID]int{}
	var ids []ident.DeviceID
	for i := range out {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		text, err := p2p.DeviceID(&key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		dev, err := ident.ParseDeviceID(text)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, dev)
		out[i] = &real{key: key}
		if out[i].id, err = p2p.PeerOf(&key.PublicKey); err != nil {
			t.Fatal(err)
		}
		at[out[i].id] = i
	}
	conv := commit.ObjectID{7}
	for i, d := range out {
		host, err := p2p.Open(p2p.Config{Key: d.key, Listen: []string{"/ip4/127.0.0.1/tcp/0"},
			Admit: func(id p2p.PeerID) bool { return !apart(i, at[id]) }})
		if err != nil {
			t.Fatal(err)
		}
		d.host, d.devs = host, NewDevices(host, ids[i])
		d.memStore = newStore(ids[i], conv, ids)
		d.engine = New(Config{Net: d.devs, Store: d.memStore, Inbox: d.memStore})
		d.engine.Join(conv)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, d := range out {
		for _, o := range out {
			if o == d {
				continue
			}
			if _, _, err := d.devs.Add(&o.key.PublicKey); err != nil {
				t.Fatal(err)
			}
			d.host.AddAddrs(o.id, o.host.Addrs(), time.Hour)
		}
		all.Go(func() { _ = d.host.Run(ctx) })
		all.Go(func() { _ = d.engine.Run(ctx) })
	}
	t.Cleanup(func() {
		cancel()
		all.Wait()
		for _, d := range out {
			if err := d.host.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return out
}

func same(devs ...*real) bool {
	first, _ := devs[0].Head(context.Background(), devs[0].conv)
	for _, d := range devs[1:] {
		if h, _ := d.Head(context.Background(), d.conv); h != first {
			return false
		}
	}
	return true
}

// await waits for a condition; kick is called now and then.
func await(t *testing.T, what string, kick func(), ok func() bool) {
	t.Helper()
	end := time.Now().Add(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := 0; !ok(); i++ {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
		if kick != nil && i%50 == 0 {
			kick()
		}
		<-tick.C
	}
}

func TestThreeDevicesWithACutBetweenThem(t *testing.T) {
	var cut atomic.Bool
	devs := dial(t, 3, func(a, b int) bool { return cut.Load() && (a == 2) != (b == 2) })
	a, b, c := devs[0], devs[1], devs[2]
	conv := a.conv
	reachable := func() {
		for _, d := range devs {
			d.engine.Reachable()
		}
	}
	a.engine.Announce(conv, a.write())
	await(t, "the first commit is everywhere", reachable, func() bool { return same(a, b, c) && a.count() == 2 })
	cut.Store(true)
	for _, d := range devs {
		d.host.Recheck()
	}
	await(t, "the network is cut", nil, func() bool { return c.host.Road(a.id) == p2p.None && c.host.Road(b.id) == p2p.None })
	for range 3 {
		a.engine.Announce(conv, a.write())
		c.engine.Announce(conv, c.write())
	}
	await(t, "one side agrees", reachable, func() bool { return same(a, b) && b.count() == 5 })
	if same(a, c) {
		t.Fatal("the cut has a hole")
	}
	cut.Store(false)
	await(t, "healed", reachable, func() bool { return same(a, b, c) && a.count() >= 2+3+3+1 })
	// Two that dial each other at once may both fail, and try again.
	await(t, "the roads are there again", reachable, func() bool {
		st := c.engine.Status(conv)
		return st.Neighbours > 0 && st.Devices[0].Road == p2p.LAN
	})
}

// count is how many commits the head reaches.
func (s *memStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.commits.all(s.head))
}
