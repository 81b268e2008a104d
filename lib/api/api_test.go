package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func ptr[T any](v T) *T { return &v }

var at = time.Date(2026, 11, 20, 16, 6, 31, 5e8, time.UTC)

// golden are values and the files with their JSON, which other programs rely
// on: a change of a file is a change of the API.
func golden() map[string]any {
	user := &User{UserID: 1, AgentUserID: "1", UserContactID: 1, LocalDisplayName: "alice",
		Profile: LocalProfile{ProfileID: 1, DisplayName: "alice"}, FullPreferences: &FullPreferences{Commands: []any{}}, ActiveUser: true}
	contact := &Contact{ContactID: 2, LocalDisplayName: "bob", Profile: LocalProfile{ProfileID: 2, DisplayName: "bob"},
		ActiveConn: &Connection{ConnID: 1, AgentConnID: "eA==", PeerChatVRange: VersionRange{1, 16}, ConnStatus: "ready", CreatedAt: at},
		ChatTags:   []int64{}, CreatedAt: at, UpdatedAt: at, ChatTS: &at}
	item := AChatItem{ChatInfo: ChatInfo{Type: "direct", Contact: contact}, ChatItem: ChatItem{
		ChatDir: CIDirection{"directSnd"}, Mentions: map[string]any{}, Reactions: []CIReactionCount{},
		Meta:    CIMeta{ItemID: 8, ItemTS: at, ItemText: "hi", ItemStatus: CIStatus{Type: "sndSent", SndProgress: "complete"}, CreatedAt: at, UpdatedAt: at},
		Content: CIContent{Type: "sndMsgContent", MsgContent: MsgContent(`{"type":"text","text":"hi"}`)}}}
	return map[string]any{
		"activeUser":   Response{Type: "activeUser", User: user},
		"newChatItems": Response{Type: "newChatItems", User: user, ChatItems: []AChatItem{item}},
		"contactsList": Response{Type: "contactsList", User: user, Contacts: []Contact{}},
		"chatCmdError": Response{Type: "chatCmdError", ChatError: &ChatError{Type: "error", ErrorType: &ErrorType{Type: "commandError", Message: ptr("x")}}},
		"storeError":   Response{Type: "chatCmdError", ChatError: &ChatError{Type: "errorStore", StoreError: &StoreError{Type: "contactNotFound", ContactID: ptr(ContactID(9))}}},
		"event":        Reply{Resp: json.RawMessage(`{"type":"x"}`), Seq: 7, TS: at},
		"answer":       Reply{CorrID: ptr("1"), Resp: json.RawMessage(`{"type":"x"}`)},
		"hello":        Hello{Type: "hello", V: Version, Version: "1", Profile: "p", LastSeq: 3},
		"lagged":       Lagged{Type: "lagged", After: 1, LastSeq: 9},
		"message": RecvLine{Type: "message", V: Version, Seq: 4, Contact: "bob", ContactID: 2, ItemID: 8, MsgID: "bQ==", SentAt: at, ReceivedAt: at,
			Text: "hi", Integrity: &MsgErrorType{Type: "msgSkipped", FromMsgID: ptr(int64(2)), ToMsgID: ptr(int64(3))}},
		"sent":  SendResult{Type: "sent", ItemID: 8, MessageID: "bQ==", State: "delivered", Elapsed: 0.5},
		"error": Error{Type: "error", Code: CodeNotFound, Message: "no such contact"},
	}
}

func TestGolden(t *testing.T) {
	for name, v := range golden() {
		path := filepath.Join("testdata", name+".json")
		got, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, '\n')
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got %s", name, got)
		}
		back := reflect.New(reflect.TypeOf(v))
		if err := json.Unmarshal(want, back.Interface()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		again, err := json.MarshalIndent(back.Interface(), "", "  ")
		if err != nil || !bytes.Equal(append(again, '\n'), want) {
			t.Errorf("%s: lost in reading: %s, %v", name, again, err)
		}
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	var r Response
	if err := json.Unmarshal([]byte(`{"type":"later","new":{"a":1},"user":{"userId":3,"new":1}}`), &r); err != nil || r.User.UserID != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestChatTo(t *testing.T) {
	for in, want := range map[string]ChatTo{`2`: {ContactID: 2}, `"@bob"`: {Name: "@bob"}, `{"contactId":2}`: {ContactID: 2}, `{"name":"bob"}`: {Name: "bob"}} {
		var to ChatTo
		if err := json.Unmarshal([]byte(in), &to); err != nil || to != want {
			t.Errorf("%s: %+v, %v", in, to, err)
		}
	}
	for _, in := range []string{`[]`, `true`, `{"contactId":"x"}`} {
		var to ChatTo
		if json.Unmarshal([]byte(in), &to) == nil {
			t.Errorf("%s is read as %+v", in, to)
		}
	}
}

func FuzzChatTo(f *testing.F) {
	f.Add([]byte(`"@bob"`))
	f.Add([]byte(`{"contactId":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var to ChatTo
		_ = json.Unmarshal(b, &to)
	})
}
