package ratchet

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/wire"
)

type vectorSkipped struct {
	Header vectors.Hex `json:"header_key"`
	N      uint32      `json:"message_number"`
	Key    vectors.Hex `json:"message_key"`
	IV     vectors.Hex `json:"iv"`
}

type vectorStep struct {
	Op       string
	From, By string
	Message  int
	Error    string

	// send
	Switch          *bool         `json:"pq_switch"`
	Plaintext       vectors.Hex   `json:"plaintext"`
	PaddedLength    int           `json:"padded_length"`
	Version         wire.Version  `json:"version"`
	MessageKey      vectors.Hex   `json:"message_key"`
	MessageIV       vectors.Hex   `json:"message_iv"`
	HeaderKey       vectors.Hex   `json:"header_key"`
	HeaderIV        vectors.Hex   `json:"header_iv"`
	HeaderPlain     vectors.Hex   `json:"header_plain_unpadded"`
	HeaderLength    int           `json:"header_padded_length"`
	EncryptedHeader vectors.Large `json:"encrypted_header_with_prefix"`
	Ciphertext      vectors.Large `json:"ciphertext"`
	First           int           `json:"first_message"`
	Count           int           `json:"count"`

	// receive
	Returned     string          `json:"error_returned_state_updated"`
	Thrown       string          `json:"error_thrown_state_unchanged"`
	Advanced     bool            `json:"ratchet_advanced"`
	SkippedDiff  string          `json:"skipped_diff"`
	SkippedAfter json.RawMessage `json:"skipped_keys_after"`
	StateAfter   json.RawMessage `json:"state_after"`
	PQAfter      *struct {
		Enable  PQEncryption    `json:"enable"`
		Support PQSupport       `json:"support"`
		Snd     PQEncryption    `json:"snd_kem"`
		Rcv     PQEncryption    `json:"rcv_kem"`
		Version [2]wire.Version `json:"current_version"`
	} `json:"pq_after"`

	// states
	Alice        json.RawMessage
	Bob          json.RawMessage
	AliceSkipped json.RawMessage `json:"alice_skipped"`
	BobSkipped   json.RawMessage `json:"bob_skipped"`
}

// conversation replays the steps of a case.
type conversation struct {
	t           *testing.T
	max         wire.Version
	state       map[string]*State
	skipped     map[string]SkippedMap
	sent, plain map[int][]byte
}

func (c *conversation) run(i int, s *vectorStep) {
	c.t.Helper()
	switch s.Op {
	case "send":
		c.send(i, s)
	case "send_many_not_recorded":
		for n := range s.Count {
			next, out, err := c.state[s.From].Encrypt(make([]byte, 10), 60, SendOptions{MaxVersion: c.max})
			if err != nil {
				c.t.Fatalf("step %d: %v", i, err)
			}
			c.state[s.From], c.sent[s.First+n] = next, out
		}
	case "receive":
		c.receive(i, s)
	case "states":
		checkState(c.t, fmt.Sprintf("step %d: alice's state", i), c.state["alice"], s.Alice)
		checkState(c.t, fmt.Sprintf("step %d: bob's state", i), c.state["bob"], s.Bob)
		c.checkSkipped(i, "alice", s.AliceSkipped)
		c.checkSkipped(i, "bob", s.BobSkipped)
	default:
		c.t.Fatalf("step %d: unknown op %q", i, s.Op)
	}
}

