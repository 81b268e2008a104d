package agent_test

import (
	"testing"

	"github.com/simplexkit/simplexkit/lib/agent"
)

func FuzzParseLink(f *testing.F) {
	f.Add("simplex:/invitation#/?v=2-7")
	a, err := agent.New(agent.Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if i, err := a.ParseLink(s); err == nil && i.Version < 2 {
			t.Errorf("version %d", i.Version)
		}
	})
}
