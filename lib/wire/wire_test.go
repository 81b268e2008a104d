package wire

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestElementsRoundTrip(t *testing.T) {
	now := time.Unix(1_700_000_000, 0).UTC()
	b := AppendShort(nil, "short")
	b = AppendLarge(b, bytes.Repeat([]byte{7}, 1000))
	b = AppendUint16(b, 0x1234)
	b = AppendUint32(b, 0x12345678)
	b = AppendUint64(b, math.MaxUint64)
	b = AppendInt64(b, math.MinInt64)
	b = AppendBool(AppendBool(b, true), false)
	b = AppendTime(b, now)
	b = AppendMaybe(b, false, nil)
	b = AppendMaybe(b, true, func(b []byte) []byte { return AppendShort(b, "there") })
	b = AppendListLen(b, 2)
	b = VersionRange{6, 18}.Append(b)
	b = append(b, "WORD tail"...)

	d := NewDecoder(b)
	if string(d.Short()) != "short" || len(d.Large()) != 1000 || d.Uint16() != 0x1234 || d.Uint32() != 0x12345678 ||
		d.Uint64() != math.MaxUint64 || d.Int64() != math.MinInt64 || !d.Bool() || d.Bool() || !d.Time().Equal(now) ||
		d.Maybe() || !d.Maybe() || string(d.Short()) != "there" || d.ListLen(1) != 2 || d.VersionRange() != (VersionRange{6, 18}) {
		t.Fatal(d.Err())
	}
	if c, ok := d.Peek(); c != 'W' || !ok || d.TryLit("X") {
		t.Error("next byte")
	}
	if d.Word() != "WORD" || !d.TryLit(" ") || string(d.Bytes(2)) != "ta" {
		t.Error(d.Err())
	}
	if n := d.Len(); n != 2 || d.Offset() != len(b)-2 || d.Done() == nil {
		t.Errorf("%d bytes left at %d", n, d.Offset())
	}
	d = NewDecoder([]byte("tail"))
	if string(d.Tail()) != "tail" || d.Tail() == nil || d.Done() != nil {
		t.Error(d.Err())
	}
	if _, ok := d.Peek(); ok || d.Word() != "" {
		t.Error("something after the end")
	}
}

func TestDecoderKeepsTheFirstError(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		read func(*Decoder)
		at   int
		want string
	}{
		"byte":    {"", func(d *Decoder) { d.Byte() }, 0, "a byte"},
		"word16":  {"a", func(d *Decoder) { d.Uint16() }, 0, "a word16"},
		"word32":  {"abc", func(d *Decoder) { d.Uint32() }, 0, "a word32"},
		"int64":   {"abc", func(d *Decoder) { d.Int64() }, 0, "a word64"},
		"time":    {"abc", func(d *Decoder) { d.Time() }, 0, "a word64"},
		"short":   {"x\x05abc", func(d *Decoder) { d.Byte(); d.Short() }, 2, "short string of 5 bytes, 3 are left"},
		"large":   {"\x01\x00abc", func(d *Decoder) { d.Large() }, 2, "large string of 256 bytes"},
		"bytes":   {"ab", func(d *Decoder) { d.Bytes(3) }, 0, "3 bytes"},
		"minus":   {"ab", func(d *Decoder) { d.Bytes(-1) }, 0, "-1 bytes"},
		"bool":    {"X", func(d *Decoder) { d.Bool() }, 0, "'T' or 'F'"},
		"maybe":   {"2", func(d *Decoder) { d.Maybe() }, 0, "'0' or '1'"},
		"list":    {"\x00", func(d *Decoder) { d.ListLen(1) }, 0, "a list of at least 1 items"},
		"literal": {"ab", func(d *Decoder) { d.Lit("ac") }, 0, `"ac"`},
		"range":   {"\x00\x02\x00\x01", func(d *Decoder) { d.VersionRange() }, 0, "version range"},
		"done":    {"ab", func(d *Decoder) { d.Byte(); _ = d.Done() }, 1, "end of input, 1 bytes are left"},
		"own":     {"ab", func(d *Decoder) { d.Byte(); d.Expected("a %s", "thing") }, 1, "a thing"},
	} {
		d := NewDecoder([]byte(c.in))
		c.read(d)
		var e *SyntaxError
		if !errors.As(d.Err(), &e) || !errors.Is(d.Err(), ErrSyntax) || e.Offset != c.at || !strings.Contains(e.Expected, c.want) {
			t.Errorf("%s: %v", name, d.Err())
		}
		first := d.Err()
		if d.Short() != nil || d.Large() != nil || d.Bytes(0) != nil || d.Tail() != nil || d.Uint64() != 0 || d.Bool() || d.Maybe() ||
			d.ListLen(0) != 0 || d.Word() != "" || d.TryLit("") || !d.Time().IsZero() || d.Len() != 0 || d.VersionRange() != (VersionRange{}) {
			t.Errorf("%s: something is read after the error", name)
		}
		d.Lit("x")
		d.Fail(errors.New("later"))
		if d.Err() != first || d.Done() != first {
			t.Errorf("%s: %v replaced %v", name, d.Err(), first)
		}
	}
}

