package ratchet

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// TestSecretsDoNotPrint formats everything that holds a key.
func TestSecretsDoNotPrint(t *testing.T) {
	inviter, err := GenerateRcv(VersionCurrent, PQSupportOn)
	if err != nil {
		t.Fatal(err)
	}
	alice, bob := pair(t, PQSupportOn)
	alice, bob = pass(t, alice, bob, 100)
	_, sendKey, err := alice.EncryptHeader(SendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	secrets := [][]byte{
		inviter.key1.Raw(), inviter.key2.Raw(), inviter.kem.key.AppendRaw(nil)[:100],
		alice.dh.priv[:], alice.root[:], alice.snd.key[:], alice.snd.header[:], alice.nextSnd[:], alice.nextRcv[:],
		alice.kem.key.AppendRaw(nil)[:100], sendKey.key[:32],
	}
	skipped := SkippedKey{Chain: bob.rcv.header, Key: MessageKey(bytes.Repeat([]byte{0x5a}, 48))}
	secrets = append(secrets, skipped.Chain[:], skipped.Key[:])
	for _, v := range []any{
		inviter, alice, sendKey, skipped, &skipped, skipped.Chain, skipped.Key, inviter.kem.key,
		SkippedDiff{Add: []SkippedKey{skipped}}, Decrypted{Next: alice},
		SkippedMap{skipped.Chain: {1: skipped.Key}},
	} {
		text := fmt.Sprintf("%v %+v %#v %s %x %d", v, v, v, v, v, v)
		if j, err := json.Marshal(v); err == nil {
			text += string(j)
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		text = strings.ToLower(text + log.String())
		for i, s := range secrets {
			for _, form := range []string{
				hex.EncodeToString(s[:16]), strings.ToLower(wire.Base64(s[:15])),
				strings.Trim(fmt.Sprint(s[:16]), "[]"), strings.Trim(fmt.Sprintf("%#v", s[:8]), "[]byte{}"),
			} {
				if strings.Contains(text, form) {
					t.Errorf("%T prints secret %d", v, i)
				}
			}
		}
	}
}

func TestForgetKeepsTheNextState(t *testing.T) {
	alice, bob := pair(t, PQSupportOn)
	for range 4 {
		next, out, err := alice.Encrypt([]byte("hi"), 40, SendOptions{})
		if err != nil {
			t.Fatal(err)
		}
		alice.Forget(next)
		r, err := bob.Decrypt(SkippedMap{}, out)
		if err != nil {
			t.Fatal(err)
		}
		bob.Forget(r.Next)
		if bob.root != [32]byte{} || bob.dh.priv != [56]byte{} {
			t.Error("keys of the old state are still there")
		}
		alice, bob = r.Next, next
	}
	alice.Forget(nil)
	if alice.kem != nil && !bytes.Equal(alice.kem.key.AppendRaw(nil), make([]byte, 1763)) {
		t.Error("the KEM key is still there")
	}
}

// brokenKeys is a store of skipped keys that cannot be read.
type brokenKeys struct{}

var errBroken = errors.New("disk on fire")

func (brokenKeys) HeaderKeys() ([]HeaderKey, error) { return nil, errBroken }
func (brokenKeys) MessageKey(HeaderKey, uint32) (MessageKey, bool, error) {
	return MessageKey{}, false, errBroken
}

func TestSkippedKeysError(t *testing.T) {
	alice, bob := pair(t, PQSupportOff)
	_, first, _ := alice.Encrypt(nil, 40, SendOptions{})
	r, err := bob.Decrypt(brokenKeys{}, first) // in order: asks for nothing
	if err != nil {
		t.Fatal(err)
	}
	if r, err = r.Next.Decrypt(brokenKeys{}, first); !errors.Is(err, errBroken) || r.Next != nil {
		t.Fatalf("error %v, next state %v", err, r.Next)
	}
	if _, err := bob.Decrypt(nil, first); err != nil {
		t.Fatalf("without skipped keys: %v", err)
	}
	other, _ := pair(t, PQSupportOff)
	_, foreign, _ := other.Encrypt(nil, 40, SendOptions{})
	if r, err = bob.Decrypt(brokenKeys{}, foreign); !errors.Is(err, errBroken) || r.Next != nil {
		t.Fatalf("error %v, next state %v", err, r.Next)
	}
}

func TestInitErrors(t *testing.T) {
	gen := func(v wire.Version, pq PQSupport) *Private {
		p, err := GenerateRcv(v, pq)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	plain, proposing := gen(VersionPQ, PQSupportOff), gen(VersionPQ, PQSupportOn)
	accepting, err := GenerateSnd(proposing.Params(), PQSupportOn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := InitRcv(plain, accepting.Params(), PQSupportOff, 0); !errors.Is(err, ErrKEMState) {
		t.Errorf("acceptance without a proposal: %v", err)
	}
	if _, err := InitSnd(accepting, plain.Params(), 0); !errors.Is(err, ErrKEMState) {
		t.Errorf("accepting what was not proposed: %v", err)
	}
	for _, v := range []wire.Version{0, 1, VersionCurrent + 1} {
		params := plain.Params()
		params.Version = v
		if _, err := InitSnd(plain, params, 0); !errors.Is(err, ErrVersion) {
			t.Errorf("version %d: %v", v, err)
		}
		if _, _, err := InitSync(plain, params, PQSupportOff, 0); !errors.Is(err, ErrVersion) {
			t.Errorf("version %d: %v", v, err)
		}
	}
	low := plain.Params()
	low.Key1, low.Key2 = key.X448Public{}, key.X448Public{}
	if _, err := InitSnd(plain, low, 0); !errors.Is(err, key.ErrLowOrder) {
		t.Errorf("key of low order: %v", err)
	}
	if _, err := InitRcv(plain, low, PQSupportOff, 0); !errors.Is(err, key.ErrLowOrder) {
		t.Errorf("key of low order: %v", err)
	}
}

func TestParseErrors(t *testing.T) {
	if _, err := ParseParams([]byte("x")); !errors.Is(err, ErrParams) {
		t.Errorf("parameters: %v", err)
	}
	if _, err := ParseParamsURI("v=2-3"); !errors.Is(err, ErrParams) {
		t.Errorf("URI: %v", err)
	}
	if _, err := ParseParamsURIBinary(nil); !errors.Is(err, ErrParams) {
		t.Errorf("URI in binary: %v", err)
	}
	for _, b := range [][]byte{nil, {stateFormat + 1}, {stateFormat}} {
		if err := new(State).UnmarshalBinary(b); !errors.Is(err, ErrStored) {
			t.Errorf("state %x: %v", b, err)
		}
		if err := new(Private).UnmarshalBinary(b); !errors.Is(err, ErrStored) {
			t.Errorf("keys %x: %v", b, err)
		}
		if err := new(SendKey).UnmarshalBinary(b); !errors.Is(err, ErrStored) {
			t.Errorf("message key %x: %v", b, err)
		}
	}
}

// TestUpgrade lets two parties who agreed on the first version reach the last
// one, and its KEM, on the way.
func TestUpgrade(t *testing.T) {
	inviter, err := GenerateRcv(VersionKDF, PQSupportOff)
	if err != nil {
		t.Fatal(err)
	}
	joiner, err := GenerateSnd(inviter.Params(), PQSupportOff)
	if err != nil {
		t.Fatal(err)
	}
	a, err := InitSnd(joiner, inviter.Params(), 0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := InitRcv(inviter, joiner.Params(), PQSupportOff, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		next, out, err := a.Encrypt([]byte("x"), 40, SendOptions{PQ: PQEnable})
		if err != nil {
			t.Fatal(err)
		}
		r, err := b.Decrypt(SkippedMap{}, out)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		a, b = r.Next, next
	}
	if a.Version() != VersionCurrent || b.Version() != VersionCurrent {
		t.Errorf("versions %d and %d", a.Version(), b.Version())
	}
	for _, s := range []*State{a, b} {
		if s.SndPQ() != PQOn || s.RcvPQ() != PQOn || s.PQSupport() != PQSupportOn {
			t.Error("the KEM is not in use")
		}
	}
}

// TestParamsURI has what the vectors have not: forms that are refused, and
// forms that are read but never written.
func TestParamsURI(t *testing.T) {
	inviter, err := GenerateRcv(VersionPQ, PQSupportOn)
	if err != nil {
		t.Fatal(err)
	}
	joiner, err := GenerateSnd(inviter.Params(), PQSupportOn)
	if err != nil {
		t.Fatal(err)
	}
	u := inviter.Params().URI(SupportedVersions())
	accepted := joiner.Params().URI(SupportedVersions())
	k1 := wire.Base64(u.Key1.AppendSPKI(nil))
	keys := "x3dh=" + k1 + "," + wire.Base64(u.Key2.AppendSPKI(nil))
	kem := "kem_key=" + wire.Base64(u.KEM.Key[:])
	ct := "kem_ct=" + wire.Base64(accepted.KEM.Ciphertext[:])
	for _, c := range []struct {
		text, want string // want is empty if refused
	}{
		{u.String(), u.String()},
		{accepted.String(), accepted.String()},
		{keys + "&later=1&v=2", "v=2&" + keys},
		{"v=2&" + keys + "&" + kem, "v=2&" + keys},
		{"v=2-3&v=7&" + keys, "v=2-3&" + keys},
		{"v=2-3&" + strings.ReplaceAll(keys, ",", "%2C"), "v=2-3&" + keys},
		{"v=3&" + keys + "&" + ct, "v=3&" + keys},
		{"", ""},
		{"v=3", ""},
		{"v=x&" + keys, ""},
		{"v=3-2&" + keys, ""},
		{keys, ""},
		{"v=3&x3dh=" + k1, ""},
		{"v=3&" + keys + "," + k1, ""},
		{"v=3&x3dh=" + k1 + ",AAAA", ""},
		{"v=3&" + keys + "&kem_key=AAAA", ""},
		{"v=3&" + keys + "&kem_key=!", ""},
		{"v=3&" + keys + "&" + kem + "&kem_ct=AAAA", ""},
		{"v=3&" + keys + "&" + kem + "&kem_ct=!", ""},
		{"v=3&" + keys + "&x=%zz", ""},
	} {
		got, err := ParseParamsURI(c.text)
		if c.want == "" {
			if !errors.Is(err, ErrParams) {
				t.Errorf("%.60q is read: %v", c.text, err)
			}
		} else if err != nil || got.String() != c.want {
			t.Errorf("%.60q is read as %.60q, %v", c.text, got, err)
		}
	}
	if p := u.At(VersionPQ); !p.Equal(inviter.Params()) {
		t.Error("parameters at version 3 are not the inviter's")
	}
	if p := u.At(VersionKDF); p.KEM != nil || p.Version != VersionKDF || p.Equal(inviter.Params()) {
		t.Error("parameters at version 2 have a KEM")
	}
	if accepted.Equal(u) || u.KEM.equal(nil) || u.KEM.equal(accepted.KEM) {
		t.Error("different parameters are equal")
	}
}

// TestKEMStateErrors gives a party a ciphertext for a key it does not have.
func TestKEMStateErrors(t *testing.T) {
	alice, bob := pair(t, PQSupportOn)
	_, out, err := alice.Encrypt(nil, 40, SendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	bob = bob.copyOf()
	bob.kem = nil
	if r, err := bob.Decrypt(SkippedMap{}, out); !errors.Is(err, ErrKEMState) || r.Next != nil {
		t.Errorf("error %v, next state %v", err, r.Next)
	}
}

// TestWipe looks for the keys after wiping.
func TestWipe(t *testing.T) {
	inviter, err := GenerateRcv(VersionPQ, PQSupportOn)
	if err != nil {
		t.Fatal(err)
	}
	inviter.Wipe()
	b, _ := inviter.AppendBinary(nil)
	if len(bytes.Trim(b[3:], "\x00")) != 1 { // the mark of the KEM
		t.Error("E2E keys are still there")
	}
	for _, err := range []error{&EarlierError{Count: 12345}, &SkippedError{Count: 12345}} {
		if !strings.Contains(err.Error(), "12345") {
			t.Errorf("%v has no count", err)
		}
	}
}

func TestChainKDFIsHKDF(t *testing.T) {
	for i := range 100 {
		chain := [32]byte{byte(i), 31: byte(3 * i)}
		next, mk, iv := chainKDF(chain)
		got := append(append(next[:], mk[:]...), iv[:]...)
		if want := box.HKDF(nil, chain[:], chainInfo, 96); !bytes.Equal(got, want) {
			t.Fatalf("got %x, want %x", got, want)
		}
	}
}

// TestPQTable has both parties ask for the KEM or not, from every way to
// begin. It is in use if and only if both ask.
func TestPQTable(t *testing.T) {
	switches := []PQSwitch{PQDisable, PQEnable}
	for _, begin := range []PQSupport{PQSupportOff, PQSupportOn} {
		for i, sw := range [][2]PQSwitch{
			{switches[0], switches[0]}, {switches[0], switches[1]}, {switches[1], switches[0]}, {switches[1], switches[1]},
		} {
			states := make([]*State, 2)
			states[0], states[1] = pair(t, begin)
			for n := range 12 {
				from, to := n%2, 1-n%2
				next, out, err := states[from].Encrypt(nil, 40, SendOptions{PQ: sw[from]})
				if err != nil {
					t.Fatal(err)
				}
				r, err := states[to].Decrypt(nil, out)
				if err != nil {
					t.Fatal(err)
				}
				states[from], states[to] = next, r.Next
			}
			both := PQEncryption(sw[0] == PQEnable && sw[1] == PQEnable)
			large := PQSupport(begin || sw[0] == PQEnable || sw[1] == PQEnable)
			for j, s := range states {
				if s.SndPQ() != both || s.RcvPQ() != both {
					t.Errorf("begin %v, row %d: party %d sends with KEM %v, receives with %v", begin, i, j, s.SndPQ(), s.RcvPQ())
				}
				if s.PQSupport() && !large {
					t.Errorf("begin %v, row %d: party %d has large headers", begin, i, j)
				}
			}
		}
	}
}
