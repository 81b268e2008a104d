package apidict

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/simplexkit/simplexkit/lib/xrcp"
)

// pair are the codecs of a host and a controller of ours.
func pair(t testing.TB) (host, controller xrcp.Codec) {
	t.Helper()
	app := xrcp.HostApp{AppVersion: "6.5", Encoding: xrcp.EncodingTagged}
	Offer(&app)
	return ForHost(ctrlApp(t, true)), ForController(hostApp(t, app))
}

func ctrlApp(t testing.TB, compression bool) json.RawMessage {
	t.Helper()
	raw, err := xrcp.CtrlApp{AppVersionRange: xrcp.AppVersionRange{Min: "6.4", Max: "6.5"}, Compression: compression}.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func hostApp(t testing.TB, a xrcp.HostApp) json.RawMessage {
	t.Helper()
	raw, err := a.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func dictOf(t *testing.T, frame []byte) uint32 {
	t.Helper()
	var h zstd.Header
	if err := h.Decode(frame); err != nil {
		t.Fatal(err)
	}
	return h.DictionaryID
}

var sample = []byte(`{"type":"send","command":"/_get chats 1","retryNumber":0}`)

func TestTheControllerBeginsAndTheHostFollows(t *testing.T) {
	host, controller := pair(t)
	if dictOf(t, host.Pack(nil, sample)) != 0 {
		t.Error("the host uses the dictionary before it knows that the controller has it")
	}
	command := controller.Pack(nil, sample)
	if dictOf(t, command) != shared().id {
		t.Error("the controller does not use it")
	}
	if got, err := host.Unpack([]byte("x"), command, 1000); err != nil || string(got) != "x"+string(sample) {
		t.Fatalf("%q, %v", got, err)
	}
	answer := host.Pack([]byte("y"), sample)[1:]
	if dictOf(t, answer) != shared().id {
		t.Error("the host does not use it")
	}
	if got, err := controller.Unpack(nil, answer, 1000); err != nil || !bytes.Equal(got, sample) {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestStrangersAreNotSentTheDictionary(t *testing.T) {
	old := xrcp.HostApp{AppVersion: "6.5", Encoding: xrcp.EncodingTagged, Compression: true}
	other := old
	other.ZstdDicts = []string{"0011223344556677"}
	for _, app := range []xrcp.HostApp{old, other} {
		controller, host := ForController(hostApp(t, app)), ForHost(ctrlApp(t, true))
		command := controller.Pack(nil, sample)
		if dictOf(t, command) != 0 {
			t.Error("a host without the dictionary is sent it")
		}
		if _, err := host.Unpack(nil, command, 1000); err != nil {
			t.Error(err)
		}
		if dictOf(t, host.Pack(nil, sample)) != 0 {
			t.Error("a controller that has not used the dictionary is sent it")
		}
	}
}

func TestNoCodecForThoseWhoDoNotCompress(t *testing.T) {
	no := xrcp.HostApp{AppVersion: "6.5", Encoding: xrcp.EncodingTagged, ZstdDicts: []string{Name}}
	if ForHost(ctrlApp(t, false)) != nil || ForController(hostApp(t, no)) != nil ||
		ForHost([]byte("{")) != nil || ForController([]byte("[]")) != nil {
		t.Error("a codec")
	}
}

func TestTheReferencePassesOverTheOffer(t *testing.T) {
	app := xrcp.HostApp{AppVersion: "6.5", DeviceName: "d", Encoding: xrcp.EncodingTagged, EncryptFiles: true}
	before := hostApp(t, app)
	Offer(&app)
	var a, b map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(before, &a), json.Unmarshal(hostApp(t, app), &b)); err != nil {
		t.Fatal(err)
	}
	for k, v := range a {
		if !bytes.Equal(b[k], v) {
			t.Errorf("%s is %s", k, b[k])
		}
	}
	if len(b) != len(a)+2 {
		t.Errorf("%d members more", len(b)-len(a))
	}
}

func TestBombsAreRefused(t *testing.T) {
	host, controller := pair(t)
	zeros := make([]byte, 1<<20)
	bomb := controller.Pack(nil, zeros)
	if len(bomb) > 1000 {
		t.Fatalf("no bomb: %d bytes", len(bomb))
	}
	if _, err := host.Unpack(nil, bomb, 1<<20-1); !errors.Is(err, xrcp.ErrBodySize) {
		t.Errorf("too large: %v", err)
	}
	if got, err := host.Unpack(nil, bomb, 1<<20); err != nil || !bytes.Equal(got, zeros) {
		t.Errorf("just right: %v", err)
	}
	// A size that is not told: as streams are written.
	var stream bytes.Buffer
	w, err := zstd.NewWriter(&stream, zstd.WithEncoderDict(dictionary))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(zeros); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	small := controller.Pack(nil, sample)
	// After magic, descriptor and dictionary comes the size, little endian.
	lie := bytes.Clone(bomb)
	if lie[11] != 0x10 {
		t.Fatalf("header %x", lie[:16])
	}
	lie[11] = 0x01
	for name, frame := range map[string][]byte{
		"no size":            stream.Bytes(),
		"two frames":         append(bytes.Clone(small), small...),
		"a frame, then junk": append(bytes.Clone(small), "junk"...),
		"a skippable frame":  []byte("\x50\x2a\x4d\x18\x00\x00\x00\x00"),
		"cut":                small[:len(small)-3],
		"nothing":            nil,
		"no frame":           sample,
		"a lie":              lie,
		"another dictionary": withOtherID(small),
	} {
		if got, err := host.Unpack(nil, frame, 1<<20); err == nil {
			t.Errorf("%s: %d bytes", name, len(got))
		}
	}
}

// withOtherID is a frame with another number in the dictionary's place: after
// the magic number and the descriptor, of four bytes.
func withOtherID(frame []byte) []byte {
	b := bytes.Clone(frame)
	b[5] ^= 0xff
	return b
}

func TestSessionsShareCoders(t *testing.T) {
	host, controller := pair(t)
	long := []byte(strings.Repeat(string(sample), 50))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				got, err := host.Unpack(nil, controller.Pack(nil, long), 1<<20)
				if err != nil || !bytes.Equal(got, long) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func FuzzUnpack(f *testing.F) {
	f.Add(shared().dict.EncodeAll(sample, nil))
	f.Add(shared().plain.EncodeAll(sample, nil))
	f.Add([]byte("\x28\xb5\x2f\xfd"))
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 16
		if out, err := newCodec().Unpack(nil, b, limit); err == nil && len(out) > limit {
			t.Errorf("%d bytes", len(out))
		}
	})
}
