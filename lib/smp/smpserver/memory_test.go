package smpserver_test

import (
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpserver"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

// TestMemoryOfSubscriptions looks at what subscriptions cost beyond the cached
// records.
func TestMemoryOfSubscriptions(t *testing.T) {
	if testing.Short() {
		t.Skip("subscribes to many queues")
	}
	const many, limit = 8000, 400
	relay := smptest.Start(t, smptest.WithConfig(func(c *smpserver.Config) { c.CachedQueues = 100 }))
	a := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	k, pub := key.GenerateX25519(), key.GenerateX25519().Public()
	rcv := make([]smp.EntityID, 0, many)
	create := smp.NEW{AuthKey: k.Public(), DHKey: pub, Create: true}
	batch(t, a, many, func(int) (smp.EntityID, smp.Command) { return "", create }, k, func(r smp.Response) {
		m, ok := r.Message.(smp.IDS)
		if !ok {
			t.Fatal(smptest.Describe(r))
		}
		rcv = append(rcv, smp.EntityID(m.RecipientID))
	})
	before := heap()
	batch(t, a, many, func(i int) (smp.EntityID, smp.Command) { return rcv[i], smp.SUB{} }, k,
		func(r smp.Response) { want(t, r, "SOK") })
	each := (int64(heap()) - int64(before)) / many
	t.Logf("%d bytes each", each)
	if each > limit {
		t.Errorf("a subscription costs %d bytes, limit %d", each, limit)
	}
	if n := relay.Server().Stats().QueuesInCache; n > 100 {
		t.Errorf("%d records in memory", n)
	}
}
