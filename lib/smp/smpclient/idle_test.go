package smpclient_test

import (
	"runtime"
	"testing"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
)

func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// An idle session holds no block buffers: with the scripted relay's end, both
// in this process, it takes less than twice 64 KiB.
func TestIdleSessionsAreSmall(t *testing.T) {
	r := newRelay(t, func(_ *conn, req smp.Request) []out { return say(smp.OK{}) })
	body := make([]byte, 16000)
	use := func() {
		c := r.dial(t, smpclient.Options{})
		if err := c.Send(ctx, "q", nil, smp.SEND{Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	use()
	const n = 50
	before := inUse()
	for range n {
		use()
	}
	each := (int64(inUse()) - int64(before)) / n
	t.Logf("%d KiB for both ends of an idle session", each/1024)
	if each > 128<<10 {
		t.Errorf("%d KiB for both ends of an idle session", each/1024)
	}
}
