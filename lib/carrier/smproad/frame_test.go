package smproad

import (
	"bytes"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
)

func TestSealed(t *testing.T) {
	k, pub := box.RandomKey(), key.GenerateX25519().Public()
	first, err := sealFirst(k, pub, []byte("Q"))
	if err != nil || len(first) > maxBody {
		t.Fatal(len(first), err)
	}
	m, err := parseMessage(first)
	if err != nil || !m.first || m.pub != pub || m.id != idOf(pub) {
		t.Error(m, err)
	}
	if text, err := m.open(k, fromCaller); err != nil || string(text) != "Q" {
		t.Errorf("%q, %v", text, err)
	}
	f := frame{kind: 'D', taken: 7, data: bytes.Repeat([]byte("x"), maxData)}
	next, err := sealNext(k, m.id, fromCallee, 5, f.append(nil))
	if err != nil || len(next) > maxBody {
		t.Fatal(len(next), err)
	}
	if m, err = parseMessage(next); err != nil || m.first || m.number != 5 {
		t.Error(m, err)
	}
	if _, err := m.open(k, fromCaller); err == nil {
		t.Error("opened in the other direction")
	}
	text, err := m.open(k, fromCallee)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parseFrame(text); err != nil || got.taken != 7 || !bytes.Equal(got.data, f.data) {
		t.Error(err)
	}
	next[9]++ // another number
	if m, err = parseMessage(next); err != nil {
		t.Fatal(err)
	}
	if _, err := m.open(k, fromCallee); err == nil {
		t.Error("opened with another number")
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("D\x00\x00\x00\x01data"))
	f.Add([]byte("A\x00\x00\x00\x01"))
	f.Add([]byte("F"))
	f.Add(append([]byte{2}, make([]byte, 40)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseMessage(b); err == nil {
			if _, err := m.open(box.RandomKey(), fromCaller); err == nil {
				t.Error("opened with any key")
			}
		}
		if fr, err := parseFrame(b); err == nil && !bytes.Equal(fr.append(nil), b) {
			t.Errorf("%q written as %q", b, fr.append(nil))
		}
	})
}

// TestOutOfPlace has a stream end where frames do not fit, and what comes twice
// dropped.
func TestOutOfPlace(t *testing.T) {
	for name, b := range map[string]struct {
		frames []frame
		number func(i int) uint64
		broken bool
	}{
		"in order":             {[]frame{{'D', 0, []byte("a")}, {'D', 0, []byte("b")}}, func(i int) uint64 { return uint64(i) }, false},
		"twice":                {[]frame{{'D', 0, []byte("a")}, {'D', 0, []byte("a")}}, func(int) uint64 { return 0 }, false},
		"a gap":                {[]frame{{'D', 0, []byte("a")}, {'D', 0, []byte("b")}}, func(i int) uint64 { return uint64(2 * i) }, true},
		"more than the window": {make([]frame, window+1), func(i int) uint64 { return uint64(i) }, true},
		"taken and not sent":   {[]frame{{'A', 1, nil}}, func(int) uint64 { return 0 }, true},
	} {
		k := box.RandomKey()
		c := newConn(streamID{}, k, fromCaller, fromCallee, nil, addr{})
		for i, f := range b.frames {
			if f.kind == 0 {
				f = frame{'D', 0, []byte("x")}
			}
			sealed, err := sealNext(k, c.id, fromCallee, b.number(i), f.append(nil))
			if err != nil {
				t.Fatal(err)
			}
			m, err := parseMessage(sealed)
			if err != nil {
				t.Fatal(err)
			}
			c.receive(m)
		}
		if (c.err != nil) != b.broken {
			t.Errorf("%s: %v", name, c.err)
		}
	}
}
