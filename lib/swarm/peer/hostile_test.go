package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/simplexkit/simplexkit/lib/p2p"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// hostile is a member's device that does as a test says.
type hostile struct {
	net  *memNet
	conv commit.ObjectID
	to   ident.DeviceID
}

// against runs two honest devices and a hostile one, which is a member too.
func against(t *testing.T, fn func(t *testing.T, good, other *device, bad *hostile)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		devs := w.people(t, 2, nil)
		bad := &hostile{net: w.add(ident.DeviceID{0xba, 0xd0}), conv: devs[0].memStore.conv, to: devs[0].self}
		t.Cleanup(bad.net.work.Wait)
		for _, d := range devs {
			d.memStore.mu.Lock()
			d.members = append(d.members, bad.net.self)
			d.memStore.mu.Unlock()
			d.Changed(bad.conv)
		}
		time.Sleep(time.Second)
		fn(t, devs[0], devs[1], bad)
		// Whatever it does, the honest ones go on.
		good, other := devs[0], devs[1]
		good.Announce(bad.conv, good.write())
		other.Announce(bad.conv, other.write())
		time.Sleep(time.Minute)
		synctest.Wait()
		if h := heads(devs); len(h) != 1 {
			t.Errorf("%d heads beside a hostile device", len(h))
		}
	})
}

// say sends a message and returns the word of refusal.
func (h *hostile) say(t *testing.T, kind string, body any) (string, error) {
	t.Helper()
	s, err := h.net.Open(context.Background(), h.to, protoMessage)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeJSON(s, envelope{kind, b}); err != nil {
		return "", err
	}
	var a answer
	err = readJSON(s, maxHeader, &a)
	return a.Error, err
}

func (h *hostile) notice(t *testing.T, c commit.ObjectID) (string, error) {
	t.Helper()
	return h.say(t, typeCommit, notice{c, h.net.self.String(), h.conv})
}

