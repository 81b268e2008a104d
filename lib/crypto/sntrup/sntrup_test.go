package sntrup

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func TestRoundTrip(t *testing.T) {
	k, err := GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseSecretKey(k.AppendRaw(nil))
	if err != nil || !again.Equal(k) {
		t.Fatalf("secret key does not survive: %v", err)
	}
	for range 20 {
		c, secret, err := k.Public().Encapsulate(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if got := k.Decapsulate(c); !bytes.Equal(got, secret) {
			t.Fatalf("decapsulated %x, want %x", got, secret)
		}
		c[mathrand.IntN(len(c))] ^= 1 << mathrand.IntN(8)
		got := k.Decapsulate(c)
		if bytes.Equal(got, secret) || !bytes.Equal(got, k.Decapsulate(c)) {
			t.Fatal("a damaged ciphertext must give one other secret")
		}
	}
}

// rngSmall makes test polynomials from rapid's bits.
var rngSmall = rapid.Custom(func(t *rapid.T) (a small) {
	src := mathrand.New(mathrand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	density := rapid.IntRange(1, 3).Draw(t, "density")
	for i := range a {
		if src.IntN(3) < density {
			a[i] = int8(src.IntN(3)) - 1
		}
	}
	return a
})

var rngRing = rapid.Custom(func(t *rapid.T) (a ring) {
	src := mathrand.New(mathrand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
	extreme := rapid.Bool().Draw(t, "extreme")
	for i := range a {
		a[i] = int16(src.IntN(q) - q12)
		if extreme {
			a[i] = int16(q12 * (2*src.IntN(2) - 1))
		}
	}
	return a
})

// slowMul is the product by the definition.
func slowMul(a, b []int16) (out [p]int64) {
	var prod [2 * p]int64
	for i, x := range a {
		for j, y := range b {
			prod[i+j] += int64(x) * int64(y)
		}
	}
	copy(out[:], prod[:p])
	for i := p; i < 2*p-1; i++ {
		out[i-p] += prod[i]
		out[i-p+1] += prod[i]
	}
	return out
}

// centred is x mod m between -m/2 and m/2, m odd.
func centred(x, m int64) int64 {
	x = (x%m + m) % m
	if x > m/2 {
		x -= m
	}
	return x
}

func TestMul(t *testing.T) {
	check := func(t *rapid.T, a ring, b small) {
		wide := b.wide()
		want, got := slowMul(a[:], wide[:]), mulSmall(&a, &b)
		for i, x := range want {
			if int64(got[i]) != centred(x, q) {
				t.Fatalf("coefficient %d mod q: %d, want %d", i, got[i], centred(x, q))
			}
		}
		var as small
		for i, x := range a {
			as[i] = freeze3(int32(x))
		}
		wideA := as.wide()
		want = slowMul(wideA[:], wide[:])
		for i, x := range mul3(&as, &b) {
			if int64(x) != centred(want[i], 3) {
				t.Fatalf("coefficient %d mod 3: %d, want %d", i, x, centred(want[i], 3))
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) { check(t, rngRing.Draw(t, "a"), rngSmall.Draw(t, "b")) })
	rapid.Check(t, func(t *rapid.T) { // the largest sums there are
		var a ring
		var b small
		sign := int16(2*rapid.IntRange(0, 1).Draw(t, "sign") - 1)
		for i := range a {
			a[i], b[i] = q12*sign, 1
		}
		check(t, a, b)
	})
}

func TestInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rngSmall.Draw(t, "a")
		if a == (small{}) {
			t.Skip()
		}
		third := inverseThird(&a)
		for i, x := range mulSmall(&third, &a) {
			if centred(3*int64(x), q) != one(i) {
				t.Fatalf("3·a·(1/3a) has %d at %d", x, i)
			}
		}
		inv, ok := inverse3(&a)
		if !ok {
			return
		}
		for i, x := range mul3(&inv, &a) {
			if int64(x) != one(i) {
				t.Fatalf("a·(1/a) mod 3 has %d at %d", x, i)
			}
		}
	})
	if _, ok := inverse3(&small{}); ok {
		t.Error("zero has an inverse mod 3")
	}
	if _, ok := inverse3(&small{1}); !ok {
		t.Error("1 has no inverse mod 3")
	}
}

func one(i int) int64 {
	if i == 0 {
		return 1
	}
	return 0
}

func TestReductions(t *testing.T) {
	for x := int32(-1 << 23); x < 1<<23; x += 7 {
		if got := int64(freezeQ(x)); got != centred(int64(x), q) {
			t.Fatalf("freezeQ(%d) = %d", x, got)
		}
		if got := int64(freeze3(x)); got != centred(int64(x), 3) {
			t.Fatalf("freeze3(%d) = %d", x, got)
		}
	}
	const limit = 18400
	for x := uint64(0); x <= 2*limit*q; x += 101 {
		pairs := reducePair(x<<32 | (2*limit*q - x))
		hi, lo := pairs>>32, pairs&lane
		if hi >= limit || hi%q != x%q || lo >= limit || lo%q != (2*limit*q-x)%q {
			t.Fatalf("reducePair(%d, %d) = %d, %d", x, 2*limit*q-x, hi, lo)
		}
	}
	for x := uint64(0); x < 1<<28; x += 1009 {
		if modq(x) != x%q {
			t.Fatalf("modq(%d) = %d", x, modq(x))
		}
	}
	for x := uint64(1); x < q; x++ {
		if modq(x*inverseScalar(x)) != 1 {
			t.Fatalf("1/%d = %d", x, inverseScalar(x))
		}
	}
	for x := uint64(0); x < 3<<48; x += 1<<36 + 12345 {
		if r := reduce(x); r >= 2*prime || uint64(r)%prime != x%prime {
			t.Fatalf("reduce(%d) = %d", x, r)
		}
	}
}

func TestSort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a [p]uint32
		src := mathrand.New(mathrand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))
		limit := rapid.SampledFrom([]uint32{1, 2, 10, 1 << 31, 1<<32 - 1}).Draw(t, "limit")
		for i := range a {
			a[i] = src.Uint32N(limit)
		}
		want := a
		slices.Sort(want[:])
		sort(&a)
		if a != want {
			t.Fatal("not sorted")
		}
	})
}

