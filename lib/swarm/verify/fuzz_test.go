package verify_test

import (
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/swarmtest"
	"github.com/simplexkit/simplexkit/lib/swarm/verify"
)

var fuzzPaths = []string{"profile.vcf", "x", "invited/", "members/", "admins/", "devices/", "votes/ban/members/", "banned/members/", "CRLs/"}

// Whatever is written on top of a good history, the answer is a verdict.
func FuzzHistory(f *testing.F) {
	repo := swarmtest.Load(f, "group2-c-banned-at-a")
	head, err := commit.ReadCommit(f.Context(), repo.Objects, repo.Head)
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range swarmtest.Cases(f) {
		r := swarmtest.Load(f, c.Name)
		if c, err := commit.ReadCommit(f.Context(), r.Objects, r.Head); err == nil {
			f.Add(c.Message, []byte(nil), []byte{0, 0, 1}, uint8(len(c.Parents)))
		}
	}
	people := []string{"", ".crt"}
	for _, dir := range []string{"admins", "members", "banned/members", "devices"} {
		list, err := commit.NewTrees(repo.Objects).List(f.Context(), head.Tree, dir)
		if err != nil {
			f.Fatal(err)
		}
		for _, e := range list {
			people = append(people, e.Name)
		}
	}
	f.Fuzz(func(t *testing.T, message, content, changes []byte, parents uint8) {
		layer := commit.Mem{}
		objects := commit.Over{layer, repo.Objects}
		blob := layer.Add(commit.Object{Type: commit.TypeBlob, Data: content})
		var list []commit.Change
		for ; len(changes) >= 3 && len(list) < 8; changes = changes[3:] {
			c := commit.Change{Path: fuzzPaths[int(changes[0])%len(fuzzPaths)] + people[int(changes[1])%len(people)]}
			if changes[2]%3 > 0 {
				c.New = commit.Value{Mode: commit.ModeFile, ID: blob}
			}
			list = append(list, c)
		}
		tree, made, err := commit.NewTrees(objects).Apply(t.Context(), head.Tree, list)
		if err != nil {
			return
		}
		layer.Add(made...)
		c := *head
		c.Tree, c.Message, c.Parents = tree, message, nil
		for i := range parents % 4 {
			p := repo.Head
			if i > 0 {
				p = head.Parents[0]
			}
			c.Parents = append(c.Parents, p)
		}
		raw, err := c.AppendBinary(nil)
		if err != nil {
			return
		}
		id := layer.Add(commit.Object{Type: commit.TypeCommit, Data: raw})
		for _, mode := range modes {
			_, err := verify.History(t.Context(), objects, id, verify.Options{Mode: mode, Local: repo.Head, Workers: 1})
			if _, ok := verify.AsReason(err); err != nil && !ok {
				t.Fatal(err)
			}
			if err == nil && mode == verify.Strict {
				t.Fatal("accepted without a signature that fits")
			}
		}
	})
}
