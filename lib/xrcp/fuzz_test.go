package xrcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/internal/vectors"
)

// rewrite reads, writes, reads and writes: both writings must be equal. Keys
// have more than one form that is read.
func rewrite[T any](t *testing.T, b []byte, parse func([]byte) (T, error), write func(T) []byte) {
	v, err := parse(b)
	if err != nil {
		return
	}
	out := write(v)
	again, err := parse(out)
	if err != nil || !bytes.Equal(write(again), out) {
		t.Errorf("%x, then %x: %v", b, out, err)
	}
}

// seedText adds the texts of all cases that have the member.
func seedText(f *testing.F, member string) {
	for _, c := range vectors.Load(f, vectorFile).Cases {
		var m map[string]json.RawMessage
		var s string
		if json.Unmarshal(c.Raw, &m) == nil && json.Unmarshal(m[member], &s) == nil {
			f.Add(s)
		}
	}
}

func sessions(f *testing.F) (out []sessionCase) {
	for _, c := range vectors.Load(f, vectorFile).With("session") {
		var s sessionCase
		c.Decode(f, &s)
		out = append(out, s)
	}
	return out
}

func FuzzParseInvitation(f *testing.F) {
	seedText(f, "uri")
	f.Fuzz(func(t *testing.T, s string) {
		inv, err := ParseInvitation(s)
		if err != nil {
			if !errors.Is(err, ErrInvitation) {
				t.Error(err)
			}
			return
		}
		// What is written is read again as the same, unless a second decoding
		// of the app parameter changes it.
		again, err := ParseInvitation(inv.String())
		if percentDecode(string(inv.App)) == string(inv.App) && len(inv.String()) <= maxInvitation {
			if err != nil || !again.Same(inv) {
				t.Errorf("%q: %v", inv, err)
			}
		}
		_ = inv.Verify()
		_ = inv.Address()
	})
}

func FuzzParseFingerprint(f *testing.F) {
	f.Add(Fingerprint{1, 2, 3}.String())
	f.Fuzz(func(t *testing.T, s string) {
		if fp, err := ParseFingerprint(s); err == nil {
			if again, err := ParseFingerprint(fp.String()); err != nil || again != fp {
				t.Error(err)
			}
		}
	})
}

func FuzzParseAnnouncement(f *testing.F) {
	for _, c := range vectors.Load(f, vectorFile).With("announcement") {
		var v struct{ Packet vectors.Hex }
		c.Decode(f, &v)
		f.Add([]byte(v.Packet))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		rewrite(t, b, ParseAnnouncement, func(a Announcement) []byte { return a.Append(nil) })
	})
}

func FuzzParseHostPacket(f *testing.F) {
	for _, s := range sessions(f) {
		f.Add([]byte(s.HostHello.Packet))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		rewrite(t, b, ParseHostPacket, func(p HostPacket) []byte { return p.Append(nil) })
	})
}

func FuzzParseControllerPacket(f *testing.F) {
	for _, s := range sessions(f) {
		f.Add([]byte(s.CtrlPacket.Packet))
		f.Add([]byte(s.Error.Packet))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		rewrite(t, b, ParseControllerPacket, func(p ControllerPacket) []byte { return p.Append(nil) })
	})
}

func FuzzParseHostHello(f *testing.F) {
	for _, s := range sessions(f) {
		f.Add([]byte(s.HostHello.Plain))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHostHello(b)
		if err != nil {
			return
		}
		text, err := h.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseHostHello(text); err != nil || again.CA != h.CA || *again.KEM != *h.KEM || again.Version != h.Version {
			t.Errorf("%s: %v", text, err)
		}
	})
}

// roundTrip reads, writes and reads again: both writings must be equal.
func roundTrip[T json.Marshaler](t *testing.T, b []byte, parse func([]byte) (T, error)) {
	v, err := parse(b)
	if err != nil {
		return
	}
	out, err := v.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	again, err := parse(out)
	if err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	if out2, err := again.MarshalJSON(); err != nil || !bytes.Equal(out, out2) {
		t.Errorf("%s, then %s: %v", out, out2, err)
	}
}