func (c *conversation) send(i int, s *vectorStep) {
	o := SendOptions{MaxVersion: c.max}
	if s.Switch != nil {
		o.PQ = PQDisable
		if *s.Switch {
			o.PQ = PQEnable
		}
	}
	old := c.state[s.From]
	before, _ := old.AppendBinary(nil)
	next, out, err := old.Encrypt(s.Plaintext, s.PaddedLength, o)
	if after, _ := old.AppendBinary(nil); !bytes.Equal(before, after) {
		c.t.Fatalf("step %d: Encrypt changed its state", i)
	}
	if s.Error != "" {
		if !errors.Is(err, errorNamed(c.t, s.Error)) {
			c.t.Fatalf("step %d: error %v, want %s", i, err, s.Error)
		}
		return
	}
	if err != nil {
		c.t.Fatalf("step %d: %v", i, err)
	}
	if err := s.Ciphertext.Check(out); err != nil {
		c.t.Fatalf("step %d: message: %v", i, err)
	}
	c.checkHeader(i, s, old, out)
	c.checkPQ(i, s, next)
	if n := s.PaddedLength + Overhead(s.Version, next.support); len(out) != n {
		c.t.Fatalf("step %d: Overhead gives %d bytes, message has %d", i, n, len(out))
	}
	c.state[s.From], c.sent[s.Message], c.plain[s.Message] = next, out, s.Plaintext
}

// checkHeader compares the keys and what the header says.
func (c *conversation) checkHeader(i int, s *vectorStep, old *State, out []byte) {
	_, mk, headerIV := chainKDF(old.snd.key)
	m, err := parseMessage(out)
	if err != nil {
		c.t.Fatalf("step %d: %v", i, err)
	}
	plain, err := openSealed(s.HeaderKey, headerIV[:], old.ad[:], m.headerTag, m.inner)
	if err != nil {
		c.t.Fatalf("step %d: header: %v", i, err)
	}
	for _, p := range [][2][]byte{
		{mk[:32], s.MessageKey}, {mk[32:], s.MessageIV}, {headerIV[:], s.HeaderIV}, {m.headerIV, s.HeaderIV},
		{old.snd.header[:], s.HeaderKey}, {plain, s.HeaderPlain},
	} {
		if !bytes.Equal(p[0], p[1]) {
			c.t.Fatalf("step %d: %x, want %x", i, p[0], p[1])
		}
	}
	if m.version != s.Version || len(m.inner) != s.HeaderLength {
		c.t.Fatalf("step %d: version %d, header of %d bytes", i, m.version, len(m.inner))
	}
	if err := s.EncryptedHeader.Check(m.header); err != nil {
		c.t.Fatalf("step %d: encrypted header: %v", i, err)
	}
}

func (c *conversation) receive(i int, s *vectorStep) {
	msg := c.sent[s.Message]
	if s.Ciphertext.Bytes != nil {
		msg = s.Ciphertext.Bytes
	}
	var src source = cryptoSource{}
	if s.StateAfter != nil {
		src = replay{c.t, parseState(c.t, s.StateAfter)}
	}
	old := c.state[s.By]
	before, _ := old.AppendBinary(nil)
	r, err := old.decrypt(src, c.skipped[s.By], msg)
	if after, _ := old.AppendBinary(nil); !bytes.Equal(before, after) {
		c.t.Fatalf("step %d: Decrypt changed its state", i)
	}
	if s.Thrown != "" {
		c.checkError(i, err, s.Thrown)
		if r.Next != nil || !r.Skipped.Empty() || r.Plain != nil {
			c.t.Fatalf("step %d: the state is to stay", i)
		}
		return
	}
	if s.Returned != "" {
		c.checkError(i, err, s.Returned)
	} else if err != nil || r.Plain == nil || !bytes.Equal(r.Plain, s.Plaintext) {
		c.t.Fatalf("step %d: decrypted %x, error %v", i, r.Plain, err)
	}
	if r.Next == nil || r.Advanced != s.Advanced {
		c.t.Fatalf("step %d: next state %v, advanced %v, want %v", i, r.Next, r.Advanced, s.Advanced)
	}
	if got := diffText(r.Skipped); got != s.SkippedDiff {
		c.t.Fatalf("step %d: skipped keys: %s, want %s", i, got, s.SkippedDiff)
	}
	c.skipped[s.By].Apply(r.Skipped)
	c.checkSkipped(i, s.By, s.SkippedAfter)
	c.checkPQ(i, s, r.Next)
	if s.StateAfter != nil {
		checkState(c.t, fmt.Sprintf("step %d: %s's state", i, s.By), r.Next, s.StateAfter)
	}
	c.state[s.By] = stored(c.t, r.Next)
}

