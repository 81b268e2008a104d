package agent_test

import (
	"os"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp/link"
)

// withQueueKey is the link with another key of its queue.
func withQueueKey(t *testing.T, s string, k key.X25519Public) string {
	t.Helper()
	r, err := link.ParseRequest(s)
	if err != nil {
		t.Fatal(err)
	}
	r.Queues[0].DHKey = k
	return r.String()
}

// long tells whether tests may take minutes.
func long() bool { return os.Getenv("SIMPLEXKIT_LONG") != "" }
