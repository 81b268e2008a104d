package peer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// heads are the different heads of devices.
func heads(devs []*device) map[commit.ObjectID]int {
	out := map[commit.ObjectID]int{}
	for _, d := range devs {
		d.memStore.mu.Lock()
		out[d.head]++
		d.memStore.mu.Unlock()
	}
	return out
}

// reach is how many devices can be reached from the first over channels.
func reach(devs []*device, conv commit.ObjectID) (n int, links int) {
	near := map[ident.DeviceID][]ident.DeviceID{}
	for _, d := range devs {
		for _, p := range d.Status(conv).Devices {
			if p.Neighbour {
				near[d.self] = append(near[d.self], p.Device)
				links++
			}
		}
	}
	seen := map[ident.DeviceID]bool{devs[0].self: true}
	todo := []ident.DeviceID{devs[0].self}
	for len(todo) > 0 {
		x := todo[0]
		todo = todo[1:]
		for _, y := range near[x] {
			if !seen[y] {
				seen[y] = true
				todo = append(todo, y)
			}
		}
	}
	return len(seen), links
}

func settle() {
	time.Sleep(2 * time.Minute)
	synctest.Wait()
}

func TestSimulationOf30Devices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 30
		w := newWorld()
		devs := w.people(t, n, nil)
		conv := devs[0].memStore.conv
		settle()
		reached, links := reach(devs, conv)
		degree := float64(links) / n
		t.Logf("%d devices, %.1f links each", n, degree)
		if reached != n {
			t.Fatalf("one graph of %d devices", reached)
		}
		if degree > n/2 {
			t.Errorf("%.1f links for each of %d devices", degree, n)
		}
		// One commit after the other.
		const commits = 3
		before := w.count(protoMessage)
		for i := range commits {
			d := devs[i*7%n]
			d.Announce(conv, d.write())
			settle()
			if h := heads(devs); len(h) != 1 {
				t.Fatalf("%d heads after commit %d", len(h), i)
			}
		}
		each := float64(w.count(protoMessage)-before) / commits
		t.Logf("%.0f notifications for a commit, n² is %d", each, n*n)
		if each > float64(links)+float64(n) {
			t.Errorf("%.0f notifications for a commit over %d links", each, links)
		}
		// All at once.
		before = w.count(protoMessage)
		for _, d := range devs {
			d.Announce(conv, d.write())
		}
		settle()
		merges := 0
		for _, d := range devs {
			merges += d.merges
		}
		t.Logf("%d commits at once: %d merges, %d notifications", n, merges, w.count(protoMessage)-before)
		if h := heads(devs); len(h) != 1 {
			t.Fatalf("%d heads", len(h))
		}
		for _, d := range devs {
			if len(d.commits) != len(devs[0].commits) {
				t.Fatalf("%d commits and %d", len(d.commits), len(devs[0].commits))
			}
		}
	})
}

func TestIslandsMergeLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		devs := w.people(t, 9, nil)
		conv := devs[0].memStore.conv
		settle()
		w.cut(func(i int, _ ident.DeviceID) int { return i % 3 }, w.ids(devs))
		settle()
		for _, d := range devs[:6] {
			d.Announce(conv, d.write())
			time.Sleep(time.Second)
		}
		settle()
		if h := heads(devs); len(h) != 3 {
			t.Fatalf("%d heads on three islands", len(h))
		}
		for island := range 3 {
			var own []*device
			for i, d := range devs {
				if i%3 == island {
					own = append(own, d)
				}
			}
			if h := heads(own); len(h) != 1 {
				t.Fatalf("%d heads on one island", len(h))
			}
		}
		w.cut(func(int, ident.DeviceID) int { return 0 }, w.ids(devs))
		for _, d := range devs {
			d.Reachable() // the network changed
		}
		settle()
		if h := heads(devs); len(h) != 1 {
			t.Fatalf("%d heads after the islands met", len(h))
		}
		// Nobody told that the network changed: the back-off ends.
		w.cut(func(i int, _ ident.DeviceID) int { return i % 2 }, w.ids(devs))
		time.Sleep(20 * time.Minute)
		for _, d := range devs[:2] {
			d.Announce(conv, d.write())
		}
		settle()
		w.cut(func(int, ident.DeviceID) int { return 0 }, w.ids(devs))
		time.Sleep(time.Hour)
		if h := heads(devs); len(h) != 1 {
			t.Fatalf("%d heads an hour after the islands met", len(h))
		}
	})
}
