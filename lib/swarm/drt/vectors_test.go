package drt

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/simplexkit/simplexkit/lib/internal/vectors"
)

func parseIDs(t *testing.T, texts []string) []ID {
	t.Helper()
	var out []ID
	for _, s := range texts {
		id, err := ParseID(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, id)
	}
	return out
}

func texts(ids []ID) []string {
	out := []string{}
	for _, id := range ids {
		out = append(out, id.String())
	}
	return out
}

type vectorFile struct {
	BucketSize int `json:"bucket_size"`
	Closest    []struct {
		Me        string
		OneBucket bool `json:"one_bucket"`
		Add       []string
		Target    string
		Count     int
		Expect    []string
	}
	Split []struct {
		Me      string
		Add     []string
		Buckets [][]string
	}
}

func TestTableVectors(t *testing.T) {
	var f vectorFile
	if err := json.Unmarshal(vectors.ReadFile(t, "drt-vectors.json"), &f); err != nil {
		t.Fatal(err)
	}
	if f.BucketSize != BucketSize {
		t.Fatalf("bucket size %d, ours is %d", f.BucketSize, BucketSize)
	}
	if len(f.Closest) == 0 || len(f.Split) == 0 {
		t.Fatal("no cases")
	}
	for i, c := range f.Closest {
		me := ID{}
		for j := range me { // nobody's, far from all
			me[j] = 0xff
		}
		if !c.OneBucket {
			me = parseIDs(t, []string{c.Me})[0]
		}
		table := NewTable(me)
		for _, id := range parseIDs(t, c.Add) {
			if c.OneBucket {
				insert(&table.buckets[0].nodes, id)
			} else {
				table.AddNode(id)
			}
		}
		if got := texts(table.Closest(parseIDs(t, []string{c.Target})[0], c.Count)); !slices.Equal(got, c.Expect) {
			t.Errorf("closest %d: got %v, want %v", i, got, c.Expect)
		}
	}
	for i, c := range f.Split {
		table := NewTable(parseIDs(t, []string{c.Me})[0])
		for _, id := range parseIDs(t, c.Add) {
			table.AddNode(id)
		}
		var got [][]string
		for _, b := range table.Buckets() {
			got = append(got, texts(b))
		}
		if !slices.EqualFunc(got, c.Buckets, func(a, b []string) bool { return slices.Equal(a, b) }) {
			t.Errorf("split %d: got %v, want %v", i, got, c.Buckets)
		}
	}
}
