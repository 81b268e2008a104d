package agent

import (
	"reflect"
	"testing"
	"time"
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
