package xrcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/wire"
)

func TestCanonicalJSON(t *testing.T) {
	for in, want := range map[string]string{
		` { "b" : [ 1 , true , null ] , "a" : { } } `: `{"a":{},"b":[1,true,null]}`,
		`{"a":1,"a":2}`:            `{"a":2}`,
		`"\u0041\/\u00e9\n\u0001"`: `"A/é\n\u0001"`,
		`"\ud83d\ude00<>&\u007f"`:  "\"😀<>&\u007f\"",
		`0`:                        `0`,
		`-0`:                       `0`,
		`-12.50`:                   `-12.5`,
		`1.0`:                      `1`,
		`1e3`:                      `1000`,
		`0.1`:                      `0.1`,
		`0.01`:                     `1.0e-2`,
		`0.0125`:                   `1.25e-2`,
		`1234567.5`:                `1234567.5`,
		`12345678.5`:               `1.23456785e7`,
		`100.5e-2`:                 `1.005`,
		`0.0`:                      `0`,
	} {
		if got, err := canonicalJSON([]byte(in)); err != nil || string(got) != want {
			t.Errorf("%s is %s, not %s: %v", in, got, want, err)
		}
	}
	for _, in := range []string{"", "{", `{} {}`, "nul", `1e9999`, `1e2000000000000`, "\"\xff\"", strings.Repeat("[", 100) + strings.Repeat("]", 100)} {
		if got, err := canonicalJSON([]byte(in)); !errors.Is(err, ErrInvitation) {
			t.Errorf("%.20q is %s: %v", in, got, err)
		}
	}
}

// Whatever is signed is read again, verifies, and is the same.
func TestSignedInvitationsVerify(t *testing.T) {
	pairing := must[*HostPairing](t)(NewHostPairing(time.Now()))
	rapid.Check(t, func(t *rapid.T) {
		s := NewSessionKeys()
		app, _ := json.Marshal(map[string]any{
			rapid.String().Draw(t, "key"): rapid.String().Draw(t, "value"), "n": rapid.Float64Range(-1e9, 1e9).Draw(t, "n"),
		})
		host := rapid.SampledFrom([]string{"10.0.0.1", "[fd00::1]", "desk.local"}).Draw(t, "host")
		inv, err := Invitation{
			CA: pairing.CA.Fingerprint(), Host: host, Port: rapid.Uint16().Draw(t, "port"),
			Versions: wire.VersionRange{Min: 1, Max: wire.Version(rapid.Uint16Range(1, 99).Draw(t, "v"))},
			App:      app, Unix: rapid.Int64().Draw(t, "ts"), DH: s.DH.Public(),
		}.Sign(s.Sign, pairing.ID)
		if err != nil {
			if !strings.ContainsAny(string(app), "+%") {
				t.Fatal(err)
			}
			return
		}
		got, err := ParseInvitation(inv.String())
		if err != nil || !got.Same(inv) || got.Verify() != nil {
			t.Fatalf("%q: %v, %v", inv, got, err)
		}
	})
}