// What is read aliases the input, without room to append over what follows.
func TestResultsCannotGrowIntoTheInput(t *testing.T) {
	in := []byte("\x01abc")
	d := NewDecoder(in)
	s := d.Short()
	_ = append(s, 'X')
	if string(in) != "\x01abc" {
		t.Error("the input was changed")
	}
}

func TestTooLong(t *testing.T) {
	if CheckShort("host", 255) != nil || CheckShort("host", 256) == nil {
		t.Error("a short string has 255 bytes at most")
	}
	for name, fn := range map[string]func(){
		"short": func() { AppendShort(nil, make([]byte, 256)) },
		"large": func() { AppendLarge(nil, make([]byte, 65536)) },
		"list":  func() { AppendListLen(nil, 256) },
		"minus": func() { AppendListLen(nil, -1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			fn()
		}()
	}
}

func TestPad(t *testing.T) {
	for _, size := range []int{2, 3, 10, 100, 16384, 70000} {
		for _, n := range []int{0, 1, size - 3, size - 2} {
			if n < 0 || n > 65533 {
				continue
			}
			msg := bytes.Repeat([]byte{'m'}, n)
			got, err := Pad([]byte("x"), msg, size)
			if n+2 > size {
				if !errors.Is(err, ErrPadSize) || string(got) != "x" {
					t.Errorf("%d bytes into %d: %v", n, size, err)
				}
				continue
			}
			back, err2 := Unpad(got[1:])
			if err != nil || err2 != nil || len(got) != 1+size || !bytes.Equal(back, msg) || strings.Trim(string(got[3+n:]), "#") != "" {
				t.Errorf("%d bytes into %d: %v %v", n, size, err, err2)
			}
		}
	}
	for _, bad := range []string{"", "a", "\x00\x01", "\xff\xffabc"} {
		if _, err := Unpad([]byte(bad)); !errors.Is(err, ErrUnpad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "1234567", "\xff\xff\xff\xff\xff\xff\xff\xffab", "\x00\x00\x00\x00\x00\x00\x00\x03ab"} {
		if _, err := UnpadLong([]byte(bad)); !errors.Is(err, ErrUnpad) {
			t.Errorf("long %q: %v", bad, err)
		}
	}
	if _, err := PadLong(nil, make([]byte, 10), 17); !errors.Is(err, ErrPadSize) {
		t.Error(err)
	}
}

func TestVersionRange(t *testing.T) {
	for in, want := range map[string]VersionRange{"6-18": {6, 18}, "7": {7, 7}, "0-65535": {0, 65535}} {
		if r, err := ParseVersionRange(in); err != nil || r != want || r.String() != in {
			t.Errorf("%q: %v %v", in, r, err)
		}
	}
	for _, bad := range []string{"", "-", "5-", "-5", "6-5", "65536", "1-2-3", "a", "+1", " 1"} {
		if r, err := ParseVersionRange(bad); err == nil {
			t.Errorf("%q is read as %v", bad, r)
		}
	}
	for _, c := range []struct {
		a, b VersionRange
		v    Version
		ok   bool
	}{
		{VersionRange{6, 18}, VersionRange{4, 9}, 9, true},
		{VersionRange{6, 18}, VersionRange{18, 20}, 18, true},
		{VersionRange{6, 8}, VersionRange{9, 20}, 0, false},
	} {
		for range 2 {
			if v, ok := c.a.Compatible(c.b); ok != c.ok || ok && v != c.v {
				t.Errorf("%v and %v: %v %v", c.a, c.b, v, ok)
			}
			c.a, c.b = c.b, c.a
		}
	}
	if r := (VersionRange{6, 8}); r.Contains(5) || !r.Contains(6) || !r.Contains(8) || r.Contains(9) {
		t.Error("contains")
	}
}

func BenchmarkPad(b *testing.B) {
	buf, msg := make([]byte, 0, 16384), make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Pad(buf, msg, 16384)
	}
}
