package smpserver_test

import (
	"testing"

	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

// BenchmarkConnect is a client that connects and leaves, both sides.
func BenchmarkConnect(b *testing.B) {
	relay := smptest.Start(b)
	b.ReportAllocs()
	for b.Loop() {
		c, err := smpclient.Dial(b.Context(), relay.Addr, smpclient.Options{})
		if err != nil {
			b.Fatal(err)
		}
		_ = c.Close()
	}
}
