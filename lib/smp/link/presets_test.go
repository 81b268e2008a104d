package link_test

import (
	"slices"
	"testing"

	"github.com/simplexkit/simplexkit/lib/smp/link"
)

// A link to a relay of the apps names its host only, and is understood.
func TestPresets(t *testing.T) {
	all := link.Presets()
	for _, p := range all {
		l := link.Short{Type: link.OneTime, Server: p, LinkID: "id", Key: "key"}
		short := l.Shorten(all)
		if len(short.Server.Hosts) != 1 || short.Server.KeyHash != "" {
			t.Errorf("%v is not shortened", p)
		}
		parsed, err := link.ParseShort(short.String())
		if err != nil {
			t.Fatal(err)
		}
		if got := parsed.Restore(all); !got.Server.Equal(p) || !slices.Equal(got.Server.Hosts, p.Hosts) {
			t.Errorf("restored %v, want %v", got.Server, p)
		}
	}
}
