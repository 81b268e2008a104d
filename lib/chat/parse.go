package chat

import (
	"context"
	"encoding/json"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xmsg"
)

// runner executes a command that was read.
type runner func(ctx context.Context, c *Core) (api.Response, error)

// A syntax is one form of a command: what it begins with, and how the rest is
// read. read returns nil, or leaves something, when it is another command.
type syntax struct {
	word string
	read func(*args) runner
}

// parseCommand reads a command. The form with the longest beginning that fits
// all of it is taken.
func parseCommand(s string) (runner, bool) {
	s = strings.TrimRight(s, " \t\r\n")
	for _, x := range syntaxes {
		if rest, ok := strings.CutPrefix(s, x.word); ok {
			a := &args{s: rest}
			if run := x.read(a); run != nil && a.done() {
				return run, true
			}
		}
	}
	return nil, false
}

var syntaxes = func() []syntax {
	all := slices.Concat(userSyntax, privacySyntax, verifySyntax, syncSyntax, relaySyntax, settingSyntax, reactionSyntax, chatSyntax, connectSyntax, addressSyntax, requestSyntax, itemSyntax, absentSyntax)
	sort.SliceStable(all, func(i, j int) bool { return len(all[i].word) > len(all[j].word) })
	return all
}()

// args reads the arguments of a command from the left. After the first that is
// not as it should be, bad is set and everything reads as empty.
type args struct {
	s   string
	bad bool
}

func (a *args) done() bool { return !a.bad && a.s == "" }

func (a *args) fail() { a.bad, a.s = true, "" }

// lit takes s if it is next.
func (a *args) lit(s string) bool {
	rest, ok := strings.CutPrefix(a.s, s)
	if ok {
		a.s = rest
	}
	return ok
}

// need takes s, which must be next.
func (a *args) need(s string) {
	if !a.lit(s) {
		a.fail()
	}
}

func (a *args) int() int64 {
	n := 0
	for n < len(a.s) && a.s[n] >= '0' && a.s[n] <= '9' {
		n++
	}
	v, err := strconv.ParseInt(a.s[:n], 10, 64)
	if err != nil {
		a.fail()
		return 0
	}
	a.s = a.s[n:]
	return v
}

// optInt is " N", or def if nothing is left.
func (a *args) optInt(def int64) int64 {
	if a.lit(" ") {
		return a.int()
	}
	return def
}

func (a *args) rest() string {
	s := a.s
	a.s = ""
	return s
}

// some is the rest, which must not be empty.
func (a *args) some() string {
	if a.s == "" {
		a.fail()
	}
	return a.rest()
}

func (a *args) word() string {
	w, _, _ := strings.Cut(a.s, " ")
	if w == "" {
		a.fail()
	}
	a.s = a.s[min(len(w), len(a.s)):]
	return w
}

// name is a display name, in single quotes if it has spaces.
func (a *args) name() string {
	if a.lit("'") {
		n, rest, ok := strings.Cut(a.s, "'")
		if !ok || n == "" {
			a.fail()
			return ""
		}
		a.s = rest
		return n
	}
	if a.s != "" && strings.ContainsRune("#@ ", rune(a.s[0])) {
		a.fail()
	}
	return a.word()
}

func (a *args) onOff() bool {
	if a.lit("on") {
		return true
	}
	a.need("off")
	return false
}

// flag is " key=on", " key=off", or def.
func (a *args) flag(key string, def bool) bool {
	if a.lit(" " + key + "=") {
		return a.onOff()
	}
	return def
}

func (a *args) oneOf(words ...string) string {
	for _, w := range words {
		if a.lit(w) {
			return w
		}
	}
	a.fail()
	return ""
}

// ref is a chat by kind and number: @2, #1, *1, :3.
type ref struct {
	kind byte
	id   int64
}

func (a *args) ref() ref {
	if a.s == "" || !strings.ContainsRune("@#*:", rune(a.s[0])) {
		a.fail()
		return ref{}
	}
	r := ref{kind: a.s[0]}
	a.s = a.s[1:]
	r.id = a.int()
	return r
}

// contact is the contact that the reference is to; what else there may be a
// chat with is not there.
func (r ref) contact() (api.ContactID, error) {
	switch r.kind {
	case '@':
		return api.ContactID(r.id), nil
	case '#':
		return 0, noGroup(r.id)
	case '*':
		return 0, storeError(api.StoreError{Type: "noteFolderNotFound", NoteFolderID: &r.id})
	}
	return 0, commandError("not supported")
}

func (a *args) json(v any) {
	s := a.rest()
	if json.Unmarshal([]byte(s), v) != nil {
		a.fail()
	}
}

func (a *args) ids() (ids []api.ChatItemID) {
	ids = append(ids, api.ChatItemID(a.int()))
	for a.lit(",") {
		ids = append(ids, api.ChatItemID(a.int()))
	}
	return ids
}

func (a *args) time() time.Time {
	t, err := time.Parse(time.RFC3339Nano, a.word())
	if err != nil {
		a.fail()
	}
	return t
}

// text is a message: the rest as it is, or as a JSON string.
func (a *args) text() string {
	s := a.some()
	var j string
	if strings.HasPrefix(s, `"`) && json.Unmarshal([]byte(s), &j) == nil {
		return j
	}
	return s
}

// pagination is "count=N", "before=ID count=N" and so on.
func (a *args) pagination() (p page) {
	p.kind = a.oneOf("count=", "before=", "after=", "around=", "initial=")
	p.kind = strings.TrimSuffix(p.kind, "=")
	switch p.kind {
	case "count", "initial":
		p.count = int(a.int())
	default:
		p.at = api.ChatItemID(a.int())
		a.need(" count=")
		p.count = int(a.int())
	}
	if a.lit(" search=") || a.lit(" search") {
		p.search = strings.TrimPrefix(a.rest(), " ")
	}
	return p
}

// messages are composed messages as JSON; at least one.
func (a *args) messages() (msgs []composed) {
	var list []struct {
		QuotedItemID api.ChatItemID   `json:"quotedItemId"`
		MsgContent   json.RawMessage  `json:"msgContent"`
		Mentions     map[string]int64 `json:"mentions"`
		FileSource   json.RawMessage  `json:"fileSource"`
	}
	a.json(&list)
	for _, m := range list {
		content, err := xmsg.ParseContent(m.MsgContent)
		if err != nil {
			a.fail()
			return nil
		}
		msgs = append(msgs, composed{content: content, quote: m.QuotedItemID, mentions: len(m.Mentions), file: m.FileSource != nil})
	}
	if len(msgs) == 0 {
		a.fail()
	}
	return msgs
}
