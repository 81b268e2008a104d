package ratchet

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/simplexkit/simplexkit/lib/wire"
)

// place is where a message stands: the number of the sender's chain, counted
// from 0, and of the message in it.
type place struct {
	chain int
	n     uint32
}

// letter is a message under way.
type letter struct {
	place
	pn    uint32
	bytes []byte
	plain []byte
	pq    PQEncryption // of the sender's chain
}

// modelParty is what the model knows of one side, beside its real state.
type modelParty struct {
	state   *State
	skipped SkippedMap

	sndChain, rcvChain int // -1 for none
	ns, nr, pn         uint32
	lost               map[place]bool // skipped, not come yet
	read               map[place]bool // decrypted
	support            PQSupport
}

// world is two parties and the letters between them. The model says of every
// delivery what must come out.
type world struct {
	who  [2]*modelParty
	sent [2][]letter // by sender; a letter can be delivered any number of times
}

func newWorld(t *rapid.T) *world {
	v := rapid.SampledFrom([]wire.Version{VersionKDF, VersionPQ, VersionPQ}).Draw(t, "version")
	inviterPQ := PQSupport(rapid.Bool().Draw(t, "inviter's KEM"))
	joinerPQ := PQSupport(rapid.Bool().Draw(t, "joiner's KEM"))
	inviter, err := GenerateRcv(v, inviterPQ)
	if err != nil {
		t.Fatal(err)
	}
	joiner, err := GenerateSnd(inviter.Params(), joinerPQ)
	if err != nil {
		t.Fatal(err)
	}
	w := new(world)
	for i := range w.who {
		w.who[i] = &modelParty{
			skipped: SkippedMap{}, sndChain: -1, rcvChain: -1,
			lost: make(map[place]bool), read: make(map[place]bool),
		}
	}
	w.who[0].sndChain = 0
	if w.who[0].state, err = InitSnd(joiner, inviter.Params(), 0); err != nil {
		t.Fatal(err)
	}
	if w.who[1].state, err = InitRcv(inviter, joiner.Params(), inviterPQ, 0); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) send(t *rapid.T, from int, o SendOptions, plain []byte) {
	m := w.who[from]
	next, out, err := m.state.Encrypt(plain, len(plain)+2+7, o)
	if m.sndChain < 0 {
		if !errors.Is(err, ErrNotReady) || m.state.CanEncrypt() {
			t.Fatalf("encrypting without a chain: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	w.sent[from] = append(w.sent[from], letter{
		place: place{m.sndChain, m.ns}, pn: m.pn, bytes: out, plain: plain, pq: m.state.SndPQ(),
	})
	m.state.Forget(next)
	m.ns++
	m.adopt(t, next)
}

// adopt takes the next state through its stored form.
func (m *modelParty) adopt(t *rapid.T, next *State) {
	b, err := next.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	m.state = new(State)
	if err := m.state.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	if m.support && !next.PQSupport() {
		t.Fatal("large headers were turned off")
	}
	m.support = next.PQSupport()
}

// What a delivery must come to.
type outcome int

const (
	opens     outcome = iota // with the next key of a chain
	wasLost                  // with a skipped key
	duplicate                // of the last message
	earlier                  // of one before
	tooMany                  // missing in the chain of the letter
	tooManyPN                // missing at the end of the chain before
	unknown                  // no key for its header
)

// expect says what must come of a letter, and whether it begins a chain.
func (m *modelParty) expect(l letter) (o outcome, begins bool) {
	nr := m.nr
	switch {
	case l.chain < m.rcvChain && m.lost[l.place]:
		return wasLost, false
	case l.chain < m.rcvChain:
		return unknown, false
	case l.chain == m.rcvChain && m.lost[l.place]:
		return wasLost, false
	case l.chain > m.rcvChain:
		if m.rcvChain >= 0 && l.pn > m.nr+MaxSkip {
			return tooManyPN, false
		}
		nr, begins = 0, true
	}
	switch {
	case l.n+1 == nr:
		return duplicate, begins
	case l.n < nr:
		return earlier, begins
	case l.n > nr+MaxSkip:
		return tooMany, begins
	}
	return opens, begins
}

// apply changes the model by a letter whose state was stored.
func (m *modelParty) apply(l letter, o outcome, begins bool) {
	if o == wasLost {
		delete(m.lost, l.place)
		return
	}
	if begins {
		for n := m.nr; m.rcvChain >= 0 && n < l.pn; n++ {
			m.lost[place{m.rcvChain, n}] = true
		}
		m.rcvChain++
		m.sndChain++
		m.pn, m.ns, m.nr = m.ns, 0, 0
	}
	if o == opens {
		for ; m.nr < l.n; m.nr++ {
			m.lost[place{m.rcvChain, m.nr}] = true
		}
		m.nr++
	}
}

// deliver gives a letter to the other side. damaged bodies use their key up;
// a delivery that is not kept is as if the machine had stopped before storing.
func (w *world) deliver(t *rapid.T, from, i int, damaged, keep bool) {
	m, l := w.who[1-from], w.sent[from][i]
	msg := l.bytes
	if damaged {
		msg = slices.Clone(msg)
		msg[len(msg)-1] ^= 1
	}
	o, begins := m.expect(l)
	r, err := m.state.Decrypt(m.skipped, msg)
	w.check(t, l, o, damaged, r, err)
	stays := o == unknown || o == tooManyPN
	if stays != (r.Next == nil) || r.Advanced != (begins && !stays) {
		t.Fatalf("%+v: outcome %v, next %v, advanced %v", l.place, o, r.Next, r.Advanced)
	}
	if stays || !keep {
		return
	}
	if err == nil {
		if m.read[l.place] {
			t.Fatalf("%+v was decrypted twice", l.place)
		}
		m.read[l.place] = true
		if o == opens && r.Next.RcvPQ() != l.pq {
			t.Fatalf("%+v was sent with KEM %v, received with %v", l.place, l.pq, r.Next.RcvPQ())
		}
	}
	m.apply(l, o, begins)
	m.skipped.Apply(r.Skipped)
	if n := m.keys(); n != len(m.lost) {
		t.Fatalf("%d skipped keys, the model has %d", n, len(m.lost))
	}
	m.adopt(t, r.Next)
}

func (m *modelParty) keys() (n int) {
	for _, keys := range m.skipped {
		n += len(keys)
	}
	return n
}

func (w *world) check(t *rapid.T, l letter, o outcome, damaged bool, r Decrypted, err error) {
	var e *EarlierError
	var s *SkippedError
	ok := false
	switch o {
	case opens, wasLost:
		ok = err == nil && bytes.Equal(r.Plain, l.plain) && r.Plain != nil
		if damaged {
			ok = errors.Is(err, ErrBody) && r.Plain == nil
		}
	case duplicate:
		ok = errors.Is(err, ErrDuplicate)
	case earlier:
		ok = errors.As(err, &e)
	case tooMany, tooManyPN:
		ok = errors.As(err, &s)
	case unknown:
		ok = errors.Is(err, ErrHeader)
	}
	if !ok || (err != nil) != (r.Plain == nil) {
		t.Fatalf("%+v: outcome %v, damaged %v, got %x, error %v", l.place, o, damaged, r.Plain, err)
	}
}

// TestRatchetModel lets two parties talk over a network that loses, delays,
// repeats and damages, and switches the KEM at will. What the model says can
// be read is read, once; nothing else is.
func TestRatchetModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		side := rapid.IntRange(0, 1)
		pick := func(t *rapid.T) (from, i int) {
			from = side.Draw(t, "from")
			if len(w.sent[from]) == 0 {
				t.Skip("nothing sent")
			}
			return from, len(w.sent[from]) - 1 - rapid.IntRange(0, len(w.sent[from])-1).Draw(t, "age")
		}
		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				o := SendOptions{PQ: rapid.SampledFrom([]PQSwitch{PQKeep, PQKeep, PQEnable, PQDisable}).Draw(t, "switch")}
				w.send(t, side.Draw(t, "from"), o, rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "plain"))
			},
			"send many": func(t *rapid.T) {
				from := side.Draw(t, "from")
				for range rapid.SampledFrom([]int{2, 10, 511, 515}).Draw(t, "count") {
					w.send(t, from, SendOptions{}, nil)
				}
			},
			"deliver": func(t *rapid.T) {
				from, i := pick(t)
				w.deliver(t, from, i, false, true)
			},
			"deliver newest": func(t *rapid.T) {
				if from := side.Draw(t, "from"); len(w.sent[from]) > 0 {
					w.deliver(t, from, len(w.sent[from])-1, false, true)
				}
			},
			"deliver damaged": func(t *rapid.T) {
				from, i := pick(t)
				w.deliver(t, from, i, true, true)
			},
			"crash before storing": func(t *rapid.T) {
				from, i := pick(t)
				w.deliver(t, from, i, false, false)
				w.deliver(t, from, i, false, true)
			},
			"damage the header": func(t *rapid.T) {
				from, i := pick(t)
				msg := slices.Clone(w.sent[from][i].bytes)
				msg[rapid.IntRange(0, 123).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
				m := w.who[1-from]
				r, err := m.state.Decrypt(m.skipped, msg)
				if err == nil || r.Plain != nil {
					t.Fatal("a damaged header was opened")
				}
			},
		})
	})
}
