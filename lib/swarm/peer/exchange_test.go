package peer

import (
	"bytes"
	"context"
	"crypto/sha3"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/drt"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// blob is a file in memory, given out or coming together.
type blob struct {
	mu    sync.Mutex
	b     []byte
	have  []bool
	fetch int // parts that came
}

func (f *blob) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return bytes.NewReader(f.b).ReadAt(p, off)
}

func (f *blob) WriteAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return copy(f.b[off:], p), nil
}

func (f *blob) Close() error { return nil }
func (f *blob) Size() int64  { return int64(len(f.b)) }
func (f *blob) Have() []bool { return f.have }
func (f *blob) Got(int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fetch++
	return nil
}

// shelf gives out one file.
type shelf struct{ f *blob }

func (s shelf) OpenFile(_ context.Context, _ commit.ObjectID, file string) (File, error) {
	if s.f == nil || file != "file" {
		return nil, ErrUnknown
	}
	return s.f, nil
}

func fileOf(size int) (*blob, FileWant) {
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	sum := sha3.Sum512(b)
	return &blob{b: b}, FileWant{File: "file", Size: int64(size), SHA3: hex.EncodeToString(sum[:])}
}

func TestFileFromSeveralSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole, want := fileOf(2*filePart + 12345)
		bad := &blob{b: bytes.Clone(whole.b[:filePart])} // another size
		w := newWorld()
		n := 0
		devs := w.people(t, 5, func(c *Config) {
			c.Files = []Files{nil, shelf{whole}, shelf{whole}, shelf{bad}, shelf{}}[n]
			n++
		})
		settle()
		want.Conversation = devs[0].memStore.conv
		want.Sources = w.ids([]*device{devs[4], devs[3], devs[2], devs[1]})
		to := &blob{b: make([]byte, want.Size), have: make([]bool, Parts(want.Size))}
		to.have[1] = true // it goes on where it stopped
		copy(to.b[filePart:], whole.b[filePart:2*filePart])
		var last int64
		var mu sync.Mutex
		err := devs[0].FetchFile(context.Background(), want, to, func(done int64) {
			mu.Lock()
			defer mu.Unlock()
			last = max(last, done)
		})
		if err != nil || !bytes.Equal(to.b, whole.b) {
			t.Fatalf("file: %v", err)
		}
		if to.fetch != Parts(want.Size)-1 || last != want.Size {
			t.Errorf("%d parts fetched, progress up to %d of %d", to.fetch, last, want.Size)
		}
		// One source alone, which is cut off and comes back.
		want.Sources = want.Sources[3:]
		again := &blob{b: make([]byte, want.Size)}
		w.cut(func(i int, _ ident.DeviceID) int { return i }, w.ids(devs))
		if err := devs[0].FetchFile(context.Background(), want, again, nil); err == nil {
			t.Fatal("a file from nowhere")
		}
		w.cut(func(int, ident.DeviceID) int { return 0 }, w.ids(devs))
		if err := devs[0].FetchFile(context.Background(), want, again, nil); err != nil {
			t.Fatal(err)
		}
	})
}

func TestFileWithAWrongDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole, want := fileOf(1000)
		whole.b[500]++
		w := newWorld()
		devs := w.people(t, 2, func(c *Config) { c.Files = shelf{whole} })
		settle()
		want.Conversation, want.Sources = devs[0].memStore.conv, w.ids(devs[1:])
		if err := devs[0].FetchFile(context.Background(), want, &blob{b: make([]byte, 1000)}, nil); !errors.Is(err, ErrDigest) {
			t.Fatal(err)
		}
		want.File = "../../etc/passwd"
		if err := devs[0].FetchFile(context.Background(), want, &blob{b: make([]byte, 1000)}, nil); !errors.Is(err, ErrUnknown) {
			t.Fatal(err)
		}
		devs[1].memStore.mu.Lock()
		devs[1].banned[devs[0].self] = true
		devs[1].memStore.mu.Unlock()
		want.File = "file"
		if err := devs[0].FetchFile(context.Background(), want, &blob{b: make([]byte, 1000)}, nil); !errors.Is(err, ErrBanned) {
			t.Fatal(err)
		}
	})
}

func TestMessagesOutsideTheHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		devs := w.people(t, 3, nil)
		conv := devs[0].memStore.conv
		settle()
		devs[0].Engine.Typing(conv, true)
		devs[0].Engine.Read(conv, commit.ObjectID{5})
		at := time.Now().Add(24 * time.Hour) // a clock that is ahead
		in := Invite{Conversation: commit.ObjectID{4}, Received: at, Metadata: map[string]string{"title": "T", "avatar": strings.Repeat("x", maxProfile)}}
		if err := devs[0].Invite(context.Background(), devs[1].self, in); err != nil {
			t.Fatal(err)
		}
		if err := devs[0].AskInvite(context.Background(), devs[1].self, conv); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, d := range devs[1:] {
			if d.typing != 1 || d.read != 1 {
				t.Errorf("%d typing, %d read", d.typing, d.read)
			}
		}
		got := devs[1].invites
		if len(got) != 1 || devs[1].wanted != 1 {
			t.Fatalf("%d invitations, %d asked for", len(got), devs[1].wanted)
		}
		if len(got[0].Metadata) != 1 || got[0].Metadata["title"] != "T" || got[0].Received.After(time.Now()) {
			t.Errorf("%+v", got[0])
		}
		// Who hears of a conversation that is not there asks for an invitation.
		devs[2].memStore.mu.Lock()
		devs[2].memStore.conv = commit.ObjectID{0xff}
		devs[2].memStore.mu.Unlock()
		devs[0].Announce(conv, devs[0].write())
		settle()
		if devs[0].wanted == 0 {
			t.Error("no invitation was asked for")
		}
	})
}

