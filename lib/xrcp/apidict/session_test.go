package apidict

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/dict"
	"github.com/klauspost/compress/zstd"

	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/xrcp"
)

var train = flag.String("train", "", "make the dictionary again, of the recorded sessions in this directory")

// heldOut are sessions that the dictionary is measured with, so not made of.
var heldOut = []string{"messages_basic", "reactions"}

// bodies are a recorded session as remote control carries it.
func bodies(t testing.TB, session []byte) (out [][]byte) {
	t.Helper()
	var f struct {
		Records []any          `json:"records"`
		Objects map[string]any `json:"objects"`
	}
	if err := json.Unmarshal(session, &f); err != nil {
		t.Fatal(err)
	}
	for _, v := range f.Records {
		r, ok := expand(v, f.Objects).(map[string]any)
		if !ok {
			t.Fatal("a record is no object")
		}
		if b := body(t, r); b != nil {
			out = append(out, b)
		}
	}
	return out
}

// body is a command, an answer or an event in its envelope, nil for others.
func body(t testing.TB, r map[string]any) []byte {
	t.Helper()
	if cmd, ok := r["cmd"].(string); ok && r["dir"] == "cmd" {
		return marshal(t, xrcp.Command{Send: &xrcp.Send{Command: cmd}})
	}
	resp, ok := r["resp"].(map[string]any)
	if !ok {
		return nil
	}
	raw := marshal(t, resp)
	result := &xrcp.Result{Result: raw}
	if resp["type"] == "chatCmdError" || resp["type"] == "chatError" {
		result = &xrcp.Result{Error: raw}
	}
	if r["dir"] == "event" {
		return marshal(t, xrcp.Response{Event: &xrcp.Event{Event: result}})
	}
	return marshal(t, xrcp.Response{Chat: result})
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// expand puts shared objects in the place of references to them.
func expand(v any, objects map[string]any) any {
	switch v := v.(type) {
	case map[string]any:
		if k, ok := v["$ref"].(string); ok && len(v) == 1 {
			return expand(objects[k], objects)
		}
		out := map[string]any{}
		for k, x := range v {
			out[k] = expand(x, objects)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = expand(x, objects)
		}
		return out
	}
	return v
}

// TestTrain makes the dictionary, if that is asked for. A program that has the
// old one then shares none with one that has the new one: it is to be made
// again only where the API has changed much.
func TestTrain(t *testing.T) {
	if *train == "" {
		t.Skip("scripts/apidict makes the dictionary")
	}
	paths, err := filepath.Glob(filepath.Join(*train, "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatal("no sessions", err)
	}
	var samples [][]byte
	for _, p := range paths {
		if slices.Contains(heldOut, strings.TrimSuffix(filepath.Base(p), ".json")) {
			continue
		}
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range bodies(t, b) {
			// What is long is mostly a list of what others are, or text.
			samples = append(samples, body[:min(len(body), 8000)])
		}
	}
	d, err := dict.BuildZstdDict(samples, dict.Options{MaxDictSize: 32 << 10, HashBytes: 8, ZstdDictID: number(samples), ZstdLevel: zstd.SpeedBetterCompression})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("api.dict", d, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes of %d samples, named %s", len(d), len(samples), name(d))
}

// number is one for frames, which differs from those of other dictionaries,
// outside of what RFC 8878 reserves.
func number(samples [][]byte) uint32 {
	n := uint32(2166136261)
	for _, s := range samples {
		for _, c := range s {
			n = (n ^ uint32(c)) * 16777619
		}
	}
	return n&0x7fff_ffff | 1<<20
}

// TestVectorSessionsShrink measures the goal: a fifth.
func TestVectorSessionsShrink(t *testing.T) {
	for _, name := range heldOut {
		host, controller := pair(t)
		var plain, packed, without int
		for _, b := range bodies(t, vectors.ReadFile(t, "botapi/transcripts/"+name+".json")) {
			from, to := host, controller
			if c, err := xrcp.ParseCommand(b); err == nil && c.Send != nil {
				from, to = controller, host
			}
			p := from.Pack(nil, b)
			got, err := to.Unpack(nil, p, xrcp.DefaultMaxBody)
			if err != nil || string(got) != string(b) {
				t.Fatalf("%s: %v", name, err)
			}
			plain, packed = plain+len(b), packed+len(p)
			without += len(shared().plain.EncodeAll(b, nil))
		}
		t.Logf("%s: %d bytes in %d: %.2f times, without the dictionary %.2f", name, plain, packed,
			float64(plain)/float64(packed), float64(plain)/float64(without))
		if plain < 5*packed {
			t.Errorf("%s: %d bytes take %d, goal is a fifth", name, plain, packed)
		}
	}
}

func BenchmarkPack(b *testing.B) {
	host, controller := pair(b)
	session := bodies(b, vectors.ReadFile(b, "botapi/transcripts/messages_basic.json"))
	if _, err := host.Unpack(nil, controller.Pack(nil, session[0]), 1<<20); err != nil {
		b.Fatal(err)
	}
	var packed, plain int
	i := 0
	for b.Loop() {
		body := session[i%len(session)]
		plain, packed = plain+len(body), packed+len(host.Pack(nil, body))
		i++
	}
	b.SetBytes(int64(plain / i))
	b.ReportMetric(float64(plain)/float64(packed), "times")
}

func BenchmarkUnpack(b *testing.B) {
	_, controller := pair(b)
	var frames [][]byte
	plain := 0
	for _, body := range bodies(b, vectors.ReadFile(b, "botapi/transcripts/messages_basic.json")) {
		frames, plain = append(frames, controller.Pack(nil, body)), plain+len(body)
	}
	b.SetBytes(int64(plain / len(frames)))
	i := 0
	for b.Loop() {
		if _, err := controller.Unpack(nil, frames[i%len(frames)], 1<<20); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
