package relayhome_test

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

// rss is the resident memory of a process in bytes.
func rss(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		t.Skip("no /proc here")
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// TestMemory has many clients connect at once and stay, and looks at what the
// relay's process grows by.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("connects hundreds of clients")
	}
	if raced {
		t.Skip("the race detector's own memory would be measured")
	}
	const conns, subs, limit = 600, 2000, 64 << 10
	dir := t.TempDir()
	addr := freshHome(t, dir)
	v := &victim{t: t, dir: dir}
	v.start()
	t.Cleanup(func() { v.kill() })
	first := smptest.Dial(t, addr, smptest.ConnOptions{})
	first.NewQueue(true, smp.Messaging)
	settle := func() int {
		<-time.After(300 * time.Millisecond) // buffers of handshakes go with a collection, if one comes
		return rss(t, v.cmd.Process.Pid)
	}
	before := settle()
	start := time.Now()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range conns / 20 {
				smptest.Dial(t, addr, smptest.ConnOptions{})
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	after := settle()
	each := (after - before) / conns
	t.Logf("%d connections: %d bytes each, %.0f made in a second", conns, each, conns/took.Seconds())
	if each > limit {
		t.Errorf("an idle connection costs %d bytes, limit %d", each, limit)
	}
	for range subs {
		first.NewQueue(true, smp.Messaging)
	}
	t.Logf("%d subscriptions: %d bytes each", subs, (settle()-after)/subs)
}
