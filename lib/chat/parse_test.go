package chat

import (
	"strings"
	"testing"
)

func TestValidName(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "bob": "bob", "@x": "x", "a  b": "a b", "a'b": "ab", " a ": "a", "Алиса Ünï": "Алиса Ünï",
		"#": "", "a-b": "a-b", "a--b": "a-b", "1st": "1st", "a_b": "a_b",
	} {
		if got := validName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if n := len(validName(strings.Repeat("n", 60))); n != maxName {
		t.Errorf("%d characters", n)
	}
}

func TestCommandsThatAreNone(t *testing.T) {
	for _, s := range []string{"", "/", " /user", "/USER", "/users x", "/_get chats", "/_get chats x", "/_send @",
		"/_send @1 json", "/_send @1 json {}", "/_send @1 json []", "/_send @1 json [{}]", "/_send 1 text x",
		"/_connect", "/_connect x", "/_contacts", "/_get chat @4", "/_get chat @4 count=", "/_get chat @99999999999999999999 count=1",
		"/_delete @", "/_unread chat @4", "/set voice sometimes", "@", "@bob", "@bob ", "@'bob hi", "> @bob () x", "/c a b c",
		`/_profile 1 {"displayName":"x"}`, "/p @bad", "/_read chat", "nosuch"} {
		if _, ok := parseCommand(s); ok {
			t.Errorf("%q is a command", s)
		}
	}
}

func TestCommandsThatAre(t *testing.T) {
	for _, s := range []string{"/user\n", "/u", "/users ", "/_connect 1", "/_connect 1 incognito=off", "/c", "/c link", "/connect link short",
		"/_send @1 text hello there", `/_send @1 live=on ttl=default json [{"msgContent":{"type":"text","text":"x"},"mentions":{}}]`,
		"@bob hi there", "@'bob b' hi", `@bob "two\nlines"`, "> @bob (his) mine", ">> @bob (mine) more", "! @bob x", "! @bob (old) x",
		`\ @bob x`, "/_get chat @2 count=20", "/_get chat @2 before=7 count=5", "/_get chat @2 around=7 count=5 search=a b",
		"/_get chats 1 pcc=on count=2", "/_get chats 1 before=2020-01-01T00:00:00Z count=10", "/_contacts 1", "/contacts",
		"/_delete @1 full notify=off", "/d bob", "/_read chat @1", "/_read chat items @1 2,3", "/_set alias :1 x", "/tail", "/t @bob 3",
		"/search @bob 3 x", "/? x", "/last_item_id @bob 2", "/show on", "/show 14", "/help", "/hm", "//x",
		"/_get items count=5 search=", "/set voice @bob yes", "/set voice @bob"} {
		if _, ok := parseCommand(s); !ok {
			t.Errorf("%q is no command", s)
		}
	}
}

func FuzzParseCommand(f *testing.F) {
	for _, x := range syntaxes {
		f.Add(x.word + "@1 'a' (b) count=1")
	}
	f.Add(`/_send @1 ttl=5 json [{"msgContent":{"type":"text","text":"x"}}]`)
	f.Fuzz(func(t *testing.T, s string) {
		run, ok := parseCommand(s)
		if ok && run == nil {
			t.Fatalf("%q: a command that does nothing", s)
		}
	})
}
