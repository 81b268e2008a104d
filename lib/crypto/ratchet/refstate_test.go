package ratchet

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/sntrup"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// b64 is bytes as the reference's states write them.
type b64 []byte

func (b *b64) UnmarshalText(s []byte) (err error) {
	*b, err = base64.URLEncoding.DecodeString(string(s))
	return err
}

// refState is a state as the reference stores it.
type refState struct {
	Version [2]wire.Version `json:"rcVersion"`
	AD      b64             `json:"rcAD"`
	DH      b64             `json:"rcDHRs"` // PKCS #8 in base64url once more
	KEM     *struct {
		Keys     [2]b64 `json:"rcPQRs"`
		Accepted *struct {
			Peer   b64 `json:"rcPQRr"`
			Secret b64 `json:"rcPQRss"`
			CT     b64 `json:"rcPQRct"`
		} `json:"rcKEMs"`
	} `json:"rcKEM"`
	Support bool `json:"rcSupportKEM"`
	Enable  bool `json:"rcEnableKEM"`
	SndKEM  bool `json:"rcSndKEM"`
	RcvKEM  bool `json:"rcRcvKEM"`
	Root    b64  `json:"rcRK"`
	Snd     *struct {
		Chain  b64 `json:"rcCKs"`
		Header b64 `json:"rcHKs"`
	} `json:"rcSnd"`
	Rcv *struct {
		Chain  b64 `json:"rcCKr"`
		Header b64 `json:"rcHKr"`
	} `json:"rcRcv"`
	Ns   uint32 `json:"rcNs"`
	Nr   uint32 `json:"rcNr"`
	PN   uint32 `json:"rcPN"`
	NHKs b64    `json:"rcNHKs"`
	NHKr b64    `json:"rcNHKr"`
}

func (r *refState) dhKey(t testing.TB) dhKey {
	t.Helper()
	der, err := base64.URLEncoding.DecodeString(string(r.DH))
	if err != nil {
		t.Fatal(err)
	}
	k, err := key.ParsePrivate(der)
	if err != nil {
		t.Fatal(err)
	}
	return dhKeyOf(k.(*key.X448Private))
}

func (r *refState) state(t testing.TB) *State {
	t.Helper()
	s := &State{
		current: r.Version[0], max: r.Version[1], ad: [adSize]byte(r.AD), dh: r.dhKey(t),
		support: PQSupport(r.Support), enable: PQEncryption(r.Enable),
		sndKEM: PQEncryption(r.SndKEM), rcvKEM: PQEncryption(r.RcvKEM),
		root: [32]byte(r.Root), ns: r.Ns, nr: r.Nr, pn: r.PN,
		nextSnd: HeaderKey(r.NHKs), nextRcv: HeaderKey(r.NHKr),
	}
	if r.Snd != nil {
		s.snd = &chainState{[32]byte(r.Snd.Chain), HeaderKey(r.Snd.Header)}
	}
	if r.Rcv != nil {
		s.rcv = &chainState{[32]byte(r.Rcv.Chain), HeaderKey(r.Rcv.Header)}
	}
	if r.KEM != nil {
		s.kem = &kemState{key: secretKey(t, r.KEM.Keys[1])}
		if !bytes.Equal(s.kem.key.Public()[:], r.KEM.Keys[0]) {
			t.Fatal("KEM keys of a state do not belong together")
		}
		if r.KEM.Accepted != nil {
			s.kem.ct = ciphertext(t, r.KEM.Accepted.CT)
		}
	}
	return s
}

func parseState(t testing.TB, raw json.RawMessage) *refState {
	t.Helper()
	r := new(refState)
	if err := json.Unmarshal(raw, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// checkState compares all that is stored.
func checkState(t testing.TB, what string, got *State, want json.RawMessage) {
	t.Helper()
	a, _ := got.AppendBinary(nil)
	b, _ := parseState(t, want).state(t).AppendBinary(nil)
	if !bytes.Equal(a, b) {
		t.Fatalf("%s differs\n got %x\nwant %x", what, a, b)
	}
}

// replay is a source that draws what the reference drew: what is in the state
// after the step.
type replay struct {
	t testing.TB
	r *refState
}

func (p replay) dhKey() dhKey { return p.r.dhKey(p.t) }

func (p replay) kemKey() (*sntrup.SecretKey, error) {
	if p.r.KEM == nil {
		p.t.Fatal("made a KEM key where the reference did not")
	}
	return sntrup.ParseSecretKey(p.r.KEM.Keys[1])
}

func (p replay) encapsulate(k *sntrup.PublicKey) (*sntrup.Ciphertext, []byte, error) {
	if p.r.KEM == nil || p.r.KEM.Accepted == nil {
		p.t.Fatal("made a KEM ciphertext where the reference did not")
	}
	if !bytes.Equal(k[:], p.r.KEM.Accepted.Peer) {
		p.t.Fatal("made a KEM ciphertext for another key")
	}
	return ciphertext(p.t, p.r.KEM.Accepted.CT), bytes.Clone(p.r.KEM.Accepted.Secret), nil
}

func secretKey(t testing.TB, b []byte) *sntrup.SecretKey {
	t.Helper()
	k, err := sntrup.ParseSecretKey(b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ciphertext(t testing.TB, b []byte) *sntrup.Ciphertext {
	t.Helper()
	c, err := sntrup.ParseCiphertext(b)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