// stored is the state after a visit to the disk.
func stored(t testing.TB, s *State) *State {
	t.Helper()
	b, err := s.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	out := new(State)
	if err := out.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return out
}

func (c *conversation) checkPQ(i int, s *vectorStep, got *State) {
	if s.PQAfter == nil {
		return
	}
	w := s.PQAfter
	if got.PQEnabled() != w.Enable || got.PQSupport() != w.Support || got.SndPQ() != w.Snd ||
		got.RcvPQ() != w.Rcv || got.current != w.Version[0] || got.max != w.Version[1] {
		c.t.Fatalf("step %d: KEM enabled %v, supported %v, sent %v, received %v, versions %d %d; want %+v", i,
			got.enable, got.support, got.sndKEM, got.rcvKEM, got.current, got.max, *w)
	}
}

func diffText(d SkippedDiff) string {
	switch {
	case d.Remove != nil:
		return fmt.Sprintf("remove %d", d.Remove.N)
	case len(d.Add) > 0:
		return fmt.Sprintf("add %d", len(d.Add))
	}
	return "none"
}

// checkSkipped compares with a list, or with its count, first and last item.
func (c *conversation) checkSkipped(i int, who string, raw json.RawMessage) {
	if raw == nil {
		return
	}
	var got []SkippedKey
	for h, keys := range c.skipped[who] {
		for n, k := range keys {
			got = append(got, SkippedKey{h, n, k})
		}
	}
	slices.SortFunc(got, func(a, b SkippedKey) int {
		return cmp.Or(bytes.Compare(a.Chain[:], b.Chain[:]), cmp.Compare(a.N, b.N))
	})
	var want []vectorSkipped
	if json.Unmarshal(raw, &want) != nil {
		var o struct {
			Count       int
			First, Last vectorSkipped
		}
		if err := json.Unmarshal(raw, &o); err != nil {
			c.t.Fatalf("step %d: %v", i, err)
		}
		if len(got) != o.Count || o.Count == 0 {
			c.t.Fatalf("step %d: %d skipped keys, want %d", i, len(got), o.Count)
		}
		got, want = []SkippedKey{got[0], got[len(got)-1]}, []vectorSkipped{o.First, o.Last}
	}
	if len(got) != len(want) {
		c.t.Fatalf("step %d: %d skipped keys, want %d", i, len(got), len(want))
	}
	for j, w := range want {
		g := got[j]
		if !bytes.Equal(g.Chain[:], w.Header) || g.N != w.N || !bytes.Equal(g.Key[:], slices.Concat(w.Key, w.IV)) {
			c.t.Fatalf("step %d: skipped key %d differs", i, j)
		}
	}
}

func (c *conversation) checkError(i int, err error, name string) {
	c.t.Helper()
	want := errorNamed(c.t, name)
	if !errors.Is(err, want) && !reflect.DeepEqual(err, want) { // those with a count
		c.t.Fatalf("step %d: error %v, want %s", i, err, name)
	}
}

// errorNamed is our error for one of the reference.
func errorNamed(t testing.TB, name string) error {
	t.Helper()
	word, arg, _ := strings.Cut(name, " ")
	var n uint32
	_, _ = fmt.Sscan(arg, &n)
	switch word {
	case "CryptoLargeMsgError":
		return ErrLarge
	case "CERatchetDuplicateMessage":
		return ErrDuplicate
	case "CERatchetEarlierMessage":
		return &EarlierError{Count: n}
	case "CERatchetTooManySkipped":
		return &SkippedError{Count: n}
	case "AESDecryptError":
		return ErrBody
	case "CERatchetHeader":
		return ErrHeader
	case "CryptoHeaderError":
		return ErrSyntax
	case "CERatchetKEMState":
		return ErrKEMState
	case "CERatchetState":
		return ErrNotReady
	}
	t.Fatalf("unknown error %q", name)
	return nil
}
