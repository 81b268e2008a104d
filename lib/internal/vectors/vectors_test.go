package vectors

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

const sample = `{"origin":"a program","what":"numbers","limit":3,"cases":[
 {"id":"a1","category":"one","bytes":"00ff","none":null,"empty":""},
 {"id":"a2","category":"two/x","big":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","length":0}},
 {"id":"a3","category":"two/y","result":{"error":"\"no\""}}]}`

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write([]byte(sample))
	_ = w.Close()
	if err := os.WriteFile(filepath.Join(dir, "s.json.gz"), z.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(Env, dir)
	f := Load(t, "s.json")
	var limit int
	f.Decode(t, "limit", &limit)
	if limit != 3 || f.Origin != "a program" || f.What != "numbers" || len(f.Cases) != 3 {
		t.Fatalf("loaded %+v", f)
	}
	var c struct{ Bytes, None, Empty, Absent Hex }
	f.Cases[0].Decode(t, &c)
	if !bytes.Equal(c.Bytes, []byte{0, 255}) || c.None != nil || c.Empty == nil || c.Absent != nil {
		t.Errorf("hex values %+v", c)
	}
	var big struct{ Big Large }
	f.Cases[1].Decode(t, &big)
	if err := big.Big.Check(nil); err != nil {
		t.Error(err)
	}
	if big.Big.Check([]byte{1}) == nil {
		t.Error("wrong length passes")
	}
	var res struct{ Result Result }
	f.Cases[2].Decode(t, &res)
	if res.Result.OK || res.Result.Error != `"no"` {
		t.Errorf("result %+v", res.Result)
	}
	if n := len(f.With("two/*")); n != 2 {
		t.Errorf("%d cases of two/*", n)
	}
	seen := 0
	count := func(*testing.T, Case) { seen++ }
	f.Dispatch(t, map[string]func(*testing.T, Case){"one": count, "two/*": count})
	if seen != 3 {
		t.Errorf("%d cases dispatched", seen)
	}
}

func TestMissing(t *testing.T) {
	if _, _, err := Dir("absent.json"); err == nil {
		t.Error("no error for an absent file")
	}
	if _, err := parse([]byte(`{"cases":[]}`)); err == nil {
		t.Error("no error without cases")
	}
	if _, err := parse([]byte(`{"cases":[{"id":"a"},{"id":"a"}]}`)); err == nil {
		t.Error("no error for two cases with one ID")
	}
}

func TestSeeded(t *testing.T) {
	a, b := Seeded([]byte{1}, 100), Seeded([]byte{1}, 33)
	if !bytes.Equal(a[:33], b) || bytes.Equal(a[:32], a[32:64]) {
		t.Error("the values of one seed are not one sequence")
	}
	if err := new(Large).UnmarshalJSON([]byte(`{}`)); err == nil {
		t.Error("an empty object is taken for a value")
	}
	if b, err := json.Marshal(Hex{1, 2}); err != nil || string(b) != `"0102"` {
		t.Errorf("%s %v", b, err)
	}
}
