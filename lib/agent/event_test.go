package agent

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/link"
)

func TestIntegrity(t *testing.T) {
	for _, c := range []struct {
		prev, id       int64
		hash, said     string
		want           Verdict
		from, to, last int64
	}{
		{4, 5, "h", "h", IntegrityOK, 0, 0, 0},
		{4, 5, "h", "x", IntegrityBadHash, 0, 0, 0},
		{4, 4, "h", "h", IntegrityDuplicate, 0, 0, 0},
		{4, 2, "h", "h", IntegrityBadID, 0, 0, 4},
		{4, 8, "h", "x", IntegritySkipped, 5, 7, 0},
		{0, 1, "", "", IntegrityOK, 0, 0, 0},
	} {
		got := checkIntegrity(c.prev, c.id, []byte(c.hash), []byte(c.said))
		if want := (Integrity{c.want, c.from, c.to, c.last}); got != want {
			t.Errorf("%+v: got %v, want %v", c, got, want)
		}
	}
}

// Every event comes back from the store as it was.
func TestEventCodec(t *testing.T) {
	at := time.Unix(1_700_000_000, 0).UTC()
	for _, want := range []Event{
		Confirmation{ID: "c", Info: []byte("i"), PQ: true, Servers: []string{"s"}},
		Request{ID: "r", Info: []byte("i"), PQ: true},
		Info{Info: []byte("i")},
		Connected{PQ: true},
		Message{ID: 1, SenderID: 2, BrokerID: []byte("b"), BrokerTime: at, ReceivedAt: at, Integrity: Integrity{Verdict: IntegritySkipped, From: 1, To: 2}, Notify: true, Hash: []byte("h"), Body: []byte("x")},
		Sent{MsgID: 3, PQ: true},
		SendError{MsgID: 4, Err: &Error{Code: CodeQuota, Detail: "d", Server: "s"}, Temporary: true},
		Receipt{MsgID: 5, BadHash: true, BrokerAt: at},
		ConnError{Err: &Error{Code: CodeAuth}, Fatal: true},
		Ended{}, QueueFreed{},
		RatchetSync{State: SyncRequired, Err: &Error{Code: CodeDecrypt}},
		Switched{Receiving: true, Phase: SwitchSecured},
		Deleted{},
		LinkSet{Short: "s"}, LinkSet{Deleted: true}, LinkSet{Err: &Error{Code: CodeAuth}},
		Created{Link: Link{Full: "f", Short: "s"}}, NotifierSet{Enabled: true}, Fetched{Message: true}, Fetched{Err: &Error{Code: CodeAuth}},
	} {
		e, err := storeEvent(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := loadEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if _, err := loadEvent(&StoredEvent{Kind: "new kind"}); err == nil {
		t.Error("unknown kind read")
	}
}

// Link data comes back from the store as it was, whatever bytes are in it.
func TestStoredLinkData(t *testing.T) {
	root, k := key.GenerateEd25519(), key.GenerateEd25519().Public()
	want := LinkData{
		Data: []byte("\xff\x00data"), Direct: true, EntityID: []byte{0xff},
		Owners: []link.Owner{link.NewOwner([]byte{0xfe}, k, root)},
		Relays: []link.Short{{
			Web: true, Type: link.Relay, Key: link.Key(strings.Repeat("\xff", 32)),
			Server: smp.ServerAddr{Hosts: []string{"relay.example"}, KeyHash: smp.Fingerprint(strings.Repeat("\xf0", 32))},
		}},
	}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got LinkData
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := json.Unmarshal([]byte(`{"Data":"YQ==","Direct":true,"Owners":null,"Relays":null,"EntityID":null}`), &got); err != nil || string(got.Data) != "a" || !got.Direct {
		t.Errorf("old form: %+v, %v", got, err)
	}
	if _, err := json.Marshal(LinkData{Data: make([]byte, 70000)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("large: %v", err)
	}
}