var commandTexts = []string{
	`{"type":"send","command":"/user","retryNumber":0}`,
	`{"_owsf":true,"send":{"command":"/user","retryNumber":3}}`,
	`{"type":"recv","wait":10000000}`,
	`{"type":"storeFile","fileName":"a","fileSize":5,"fileDigest":"` + emptyDigest + `"}`,
	`{"type":"getFile","file":{"userId":1,"fileId":2,"sent":false,"fileSource":{"filePath":"a"}}}`,
}

var responseTexts = []string{
	`{"type":"chatResponse","chatResponse":{"result":{"type":"cmdOk"}}}`,
	`{"type":"chatResponse","chatResponse":{"error":{"type":"error"}}}`,
	`{"type":"chatEvent"}`,
	`{"type":"chatEvent","chatEvent":{"result":{"type":"newChatItems"}}}`,
	`{"type":"fileStored","filePath":"a"}`,
	`{"type":"file","fileSize":5,"fileDigest":"` + emptyDigest + `"}`,
	`{"type":"protocolError","remoteProcotolError":{"type":"manySkippedIds","data":300}}`,
	`{"type":"protocolError","remoteProcotolError":{"type":"invalidJSON","invalidJSON":"why"}}`,
}

const emptyDigest = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="

func FuzzParseCommand(f *testing.F) {
	for _, s := range commandTexts {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { roundTrip(t, b, ParseCommand) })
}

func FuzzParseResponse(f *testing.F) {
	for _, s := range responseTexts {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { roundTrip(t, b, ParseResponse) })
}

func FuzzParseHostPairing(f *testing.F) {
	p := must[*HostPairing](f)(NewHostPairing(time.Now()))
	f.Add(must[[]byte](f)(p.AppendBinary(nil)))
	p.Host = &KnownHost{Fingerprint: Fingerprint{1}, DH: NewSessionKeys().DH.Public()}
	f.Add(must[[]byte](f)(p.AppendBinary(nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		rewrite(t, b, ParseHostPairing, func(p *HostPairing) []byte { return must[[]byte](t)(p.AppendBinary(nil)) })
	})
}

func FuzzParseControllerPairing(f *testing.F) {
	p := must[*ControllerPairing](f)(NewControllerPairing(&Invitation{}, time.Now()))
	f.Add(must[[]byte](f)(p.AppendBinary(nil)))
	f.Add(must[[]byte](f)(p.Confirm().Next().AppendBinary(nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		rewrite(t, b, ParseControllerPairing, func(p *ControllerPairing) []byte { return must[[]byte](t)(p.AppendBinary(nil)) })
	})
}

func FuzzParseCtrlApp(f *testing.F) {
	f.Add([]byte(`{"appVersionRange":{"minVersion":"6.5","maxVersion":"7.0.0.6"},"deviceName":"a","compression":true}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := ParseCtrlApp(b); err == nil {
			_, _ = a.AppVersionRange.Compatible(AppVersionRange{"6.5.0.12", "7.0.0.6"})
			if _, err := canonicalJSON(must[json.RawMessage](t)(a.JSON())); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzParseHostApp(f *testing.F) {
	f.Add([]byte(`{"appVersion":"7.0.0.6","deviceName":"a","encoding":"kotlin","encryptFiles":true}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := ParseHostApp(b); err == nil {
			_, _ = a.JSON()
		}
	})
}

// FuzzBodiesOpen gives a controller, whose responses bear no signatures,
// anything at all.
func FuzzBodiesOpen(f *testing.F) {
	for _, s := range sessions(f) {
		for _, m := range s.Messages {
			f.Add([]byte(m.HTTP2))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, h := bodiesPair(nil)
		if _, _, err := c.Open(bytes.NewReader(b)); err == nil {
			t.Error("opened")
		}
		if _, _, err := h.Open(bytes.NewReader(b)); err == nil {
			t.Error("opened")
		}
	})
}
