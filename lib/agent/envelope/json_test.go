package envelope

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/link"
)

// The functions below write messages as the vectors do.

type object = map[string]any

func hexOf[T ~[]byte | ~string](b T) string { return hex.EncodeToString([]byte(b)) }

func serverJSON(s smp.ServerAddr) object {
	return object{"hosts": s.Hosts, "port": s.Port, "key_hash": hexOf(s.KeyHash)}
}

func keyJSON(k key.Public) object {
	return object{"alg": k.Alg().String(), "raw": hexOf(k.Raw()), "spki_der": hexOf(k.AppendSPKI(nil))}
}

func queueJSON(q link.Queue) object {
	o := object{
		"server": serverJSON(q.Server), "sender_id": hexOf(q.SenderID), "dh_public_key": keyJSON(q.DHKey), "queue_mode": nil,
	}
	if q.Mode != 0 {
		o["queue_mode"] = q.Mode.String()
	}
	return o
}

func infoJSON(q link.QueueInfo) object {
	o := queueJSON(q.Queue)
	o["client_version"] = q.Version
	return o
}

func uriJSON(q link.QueueURI) object {
	o := queueJSON(q.Queue)
	o["client_version_range"] = []any{q.Versions.Min, q.Versions.Max}
	return o
}

func addrJSON(a QueueAddr) object {
	return object{"server": serverJSON(a.Server), "sender_id": hexOf(a.SenderID)}
}

func listJSON[T any](items []T, one func(T) object) (out []object) {
	for _, i := range items {
		out = append(out, one(i))
	}
	return out
}

func messageJSON(m AMessage) object {
	switch m := m.(type) {
	case Hello:
		return object{"type": "HELLO"}
	case AMsg:
		return object{"type": "A_MSG", "body": hexOf(m.Body)}
	case Rcvd:
		return object{"type": "A_RCVD", "receipts": listJSON(m.Receipts, func(r Receipt) object {
			return object{"agent_msg_id": r.ID, "msg_hash": hexOf(r.Hash), "receipt_info": hexOf(r.Info)}
		})}
	case QCont:
		return object{"type": "A_QCONT", "queue": addrJSON(m.Queue)}
	case QAdd:
		return object{"type": "QADD", "queues": listJSON(m.Queues, func(q NewQueue) object {
			o := object{"queue": uriJSON(q.Queue), "replaces": nil}
			if q.Replaces != nil {
				o["replaces"] = addrJSON(*q.Replaces)
			}
			return o
		})}
	case QKey:
		return object{"type": "QKEY", "queues": listJSON(m.Queues, func(q QueueKey) object {
			return object{"queue": infoJSON(q.Queue), "sender_key": keyJSON(q.Key)}
		})}
	case QUse:
		return object{"type": "QUSE", "queues": listJSON(m.Queues, func(q ReadyQueue) object {
			return object{"queue": addrJSON(q.Queue), "primary": q.Primary}
		})}
	case QTest:
		return object{"type": "QTEST", "queues": listJSON(m.Queues, addrJSON)}
	case Ready:
		return object{"type": "EREADY", "last_decrypted_snd_msg_id": m.LastID}
	}
	return object{"type": fmt.Sprintf("%T", m)}
}

func plainJSON(p Plain) object {
	switch p := p.(type) {
	case ConnInfo:
		return object{"type": "AgentConnInfo (I)", "conn_info": hexOf(p.Info)}
	case ConnInfoReply:
		return object{"type": "AgentConnInfoReply (D)", "reply_queues": listJSON(p.Queues, infoJSON), "conn_info": hexOf(p.Info)}
	case RatchetInfo:
		return object{"type": "AgentRatchetInfo (R)", "info": hexOf(p.Info)}
	case AgentMessage:
		return object{"type": "AgentMessage (M)", "snd_msg_id": p.ID, "prev_msg_hash": hexOf(p.PrevHash), "message": messageJSON(p.Message)}
	}
	return object{"type": fmt.Sprintf("%T", p)}
}

// same compares got with JSON text.
func same(t *testing.T, got any, want json.RawMessage) {
	t.Helper()
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	value := generic(t, want)
	loseModes(value)
	if !reflect.DeepEqual(generic(t, text), value) {
		t.Errorf("decoded to\n%s\nwant\n%s", text, want)
	}
}

func generic(t *testing.T, text []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// loseModes takes away the queue modes that the binary form does not carry:
// below version 3, and contact mode below version 4 or in a range that begins
// below version 3.
func loseModes(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			loseModes(item)
		}
	case map[string]any:
		number := func(v any) int64 {
			s, _ := v.(json.Number)
			n, _ := s.Int64()
			return n
		}
		mode, lost := v["queue_mode"], false
		if r, ok := v["client_version_range"].([]any); ok {
			lost = mode == "messaging" && number(r[1]) < 3 || mode == "contact" && number(r[0]) < 3
		} else if n := number(v["client_version"]); n > 0 {
			lost = mode == "messaging" && n < 3 || mode == "contact" && n < 4
		}
		if lost {
			v["queue_mode"] = nil
		}
		for _, item := range v {
			loseModes(item)
		}
	}
}
