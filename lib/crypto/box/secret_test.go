package box_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
)

// holder has the value as exported and unexported field, by value and by
// pointer, as structs of other packages may have it.
type holder[T any] struct {
	Value    T
	Pointer  *T
	value    T
	pointer  *T
	List     []T
	Any      any
	inner    struct{ value T }
	anything any
}

func hold[T any](v *T) holder[T] {
	h := holder[T]{Value: *v, Pointer: v, value: *v, pointer: v, List: []T{*v}, Any: *v, anything: *v}
	h.inner.value = *v
	return h
}

// shown is everything that printing, encoding and logging make of the value.
func shown[T any](t *testing.T, v *T) string {
	t.Helper()
	var out bytes.Buffer
	h := hold(v)
	for _, x := range []any{v, *v, h, &h, []any{*v, v}, map[string]any{"k": *v}, h.inner, &h.value} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d", "%o", "%b", "%c", "%U"} {
			fmt.Fprintf(&out, verb+"\n", x)
		}
		b, err := json.Marshal(x)
		if err != nil {
			t.Error(err)
		}
		out.Write(b)
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(handler).Info("key", "k", x, slog.Group("g", "k", x))
		}
	}
	return out.String()
}

// check looks for four bytes in a row of the secret in any usual form.
func check(t *testing.T, name, text string, secret []byte) {
	t.Helper()
	lower := strings.ToLower(text)
	for i := 0; i+4 <= len(secret); i++ {
		part := secret[i : i+4]
		forms := map[string]string{"raw": string(part), "hex": hex.EncodeToString(part)}
		for base, format := range map[int]string{10: "%d", 8: "%o", 2: "%b", 16: "0x%x"} {
			var words []string
			for _, c := range part {
				words = append(words, fmt.Sprintf(format, c))
			}
			forms["list in base "+strconv.Itoa(base)] = strings.Join(words, " ")
			forms["Go list in base "+strconv.Itoa(base)] = strings.Join(words, ", ")
		}
		for form, want := range forms {
			if strings.Contains(text, want) || form != "raw" && strings.Contains(lower, want) {
				t.Fatalf("%s: bytes %d to %d of the secret are printed (%s)", name, i, i+4, form)
			}
		}
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		for shift := range 3 { // the text depends on the place
			if s := enc.EncodeToString(secret[shift : shift+12]); strings.Contains(text, s) {
				t.Fatalf("%s: the secret is printed in base64", name)
			}
		}
	}
}

// There is no secret byte in anything that printing makes of a key.
func TestSecretsAreNotPrinted(t *testing.T) {
	// Bytes that do not stand in small numbers or in addresses.
	secret := bytes.Repeat([]byte{0xd3, 0xb7, 0x95, 0xe9, 0xcb, 0xf1, 0xa7}, 9)
	x25519, err1 := key.X25519FromRaw(secret[:32])
	x448, err2 := key.X448FromRaw(secret[:56])
	ed25519, err3 := key.Ed25519FromSeed(secret[:32])
	ed448, err4 := key.Ed448FromSeed(secret[:57])
	boxKey, err5 := box.NewKey(secret[:32])
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || err5 != nil {
		t.Fatal("keys from raw bytes")
	}
	check(t, "X25519", shown(t, x25519), secret)
	check(t, "X448", shown(t, x448), secret)
	check(t, "Ed25519", shown(t, ed25519), secret)
	check(t, "Ed448", shown(t, ed448), secret)
	check(t, "box key", shown(t, boxKey), secret)

	// The chain's key is known by what it gives out first.
	chain, _ := box.ChainInit(nil, secret)
	check(t, "chain", shown(t, chain), box.HKDF(nil, secret, "SimpleXSbChainInit", 64)[:32])
}

func TestMarks(t *testing.T) {
	k := key.GenerateEd25519()
	mark := fmt.Sprint(k)
	if !strings.HasPrefix(mark, "ed25519-private:") || len(mark) != len("ed25519-private:")+8 {
		t.Errorf("mark %q", mark)
	}
	if again, err := key.ParsePrivate(k.AppendPKCS8(nil)); err != nil || fmt.Sprintf("%#v", again) != mark {
		t.Errorf("the same key has mark %#v (%v)", again, err)
	}
	if s := fmt.Sprintf("%x", box.RandomKey()); s != "box-key" {
		t.Error(s)
	}
	for _, none := range []any{(*key.Ed25519Private)(nil), (*box.Key)(nil), (*box.Chain)(nil)} {
		if s := fmt.Sprint(none); s != "<nil>" {
			t.Errorf("nil is printed as %q", s)
		}
	}
}