func TestPeerThatNeverAnswers(t *testing.T) {
	against(t, func(t *testing.T, good, _ *device, bad *hostile) {
		for _, proto := range []string{protoGit, protoDRT, protoMessage} {
			bad.net.Handle(proto, func(ctx context.Context, _ ident.DeviceID, s Stream) error {
				var b [1]byte
				for {
					if _, err := s.Read(b[:]); err != nil {
						return err
					}
				}
			})
		}
		if _, err := bad.notice(t, commit.ObjectID{9}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		var seen DeviceStatus
		for range 600 { // between two tries it says when the next one is
			for _, d := range good.Status(bad.conv).Devices {
				if d.Device == bad.net.self && (seen.Retry.IsZero() || !d.Retry.IsZero()) {
					seen = d
				}
			}
			time.Sleep(time.Second)
		}
		if seen.Fails == 0 || seen.Reason == "" || seen.Retry.IsZero() {
			t.Errorf("status of a silent device: %+v", seen)
		}
	})
}

func TestPeerThatAnswersSlowly(t *testing.T) {
	against(t, func(t *testing.T, good, _ *device, bad *hostile) {
		bad.net.Handle(protoGit, func(ctx context.Context, _ ident.DeviceID, s Stream) error {
			if _, err := readFrame(s, maxHeader); err != nil {
				return err
			}
			if err := writeJSON(s, answer{}); err != nil {
				return err
			}
			_, err := s.Write([]byte{0, 0x80, 0, 0}) // a frame of 8 MiB
			for err == nil {
				time.Sleep(10 * time.Second) // within the idle time
				_, err = s.Write([]byte{1})
			}
			return err
		})
		start := time.Now()
		if _, err := bad.notice(t, commit.ObjectID{9}); err != nil {
			t.Fatal(err)
		}
		for good.Status(bad.conv).Devices[indexOf(good, bad)].Fails == 0 {
			time.Sleep(time.Second)
			if time.Since(start) > 2*fetchStart {
				t.Fatal("a fetch that drips goes on")
			}
		}
	})
}

func indexOf(good *device, bad *hostile) int {
	for i, d := range good.Status(bad.conv).Devices {
		if d.Device == bad.net.self {
			return i
		}
	}
	return -1
}

func TestPeerThatLiesAboutHeads(t *testing.T) {
	against(t, func(t *testing.T, good, _ *device, bad *hostile) {
		var fetched atomic.Int64
		bad.net.Handle(protoGit, func(ctx context.Context, _ ident.DeviceID, s Stream) error {
			if _, err := readFrame(s, maxHeader); err != nil {
				return err
			}
			fetched.Add(1)
			if err := writeJSON(s, answer{}); err != nil {
				return err
			}
			b, err := json.Marshal(wire{Head: bad.conv})
			if err != nil {
				return err
			}
			return writeFrame(s, b)
		})
		for i := range 1000 {
			if _, err := bad.notice(t, commit.ObjectID{9, byte(i), byte(i >> 8)}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if fetched.Load() == 0 || fetched.Load() > 12 { // 5 s, doubling: 1000 s see eight
			t.Errorf("%d fetches for 1000 lies", fetched.Load())
		}
		if st := good.Status(bad.conv); st.Wanted > 1 {
			t.Errorf("%d commits wanted", st.Wanted)
		}
	})
}

func TestPeerWhoseHistoryIsInvalid(t *testing.T) {
	against(t, func(t *testing.T, good, other *device, bad *hostile) {
		evil := commit.ObjectID{6, 6, 6}
		var fetched atomic.Int64
		for _, d := range []*device{good, other} {
			d.memStore.mu.Lock()
			d.refuse[evil] = true
			d.memStore.mu.Unlock()
		}
		bad.net.Handle(protoGit, func(ctx context.Context, _ ident.DeviceID, s Stream) error {
			fetched.Add(1)
			if _, err := readFrame(s, maxHeader); err != nil {
				return err
			}
			b, err := json.Marshal(wire{Head: evil})
			if err != nil {
				return err
			}
			return errors.Join(writeJSON(s, answer{}), writeFrame(s, b))
		})
		for range 20 {
			if _, err := bad.notice(t, evil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		if st := good.Status(bad.conv); fetched.Load() != 1 || st.Refused != 1 || st.Wanted != 0 {
			t.Errorf("%d fetches of an invalid head, %d quarantined, %d wanted", fetched.Load(), st.Refused, st.Wanted)
		}
	})
}

func TestPeerThatFloods(t *testing.T) {
	against(t, func(t *testing.T, good, _ *device, bad *hostile) {
		busy := 0
		for i := range 3000 {
			word, err := bad.notice(t, commit.ObjectID{9, byte(i), byte(i >> 8)})
			if err != nil || word == "busy" {
				busy++
			}
		}
		if busy < 2500 {
			t.Errorf("%d of 3000 notifications at once were refused", busy)
		}
		if n := good.fetches.Load(); n > 3 {
			t.Errorf("%d fetches", n)
		}
		// Conversations that nobody has: it is asked for few invitations.
		var asked atomic.Int64
		bad.net.Handle(protoMessage, func(_ context.Context, _ ident.DeviceID, s Stream) error {
			asked.Add(1)
			_, err := readFrame(s, maxMessage)
			return errors.Join(err, writeJSON(s, answer{}))
		})
		time.Sleep(time.Minute)
		for i := range 1000 {
			_, _ = bad.say(t, typeCommit, notice{commit.ObjectID{1}, "", commit.ObjectID{7, byte(i), byte(i >> 8)}})
		}
		if asked.Load() == 0 || asked.Load() > 20 {
			t.Errorf("asked for %d invitations", asked.Load())
		}
	})
}

func TestFramesThatAreTooLarge(t *testing.T) {
	against(t, func(t *testing.T, _, _ *device, bad *hostile) {
		for _, proto := range []string{protoGit, protoDRT, protoMessage, protoFile} {
			s, err := bad.net.Open(context.Background(), bad.to, proto)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Write([]byte{0xff, 0xff, 0xff, 0xff}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Read(make([]byte, 1)); err == nil {
				t.Errorf("%s: an answer to a frame of 4 GiB", proto)
			}
			s.Close()
		}
		// A message that is no message.
		for kind, body := range map[string]any{"application/other": 1, typeInvite: "x", typeTyping: "<isComposing>", typeRead: "<imdn/>", typeWanted: "zz"} {
			if _, err := bad.say(t, kind, body); err == nil {
				t.Errorf("%s was answered", kind)
			}
		}
	})
}

func TestChannelThatFloods(t *testing.T) {
	against(t, func(t *testing.T, good, _ *device, bad *hostile) {
		s, err := bad.net.Open(context.Background(), bad.to, protoDRT)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := writeJSON(s, header{bad.conv}); err != nil {
			t.Fatal(err)
		}
		if _, err := readAnswer(s); err != nil {
			t.Fatal(err)
		}
		go func() { // it is asked who is near, and told of a head
			b := make([]byte, 1024)
			for {
				if _, err := s.Read(b); err != nil {
					return
				}
			}
		}()
		sent := 0
		for ; err == nil && sent < 10_000; sent++ {
			_, err = s.Write([]byte{0x81, 0xa1, 'v', 3})
		}
		if sent > 2*flowBurst {
			t.Errorf("%d messages on one channel at once", sent)
		}
	})
}

func TestTheBannedAreRefused(t *testing.T) {
	against(t, func(t *testing.T, good, other *device, bad *hostile) {
		for _, d := range []*device{good, other} {
			d.memStore.mu.Lock()
			d.banned[bad.net.self] = true
			d.memStore.mu.Unlock()
			d.Changed(bad.conv)
		}
		time.Sleep(time.Second)
		if word, err := bad.notice(t, commit.ObjectID{9}); err != nil || word != "banned" {
			t.Errorf("a notification: %q, %v", word, err)
		}
		for _, proto := range []string{protoGit, protoDRT} {
			s, err := bad.net.Open(context.Background(), bad.to, proto)
			if err != nil {
				t.Fatal(err)
			}
			if err := writeJSON(s, header{bad.conv}); err != nil {
				t.Fatal(err)
			}
			if _, err := readAnswer(s); !errors.Is(err, ErrBanned) {
				t.Errorf("%s: %v", proto, err)
			}
			s.Close()
		}
		var told atomic.Int64
		bad.net.Handle(protoMessage, func(context.Context, ident.DeviceID, Stream) error { told.Add(1); return nil })
		bad.net.Handle(protoDRT, func(context.Context, ident.DeviceID, Stream) error { told.Add(1); return nil })
		good.Announce(bad.conv, good.write())
		time.Sleep(time.Hour)
		if told.Load() != 0 {
			t.Errorf("a banned device was dialled or told %d times", told.Load())
		}
		for _, d := range good.Status(bad.conv).Devices {
			if d.Device == bad.net.self {
				t.Error("a banned device is in the status")
			}
		}
	})
}

func TestBackoff(t *testing.T) {
	for n := range 100 {
		d := Backoff(n)
		if n == 0 && d != 0 || n > 0 && d < firstWait*3/4 || d > lastWait*5/4 || n > 20 && d < lastWait*3/4 {
			t.Errorf("after %d failures %v", n, d)
		}
	}
}

func TestErrorsAreTold(t *testing.T) {
	for word, is := range words {
		if wordOf(fmt.Errorf("x: %w", is)) != word {
			t.Error(word)
		}
	}
	if wordOf(p2p.ErrIdle) != "failed" {
		t.Error("a peer learns what failed")
	}
}
