package relays

import "testing"

// What is read is good in a setting, and nothing else is read.
func FuzzParseProxyMode(f *testing.F) {
	for _, s := range []string{"always", "unknown", "unprotected", "never", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseProxyMode(text)
		if err != nil {
			return
		}
		if err := (Network{Proxy: m}).Check(); err != nil {
			t.Fatalf("%q is read as %q: %v", text, m, err)
		}
		if m != ProxyNever && string(m) != text {
			t.Fatalf("%q is read as %q", text, m)
		}
	})
}

func FuzzParseFallback(f *testing.F) {
	for _, s := range []string{"allow", "protected", "no", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := ParseFallback(text)
		if err != nil {
			return
		}
		if err := (Network{Fallback: b}).Check(); err != nil {
			t.Fatalf("%q is read as %q: %v", text, b, err)
		}
		if b != FallbackAllow && string(b) != text {
			t.Fatalf("%q is read as %q", text, b)
		}
	})
}
