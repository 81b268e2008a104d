package agent

import (
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
)

// Agreements come back from the store as they were, and so do those of a
// release that stored the keys alone.
func TestStoredAgreement(t *testing.T) {
	own, err := ratchet.GenerateRcv(ratchet.VersionCurrent, true)
	if err != nil {
		t.Fatal(err)
	}
	peer := own.Params()
	alone, err := own.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []*agreement{{own: own}, {own: own, asked: true}, {own: own, peer: &peer, asked: true}, {own: own, peer: &peer}} {
		b, err := want.append(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseAgreement(b)
		if err != nil {
			t.Fatal(err)
		}
		if got.asked != want.asked || !got.own.Params().Equal(peer) || (got.peer == nil) != (want.peer == nil) || got.peer != nil && !got.peer.Equal(peer) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if _, err := parseAgreement(b[:len(b)-1]); err == nil {
			t.Error("a cut one was read")
		}
	}
	if got, err := parseAgreement(alone); err != nil || got.peer != nil || !got.own.Params().Equal(peer) {
		t.Errorf("keys alone: %+v, %v", got, err)
	}
}
