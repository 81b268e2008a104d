package xmsg

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// profileOf is a JSON object of about n bytes that compress a little.
func profileOf(n int) []byte {
	var s strings.Builder
	for i := 0; s.Len() < n; i++ {
		fmt.Fprintf(&s, "%x", i*i*2654435761)
	}
	return fmt.Appendf(nil, `{"image":%q}`, s.String()[:n])
}

func TestLinkData(t *testing.T) {
	for _, n := range []int{0, 10, 10228, 10229, 13000, 60000} {
		b := profileOf(n)
		enc := EncodeLinkData(b)
		if plain := enc[0] == '{'; plain != (len(b) <= 10240) {
			t.Errorf("%d bytes: plain %v", len(b), plain)
		}
		if got, err := ParseLinkData(enc); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
	if got, err := ParseLinkData(nil); got != nil || err != nil {
		t.Errorf("nothing: %q, %v", got, err)
	}
}

// A frame of the C library at level 3, as the apps make it.
func TestLinkDataOfOthers(t *testing.T) {
	const frame = "" +
		"5828b52ffd600f006504000288171790b739ddd9df6ccf769b3488b289a66d31b1190963d795adf721c3bf2a1d197068edefed3bca25be" +
		"55502b1de7ca96ea5117d0f82a344c967d84fb1b205aa4e33daaaca8cce0401b411cd8937c346c7102e56c3c115c0ceb841633b8041000" +
		"040b401a880c26033e475c7ce9d40b970960c701e059782be23f590c941740189fe678560575cbe613"
	const want = `{"profile":{"displayName":"alice","fullName":"","preferences":{"timedMessages":{"allow":"yes"},"fullDelete":{"allow":"no"},"reactions":` +
		`{"allow":"yes"},"voice":{"allow":"yes"},"files":{"allow":"always"},"calls":{"allow":"yes"},"sessions":{"allow":"no"}}},"business":false}`
	b, err := hex.DecodeString(frame)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseLinkData(b); err != nil || string(got) != want {
		t.Errorf("%s: %v", got, err)
	}
}

// Data that would grow beyond the limit is not expanded, whatever its frame
// says of its size.
func TestLinkDataBomb(t *testing.T) {
	bomb := func(o ...zstd.EOption) []byte {
		var out bytes.Buffer
		out.WriteByte('X')
		e, err := zstd.NewWriter(&out, o...)
		if err != nil {
			t.Fatal(err)
		}
		zeros := make([]byte, 1<<20)
		for range 64 {
			if _, err := e.Write(zeros); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	unsized := bomb()
	one, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	sized := one.EncodeAll(make([]byte, 64<<20), []byte{'X'})
	lying := EncodeLinkData(profileOf(60000))
	lying[6], lying[7] = 1, 0 // the size in the frame's header
	for name, b := range map[string][]byte{"without a size": unsized, "with its size": sized, "with a wrong size": lying} {
		if len(b) > 50000 && name != "with a wrong size" {
			t.Fatalf("%s: %d bytes", name, len(b))
		}
		allocs := testing.AllocsPerRun(1, func() {
			if _, err := ParseLinkData(b); !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrSyntax) {
				t.Errorf("%s: %v", name, err)
			}
		})
		if allocs > 1000 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}

func FuzzParseLinkData(f *testing.F) {
	f.Add([]byte(`{"profile":{"displayName":"alice"}}`))
	f.Add(EncodeLinkData(profileOf(11000)))
	f.Add([]byte("X"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ParseLinkData(b)
		if err != nil || got == nil {
			return
		}
		if len(got) > max(MaxExpanded, len(b)) || !json.Valid(got) {
			t.Fatalf("%d bytes", len(got))
		}
		if again, err := ParseLinkData(EncodeLinkData(got)); err != nil || !bytes.Equal(again, got) {
			t.Fatalf("again: %v", err)
		}
	})
}
