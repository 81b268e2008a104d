package drt

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	mrand "math/rand/v2"
	"reflect"
	"testing"
	"time"
)

var now = time.Unix(1_800_000_000, 0)

func id(b byte) (out ID) {
	out[0], out[31] = b, 1
	return out
}

func messages() []*Message {
	lease := &Lease{Conversation: "c0ffee", Issuer: "uri", Device: id(9), Issued: now, Expires: now.Add(time.Hour), Signature: bytes.Repeat([]byte{7}, 512)}
	return []*Message{
		{},
		{Mobile: true, Lease: lease, Find: &Find{Num: 2, Node: id(1)}},
		{Found: &Found{Nodes: []ID{id(1), id(2)}, Mobiles: []ID{}, Leases: []*Lease{lease}}},
		{WantCerts: []ID{id(3)}},
		{Certs: [][]byte{{1, 2, 3}}},
	}
}

func TestMessagesFollowEachOther(t *testing.T) {
	var b []byte
	for _, m := range messages() {
		b = m.Append(b)
	}
	r := bufio.NewReader(bytes.NewReader(b))
	for i, want := range messages() {
		got, err := Read(r)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("message %d: got %+v, want %+v", i, got, want)
		}
	}
	if _, err := Read(r); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestUnknownMembersAreSkipped(t *testing.T) {
	b := appendMap(nil, 3)
	b = appendUint(appendStr(b, "v"), Version)
	b = append(appendStr(b, "new"), 0x92, 0x81, 0xa1, 'k', 0xc0, 0xcb, 1, 2, 3, 4, 5, 6, 7, 8)
	b = appendBool(appendStr(b, "is_mobile"), true)
	if m, err := Parse(b); err != nil || !m.Mobile {
		t.Fatalf("%+v, %v", m, err)
	}
}

