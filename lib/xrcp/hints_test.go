package xrcp

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
)

// signed is an invitation with its session's keys.
func signed(t *testing.T) (*SignedInvitation, *SessionKeys) {
	t.Helper()
	p, err := NewHostPairing(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := NewSessionKeys()
	inv, err := Invitation{
		CA: p.CA.Fingerprint(), Host: "192.0.2.7", Port: 5226, Versions: Versions,
		App: []byte(`{"deviceName":"desk"}`), Unix: time.Now().Unix(), DH: s.DH.Public(),
	}.Sign(s.Sign, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	return inv, s
}

func TestHints(t *testing.T) {
	plain, _ := signed(t)
	want := []Hint{{HintVia, "tcp,dtls"}, {HintSMP, "AAA=@relay.example:5223/BBB=/CCC="}, {HintLibp2p, "12D3Koo,/ip4/192.0.2.7/tcp/1,/ip6/2001:db8::1/udp/1/quic-v1"}}
	inv, err := plain.WithHints(want...)
	if err != nil || len(plain.Hints) != 0 {
		t.Fatal(err)
	}
	if !strings.HasPrefix(inv.String(), plain.String()+"&via=tcp,dtls&smp=") {
		t.Error(inv)
	}
	got, err := ParseInvitation(inv.String())
	if err != nil || got.Verify() != nil || !slices.Equal(got.Hints, want) || got.Hint(HintSMP) != want[1].Value || !got.Same(inv) {
		t.Errorf("%v, %v", got, err)
	}
	if plain.Hint(HintVia) != "" {
		t.Error("a hint that is not there")
	}
	// What we do not know is passed over, and so are values that we would not
	// write.
	odd, err := ParseInvitation(plain.String() + "&zzz=1&via=a%26b&p2p=&smp=x")
	if err != nil || odd.Verify() != nil || !slices.Equal(odd.Hints, []Hint{{HintSMP, "x"}}) {
		t.Errorf("%v, %v", odd, err)
	}
	long, err := ParseInvitation(plain.String() + "&via=" + strings.Repeat("a", maxHints))
	if err != nil || long.Verify() != nil || len(long.Hints) != 0 {
		t.Error(long, err)
	}
}

func TestBadHints(t *testing.T) {
	plain, _ := signed(t)
	for _, v := range []string{"", "a b", "a&b", "a%20b", "a#b", "a+b", "ä", strings.Repeat("a", maxHints)} {
		if _, err := plain.WithHints(Hint{HintVia, v}); !errors.Is(err, ErrInvitation) {
			t.Errorf("%.20q: %v", v, err)
		}
	}
}

// TestAnnouncedHints are there as far as there is room.
func TestAnnouncedHints(t *testing.T) {
	plain, s := signed(t)
	host := key.GenerateX25519()
	for _, n := range []int{10, 900} {
		inv, err := plain.WithHints(Hint{HintVia, strings.Repeat("a", n)})
		if err != nil {
			t.Fatal(err)
		}
		packet, err := SealAnnouncement(inv, host.Public(), s.DH, box.NewNonce())
		if err != nil || len(packet) != MaxDatagram {
			t.Fatal(len(packet), err)
		}
		a, err := ParseAnnouncement(packet)
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Open(host)
		if err != nil || (len(got.Hints) == 1) != (n == 10) {
			t.Errorf("%d bytes: %v, %v", n, got.Hints, err)
		}
	}
}