func TestRandomShort(t *testing.T) {
	a, err := randomShort(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weight := 0
	for _, x := range a {
		weight += int(x & 1)
	}
	if weight != w {
		t.Fatalf("weight %d, want %d", weight, w)
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("no randomness")
	if _, err := GenerateKey(iotest.ErrReader(cause)); !errors.Is(err, cause) {
		t.Errorf("GenerateKey: %v", err)
	}
	if _, _, err := new(PublicKey).Encapsulate(iotest.ErrReader(cause)); !errors.Is(err, cause) {
		t.Errorf("Encapsulate: %v", err)
	}
	for _, n := range []int{0, 1, 2000} {
		b := make([]byte, n)
		_, err1 := ParsePublicKey(b)
		_, err2 := ParseSecretKey(b)
		_, err3 := ParseCiphertext(b)
		for _, err := range []error{err1, err2, err3} {
			if !errors.Is(err, ErrSize) {
				t.Errorf("%d bytes: %v", n, err)
			}
		}
	}
}

func TestSecretKeyDoesNotPrint(t *testing.T) {
	k, _ := ParseSecretKey(bytes.Repeat([]byte{0xd7}, SecretKeySize))
	text := fmt.Sprintf("%v %+v %#v %s %x %d %q", k, k, k, k, k, k, k)
	j, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	if text = strings.ToLower(text + string(j)); strings.Contains(text, "d7d7") || strings.Contains(text, "215") {
		t.Errorf("prints its bytes: %s", text)
	}
	if k.Wipe(); !bytes.Equal(k.AppendRaw(nil), make([]byte, SecretKeySize)) {
		t.Error("not wiped")
	}
}
