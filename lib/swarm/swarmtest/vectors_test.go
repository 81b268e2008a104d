package swarmtest

import (
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// Every repository can be read, and the heads are where the notes say.
func TestRepositoriesVectors(t *testing.T) {
	for _, c := range Cases(t) {
		if r := Load(t, c.Name); r.Head != c.Head {
			t.Errorf("%s: head %v, want %v", c.Name, r.Head, c.Head)
		}
		if c.Strict == "invalid" && (c.Commit == "" || c.Reason == "") {
			t.Errorf("%s: no reason is known", c.Name)
		}
	}
	for _, real := range Reals(t) {
		r := Load(t, real.Name)
		if r.Head != real.Head {
			t.Errorf("%s: head %v, want %v", r.Name, r.Head, real.Head)
		}
		if o := r.Objects[real.Conversation]; o.Type != commit.TypeCommit {
			t.Errorf("%s: no root", r.Name)
		}
	}
}