func TestBadMessages(t *testing.T) {
	deep := appendMap(nil, 2)
	deep = appendUint(appendStr(deep, "v"), Version)
	deep = append(appendStr(deep, "x"), bytes.Repeat([]byte{0x91}, 1000)...)
	many := appendMap(nil, 2)
	many = appendUint(appendStr(many, "v"), Version)
	many = appendMap(appendStr(many, "response"), 2)
	many = appendUint(appendStr(many, "q"), qFound)
	many = append(appendStr(many, "nodes"), 0xdd, 0xff, 0xff, 0xff, 0xff)
	twice := appendMap(nil, 2)
	twice = appendUint(appendStr(twice, "v"), Version)
	twice = appendUint(appendStr(twice, "v"), Version)
	for name, b := range map[string][]byte{
		"empty": {}, "no map": {0x01}, "cut": {0x82, 0xa1, 'v'}, "no version": {0x80},
		"bytes after": append(new(Message).Append(nil), 0), "deep": deep, "many": many, "twice": twice,
		"huge string": {0x81, 0xdb, 0xff, 0xff, 0xff, 0xff},
	} {
		if m, err := Parse(b); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func TestMessageHasALimit(t *testing.T) {
	b := appendMap(nil, 2)
	b = appendUint(appendStr(b, "v"), Version)
	b = append(appendStr(b, "x"), 0xdd, 0x7f, 0xff, 0xff, 0xff)
	endless := io.MultiReader(bytes.NewReader(b), zeros{})
	if _, err := Read(bufio.NewReader(endless)); !errors.Is(err, ErrMessage) {
		t.Fatal(err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestLease(t *testing.T) {
	priv, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLease("conv", "uri", id(4), priv, now, 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	b := (&Message{Mobile: true, Lease: l}).Append(nil)
	m, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Lease.Verify(&priv.PublicKey); err != nil {
		t.Fatal(err)
	}
	if err := m.Lease.Valid("conv", now); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"other":  m.Lease.Valid("other", now),
		"over":   m.Lease.Valid("conv", now.Add(MaxLease)),
		"future": m.Lease.Valid("conv", now.Add(-time.Hour)),
	} {
		if !errors.Is(err, ErrLease) {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := *m.Lease
	long.Expires = long.Expires.Add(time.Second)
	if err := long.Valid("conv", now); !errors.Is(err, ErrLease) {
		t.Error("a lease of more than 30 days is valid")
	}
	if err := long.Verify(&priv.PublicKey); !errors.Is(err, ErrLease) {
		t.Error("a changed lease is signed")
	}
}

func FuzzParse(f *testing.F) {
	for _, m := range messages() {
		f.Add(m.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(m.Append(nil))
		if err != nil {
			t.Fatalf("what was read is refused when written: %v", err)
		}
		if !bytes.Equal(m.Append(nil), again.Append(nil)) {
			t.Fatal("reading changed it")
		}
	})
}

func FuzzParseID(f *testing.F) {
	f.Add(id(1).String())
	f.Add("zz")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseID(s); err == nil && len(id.String()) != len(s) {
			t.Fatal(s)
		}
	})
}

func testMachine(self ID, set func(*Config)) *Machine {
	cfg := Config{Self: self, Conversation: "conv", Rand: mrand.New(mrand.NewPCG(1, 2)),
		Backoff: func(n int) time.Duration { return time.Duration(n) * time.Minute }}
	if set != nil {
		set(&cfg)
	}
	return NewMachine(cfg)
}

func kinds(actions []Action, k ActionKind) (out []ID) {
	for _, a := range actions {
		if a.Kind == k {
			out = append(out, a.ID)
		}
	}
	return out
}

func TestMachineOpensFewChannels(t *testing.T) {
	m := testMachine(id(0), nil)
	var all []ID
	for i := range 200 {
		all = append(all, id(byte(i+1)))
	}
	opens := kinds(m.Learn(now, all...), Open)
	if len(opens) != BucketSize {
		t.Fatalf("%d channels at first", len(opens))
	}
	for len(opens) > 0 {
		next := opens[0]
		opens = append(opens[1:], kinds(m.Opened(now, next), Open)...)
	}
	if n := len(m.Table().Nodes()); n < BucketSize || n > 2*BucketSize*9 {
		t.Fatalf("%d nodes of %d", n, len(all))
	}
}

func TestMachineWaitsAfterFailures(t *testing.T) {
	m := testMachine(id(0), nil)
	if got := kinds(m.Learn(now, id(1)), Open); len(got) != 1 {
		t.Fatal(got)
	}
	if got := m.Failed(now, id(1)); len(got) != 0 {
		t.Fatalf("tried again at once: %v", got)
	}
	m.Tick(now)
	if next := m.Next(now); !next.Equal(now.Add(time.Minute)) {
		t.Fatalf("next %v", next)
	}
	if got := kinds(m.Tick(now.Add(time.Minute)), Open); len(got) != 1 {
		t.Fatal(got)
	}
	m.Failed(now, id(1))
	if got := kinds(m.Reachable(now, id(1)), Open); len(got) != 1 {
		t.Fatal("not tried when the network changed")
	}
}

func TestMachineRefusesTheForgotten(t *testing.T) {
	banned := id(5)
	m := testMachine(id(0), func(c *Config) { c.Allowed = func(x ID) bool { return x != banned } })
	if got := kinds(m.Opened(now, banned), Close); len(got) != 1 {
		t.Fatal("a banned device has a channel")
	}
	m.Opened(now, id(6))
	m.Received(now, id(6), &Message{Found: &Found{Nodes: []ID{banned, id(7)}}})
	if m.devices[banned] != nil || m.devices[id(7)] == nil {
		t.Fatal("answers")
	}
	if got := kinds(m.Forget(now, id(6)), Close); len(got) != 1 || len(m.Table().Nodes()) != 0 {
		t.Fatal("a forgotten device has its channel")
	}
	if got := m.Received(now, id(6), &Message{Find: &Find{Num: 2}}); len(got) != 0 {
		t.Fatal("a forgotten device is answered")
	}
}

func TestMachineKnowsMobiles(t *testing.T) {
	lease := &Lease{Conversation: "conv", Device: id(8), Issued: now, Expires: now.Add(time.Hour)}
	m := testMachine(id(0), func(c *Config) { c.CheckLease = func(*Lease) error { return nil } })
	m.Opened(now, id(8))
	m.Received(now, id(8), &Message{Mobile: true, Lease: lease})
	if got := kinds(m.Lost(now, id(8)), Open); len(got) != 0 {
		t.Fatal("a mobile device is dialled")
	}
	if got := m.ToWake(now); len(got) != 1 {
		t.Fatal("not woken")
	}
	m.Opened(now, id(9))
	out := m.Received(now, id(9), &Message{Find: &Find{Num: 2, Node: id(9)}})
	if len(out) != 1 || len(out[0].Message.Found.Leases) != 1 {
		t.Fatalf("FOUND without the lease: %+v", out)
	}
	m.Tick(now.Add(2 * time.Hour))
	if len(m.Table().Mobiles()) != 0 || len(m.ToWake(now)) != 0 {
		t.Fatal("a lease that is over is used")
	}
	unchecked := testMachine(id(0), nil)
	unchecked.Opened(now, id(8))
	unchecked.Received(now, id(8), &Message{Lease: lease})
	unchecked.Lost(now, id(8))
	if len(unchecked.Table().Mobiles()) != 0 {
		t.Fatal("a lease that nobody checked is believed")
	}
}