func TestSignRefuses(t *testing.T) {
	s, p := NewSessionKeys(), must[*HostPairing](t)(NewHostPairing(time.Now()))
	good := Invitation{Host: "10.0.0.1", Versions: Versions, App: json.RawMessage(`{}`), DH: s.DH.Public()}
	if _, err := good.Sign(s.Sign, p.ID); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Invitation){
		"app with a plus sign":    func(i *Invitation) { i.App = json.RawMessage(`"1+1"`) },
		"app with a percent code": func(i *Invitation) { i.App = json.RawMessage(`"%41"`) },
		"no app":                  func(i *Invitation) { i.App = nil },
		"long app":                func(i *Invitation) { i.App, _ = json.Marshal(strings.Repeat("x", 9000)) },
		"host with a port":        func(i *Invitation) { i.Host = "10.0.0.1:5" },
		"host of parameters":      func(i *Invitation) { i.Host = "a&b" },
		"bare IPv6":               func(i *Invitation) { i.Host = "::1" },
		"another form of IPv4":    func(i *Invitation) { i.Host = "" },
		"no version":              func(i *Invitation) { i.Versions = wire.VersionRange{} },
	} {
		bad := good
		change(&bad)
		if inv, err := bad.Sign(s.Sign, p.ID); !errors.Is(err, ErrInvitation) {
			t.Errorf("%s: %q, %v", name, inv, err)
		}
	}
	long := good
	long.App, _ = json.Marshal(strings.Repeat("x", 900))
	inv := must[*SignedInvitation](t)(long.Sign(s.Sign, p.ID))
	if _, err := SealAnnouncement(inv, s.DH.Public(), s.DH, box.NewNonce()); !errors.Is(err, ErrInvitation) {
		t.Error(err)
	}
	if _, err := SealAnnouncement(inv, s.DH.Public(), NewSessionKeys().DH, box.NewNonce()); !errors.Is(err, ErrInvitation) {
		t.Error(err)
	}
}

func TestCheckTime(t *testing.T) {
	now := time.Unix(1760000000, 0)
	for d, ok := range map[time.Duration]bool{
		0: true, time.Minute: true, -time.Minute: true, time.Minute + 1: false, -time.Minute - 1: false, 1 << 62: false,
	} {
		err := (&Invitation{Unix: now.Unix()}).CheckTime(now.Add(d), time.Minute)
		if (err == nil) != ok || err != nil && !errors.Is(err, ErrStale) {
			t.Errorf("%v: %v", d, err)
		}
	}
	for _, unix := range []int64{-1 << 63, 1<<63 - 1} {
		if err := (&Invitation{Unix: unix}).CheckTime(now, time.Hour); !errors.Is(err, ErrStale) {
			t.Errorf("%d: %v", unix, err)
		}
	}
}

func TestSessionCode(t *testing.T) {
	if got := SessionCode([]byte{0, 1, 0xff, 0xff, 0xff}); got != "33554 431" {
		t.Errorf("%q", got)
	}
	if got := SessionCode(nil); got != "0" {
		t.Errorf("%q", got)
	}
	if !SameCode("33554 431", " 3355 4431\n") || SameCode("1", "2") {
		t.Error("codes compare wrongly")
	}
}

func TestPairingKeys(t *testing.T) {
	p := must[*ControllerPairing](t)(NewControllerPairing(&Invitation{}, time.Now()))
	if p.Next().DH != p.DH {
		t.Error("a key that the controller may know is thrown away")
	}
	q := p.Confirm().Next()
	if q.DH == p.DH || q.PrevDH != p.DH || q.Confirmed || !p.Confirm().Confirmed || p.Confirmed {
		t.Error("the key did not change")
	}
	if r := q.Next(); r.DH != q.DH || r.PrevDH != p.DH {
		t.Error("the key changed before it was confirmed")
	}
	if s := fmt.Sprintf("%v %+v %#v", p, p.CA, q); strings.Contains(s, fmt.Sprintf("%x", p.DH.Raw())) {
		t.Error("a private key is printed")
	}
}