// account is the state of a device of an account.
type account struct {
	mu    sync.Mutex
	same  map[ident.DeviceID]bool
	state State
	got   *State
}

func (a *account) Same(dev ident.DeviceID) bool { return a.same[dev] }

func (a *account) State(context.Context, ident.DeviceID) (*State, error) { return &a.state, nil }

func (a *account) Merge(_ context.Context, _ ident.DeviceID, s *State) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.got = s
	return nil
}

func sampleState(n int64) State {
	return State{
		Devices:       []DeviceInfo{{Name: "laptop", Chain: []byte("pem")}},
		Contacts:      []Contact{{URI: ident.URI{1}, Added: n, Conversation: commit.ObjectID{2}}},
		Conversations: []ConvInfo{{ID: commit.ObjectID{2}, Created: n, Mode: 2, Members: []ident.URI{{1}, {2}}}},
		Requests:      []Request{{ID: commit.ObjectID{3}, From: ident.URI{4}, Received: n, Metadata: map[string]string{"title": "x"}}},
		Preferences:   []Preferences{{ID: commit.ObjectID{2}, Changed: n, Values: map[string]string{"color": "blue"}}},
		Displayed:     []Displayed{{ID: commit.ObjectID{2}, Commit: commit.ObjectID{9}, At: n}},
	}
}

func TestDevicesOfOneAccountExchangeStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var accounts []*account
		devs := w.people(t, 3, func(c *Config) {
			a := &account{same: map[ident.DeviceID]bool{}, state: sampleState(int64(len(accounts) + 1))}
			accounts = append(accounts, a)
			c.Sync = a
		})
		accounts[0].same[devs[1].self], accounts[1].same[devs[0].self] = true, true
		accounts[2].same[devs[0].self] = true // which that one denies
		settle()
		if err := devs[0].SyncWith(context.Background(), devs[1].self); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for i, a := range accounts[:2] {
			if want := sampleState(int64(2 - i)); a.got == nil || !reflect.DeepEqual(a.got, &want) {
				t.Errorf("device %d has %+v", i, a.got)
			}
		}
		accounts[0].got = nil
		if err := devs[2].SyncWith(context.Background(), devs[0].self); err == nil || accounts[0].got != nil {
			t.Errorf("a stranger's device: %v, %+v", err, accounts[0].got)
		}
		if err := devs[0].SyncWith(context.Background(), devs[2].self); !errors.Is(err, ErrBanned) {
			t.Errorf("with a stranger: %v", err)
		}
	})
}

func TestMobileDevicesAreWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		n := 0
		devs := w.people(t, 3, func(c *Config) {
			c.CheckLease = func(*drt.Lease) error { return nil }
			if self := c.Net.Self(); n == 2 {
				c.Lease = func(conv commit.ObjectID) *drt.Lease {
					return &drt.Lease{Conversation: conv.String(), Device: drt.ID(self), Issued: time.Now(), Expires: time.Now().Add(drt.MaxLease)}
				}
			}
			n++
		})
		conv := devs[0].memStore.conv
		settle()
		w.cut(func(i int, _ ident.DeviceID) int { return i / 2 }, w.ids(devs)) // it sleeps
		settle()
		before := w.count(protoDRT)
		time.Sleep(24 * time.Hour)
		if n := w.count(protoDRT) - before; n > 100 { // its own attempts
			t.Errorf("%d attempts to reach a sleeping device in a day", n)
		}
		w.cut(func(int, ident.DeviceID) int { return 0 }, w.ids(devs))
		devs[0].Announce(conv, devs[0].write())
		settle()
		if h := heads(devs); len(h) != 1 {
			t.Errorf("%d heads", len(h))
		}
	})
}

func FuzzParseState(f *testing.F) {
	s := sampleState(7)
	b, err := s.Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{0x96, 0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseState(b)
		if err != nil {
			return
		}
		out, err := s.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseState(out); err != nil {
			t.Fatalf("what was read is refused when written: %v", err)
		}
	})
}

func FuzzParseMessage(f *testing.F) {
	for _, s := range []string{
		`{"type":"application/im-gitmessage-id","body":{"commit":"0102030405060708090a0b0c0d0e0f1011121314","deviceId":"d","id":"0102030405060708090a0b0c0d0e0f1011121314"}}`,
		`{"type":"application/invite","body":"0102030405060708090a0b0c0d0e0f1011121314"}`,
		`{"type":"application/im-iscomposing+xml","body":"<isComposing><state>active</state><conversation>0102030405060708090a0b0c0d0e0f1011121314</conversation></isComposing>"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := ParseMessage(b); err == nil && m == nil || err != nil && !errors.Is(err, ErrFrame) {
			t.Fatal(m, err)
		}
	})
}

func TestFramesComeInPieces(t *testing.T) {
	var b bytes.Buffer
	if err := writeFrame(&b, bytes.Repeat([]byte{7}, 200_000)); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	if got, err := readFrame(iotestOneByte{bytes.NewReader(whole)}, 200_000); err != nil || len(got) != 200_000 {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if _, err := readFrame(bytes.NewReader(whole[:100]), 200_000); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	if _, err := readFrame(bytes.NewReader(whole), 199_999); !errors.Is(err, ErrFrame) {
		t.Fatal(err)
	}
}

type iotestOneByte struct{ r io.Reader }

func (o iotestOneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(len(p), 777)]) }
