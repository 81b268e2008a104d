package markdown

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// cases are texts with what SimpleX Chat makes of them; "null" is nothing.
var cases = []struct{ text, want string }{
	{"#not closed *bold _nested_ inside* __", `null`},
	{"*bold* _italic_ ~strike~ `code` #secret# !1 red! !2 green! !3 blue! !4 yellow! !5 cyan! !6 magenta!", `[{"format":{"type":"bold"},"text":"bold"},{"text":" "},{"format":{"type":"italic"},"text":"italic"},{"text":" "},{"format":{"type":"strikeThrough"},"text":"strike"},{"text":" "},{"format":{"type":"snippet"},"text":"code"},{"text":" "},{"format":{"type":"secret"},"text":"secret"},{"text":" "},{"format":{"type":"colored","color":"red"},"text":"red"},{"text":" "},{"format":{"type":"colored","color":"green"},"text":"green"},{"text":" "},{"format":{"type":"colored","color":"blue"},"text":"blue"},{"text":" "},{"format":{"type":"colored","color":"yellow"},"text":"yellow"},{"text":" "},{"format":{"type":"colored","color":"cyan"},"text":"cyan"},{"text":" "},{"format":{"type":"colored","color":"magenta"},"text":"magenta"}]`},
	{"/help", `[{"format":{"type":"command","commandStr":"help"},"text":"/help"}]`},
	{"/x", `[{"format":{"type":"command","commandStr":"x"},"text":"/x"}]`},
	{"I can help with /order 1 and /'order all'", `[{"text":"I can help with "},{"format":{"type":"command","commandStr":"order"},"text":"/order"},{"text":" 1 and "},{"format":{"type":"command","commandStr":"order all"},"text":"/'order all'"}]`},
	{"Welcome to the bot!\nSend /help", `[{"text":"Welcome to the bot!\nSend "},{"format":{"type":"command","commandStr":"help"},"text":"/help"}]`},
	{"Welcome to the team!", `null`},
	{"Welcome, dear member!", `null`},
	{"[link text](https://example.com/x) !! `a b` ``", "[{\"format\":{\"type\":\"hyperLink\",\"showText\":\"link text\",\"linkUri\":\"https://example.com/x\"},\"text\":\"[link text](https://example.com/x)\"},{\"text\":\" !! \"},{\"format\":{\"type\":\"snippet\"},\"text\":\"a b\"},{\"text\":\" ``\"}]"},
	{"first\nsecond *line*\n", `[{"text":"first\nsecond "},{"format":{"type":"bold"},"text":"line"}]`},
	{"https://127.0.0.1/i#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", `[{"format":{"type":"simplexLink","linkType":"invitation","simplexUri":"simplex:/i#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA?h=127.0.0.1","smpHosts":["127.0.0.1"]},"text":"https://127.0.0.1/i#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]`},
	{"https://simplex.chat", `[{"format":{"type":"uri"},"text":"https://simplex.chat"}]`},
	{"link https://simplex.chat/path?x=1#frag, mail chat@simplex.chat phone +441234567890 http://localhost:8080 simplex.chat", `[{"text":"link "},{"format":{"type":"uri"},"text":"https://simplex.chat/path?x=1#frag"},{"text":", mail "},{"format":{"type":"email"},"text":"chat@simplex.chat"},{"text":" phone "},{"format":{"type":"phone"},"text":"+441234567890"},{"text":" http://localhost:8080 "},{"format":{"type":"uri"},"text":"simplex.chat"}]`},
	{"mention @alice @'two words' and /command and /'long command with args'", `[{"text":"mention "},{"format":{"type":"mention","memberName":"alice"},"text":"@alice"},{"text":" "},{"format":{"type":"mention","memberName":"two words"},"text":"@'two words'"},{"text":" and "},{"format":{"type":"command","commandStr":"command"},"text":"/command"},{"text":" and "},{"format":{"type":"command","commandStr":"long command with args"},"text":"/'long command with args'"}]`},
	{"normal link https://simplex.chat", `[{"text":"normal link "},{"format":{"type":"uri"},"text":"https://simplex.chat"}]`},
	{"see https://simplex.chat", `[{"text":"see "},{"format":{"type":"uri"},"text":"https://simplex.chat"}]`},
	{"Привет 🎉 *жирный*", `[{"text":"Привет 🎉 "},{"format":{"type":"bold"},"text":"жирный"}]`},
	{"a*b*", `null`},
	{"* a*", `null`},
	{"!red x!", `[{"format":{"type":"colored","color":"red"},"text":"x"}]`},
	{"call 12345", `null`},
	{"hi @bob, ok", `[{"text":"hi "},{"format":{"type":"mention","memberName":"bob"},"text":"@bob"},{"text":", ok"}]`},
	{"@", `null`},
	{"'", `null`},
	{"/", `null`},
	{"##secret##", `[{"format":{"type":"secret"},"text":"#secret#"}]`},
}

func TestParse(t *testing.T) {
	for _, c := range cases {
		b, err := json.Marshal(Parse(c.text))
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		if json.Unmarshal(b, &got) != nil || json.Unmarshal([]byte(c.want), &want) != nil {
			t.Fatal(c.want)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q:\n got %s\nwant %s", c.text, b, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range cases {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := 0
		for _, p := range Parse(s) {
			n += len(p.Text)
			if p.Text == "" && s != "" {
				t.Errorf("%q: an empty piece", s)
			}
		}
		if n > len(s) || strings.TrimSpace(s) == "" && n > 0 {
			t.Errorf("%q: pieces of %d bytes", s, n)
		}
	})
}