func TestMessages(t *testing.T) {
	for _, text := range commandTexts {
		c, err := ParseCommand([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := must[[]byte](t)(c.MarshalJSON()); !strings.Contains(text, "_owsf") && string(got) != text {
			t.Errorf("%s is written as %s", text, got)
		}
	}
	for _, text := range responseTexts {
		r, err := ParseResponse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := must[[]byte](t)(r.MarshalJSON()); r.Error == nil && string(got) != text {
			t.Errorf("%s is written as %s", text, got)
		}
	}
	for _, text := range []string{``, `[]`, `{}`, `{"type":5}`, `{"type":"send"}`, `{"type":"send","command":5,"retryNumber":0}`, `{"type":"no"}`, `{"_owsf":true,"send":5}`} {
		if c, err := ParseCommand([]byte(text)); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
		if r, err := ParseResponse([]byte(text)); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %+v, %v", text, r, err)
		}
	}
	if _, err := (Command{}).MarshalJSON(); !errors.Is(err, ErrMessage) {
		t.Error(err)
	}
	if _, err := (Response{}).MarshalJSON(); !errors.Is(err, ErrMessage) {
		t.Error(err)
	}
}

// Every error that a host may answer with is read as what was written.
func TestProtocolErrors(t *testing.T) {
	for _, known := range protocolErrors {
		text := must[[]byte](t)(Response{Error: AsProtocolError(fmt.Errorf("%w: why", known.err))}.MarshalJSON())
		r, err := ParseResponse(text)
		if err != nil || r.Error.Type != known.name {
			t.Errorf("%s: %v", text, err)
		}
	}
	if p := AsProtocolError(errors.New("x")); p.Type != "exception" || AsProtocolError(fmt.Errorf("y: %w", p)) != p {
		t.Error(p)
	}
	r, err := ParseResponse([]byte(`{"type":"protocolError","remoteProcotolError":{"_owsf":true,"noFile":{}}}`))
	if err != nil || r.Error.Type != "noFile" {
		t.Error(r.Error, err)
	}
	if p := must[Response](t)(ParseResponse([]byte(`{"type":"protocolError","remoteProcotolError":{"type":"x\u001b[2J"}}`))); strings.Contains(p.Error.Error(), "\x1b") {
		t.Error("a terminal would obey")
	}
}

func TestApps(t *testing.T) {
	r := AppVersionRange{"6.5.0.12", "7.0.0.6"}
	for o, want := range map[AppVersionRange]string{
		{"6.0.0.0", "7.1"}: "7.0.0.6", {"6.6", "6.7.1"}: "6.7.1", {"7.0.0.7", "8"}: "", {"5", "6.5"}: "", {"6.5.0.12", "6.5.0.12"}: "6.5.0.12", {"a", "b"}: "",
	} {
		got, err := r.Compatible(o)
		if got != want || (want == "") != errors.Is(err, ErrApp) {
			t.Errorf("%v: %q, %v", o, got, err)
		}
	}
	if r.Contains("7") != nil || !errors.Is(r.Contains("6.5"), ErrApp) {
		t.Error("contains")
	}
	app := must[json.RawMessage](t)(CtrlApp{AppVersionRange: r, DeviceName: `a+b "100%" <é>`}.JSON())
	s, p := NewSessionKeys(), must[*HostPairing](t)(NewHostPairing(time.Now()))
	inv := must[*SignedInvitation](t)(Invitation{Host: "a", Versions: Versions, App: app, DH: s.DH.Public()}.Sign(s.Sign, p.ID))
	back := must[CtrlApp](t)(ParseCtrlApp(must[*SignedInvitation](t)(ParseInvitation(inv.String())).App))
	if back.DeviceName != `a b "100 " <é>` || back.AppVersionRange != r {
		t.Errorf("%+v", back)
	}
	for _, bad := range []string{`5`, `{}`, `{"appVersion":"x"}`} {
		if _, err := ParseHostApp([]byte(bad)); !errors.Is(err, ErrApp) {
			t.Error(err)
		}
		if _, err := ParseCtrlApp([]byte(bad)); !errors.Is(err, ErrApp) {
			t.Error(err)
		}
	}
}

// Every phase has an answer to every event.
func TestPhases(t *testing.T) {
	for p := Waiting; p <= Closed; p++ {
		for e := Found; e <= Ended; e++ {
			to, err := p.Next(e)
			want, ok := phaseTable[p][e]
			if ok != (err == nil) || ok && to != want || !ok && (to != p || !errors.Is(err, ErrPhase)) {
				t.Errorf("%v at %v: %v, %v", e, p, to, err)
			}
			if e == Ended && to != Closed {
				t.Errorf("%v does not end", p)
			}
		}
	}
	if Phase(99).String() != "phase(99)" || PhaseEvent(99).String() != "event(99)" {
		t.Error("names")
	}
}
