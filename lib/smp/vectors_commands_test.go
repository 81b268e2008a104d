package smp

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// fields reads the members of a value; every one must be asked for.
type fields struct {
	t    *testing.T
	m    map[string]json.RawMessage
	used map[string]bool
}

func fieldsOf(t *testing.T, raw json.RawMessage) *fields {
	t.Helper()
	f := &fields{t: t, used: map[string]bool{}}
	if err := json.Unmarshal(raw, &f.m); err != nil {
		t.Fatal(err)
	}
	return f
}

func get[T any](f *fields, name string) (v T) {
	f.t.Helper()
	raw, ok := f.m[name]
	if !ok {
		f.t.Fatalf("no field %q", name)
	}
	f.used[name] = true
	if err := json.Unmarshal(raw, &v); err != nil {
		f.t.Fatalf("field %q: %v", name, err)
	}
	return v
}

func (f *fields) bytes(name string) []byte { return get[vectors.Hex](f, name) }

func (f *fields) sub(name string) *fields {
	f.t.Helper()
	raw := get[json.RawMessage](f, name)
	if string(raw) == "null" {
		return nil
	}
	return fieldsOf(f.t, raw)
}

func (f *fields) public(name string) key.Public {
	f.t.Helper()
	k, err := key.ParsePublic(get[vectors.PublicKey](f, name).DER)
	if err != nil {
		f.t.Fatal(err)
	}
	return k
}

func (f *fields) x25519(name string) key.X25519Public { return f.public(name).(key.X25519Public) }

func (f *fields) auth(name string) *BasicAuth {
	if s := get[*string](f, name); s != nil {
		return new(BasicAuth(*s))
	}
	return nil
}

func (f *fields) linkData(name string) LinkData {
	d := f.sub(name)
	return LinkData{d.bytes("enc_fixed_data"), d.bytes("enc_user_data")}
}

func (f *fields) mode(name string) QueueMode {
	s := get[*string](f, name)
	switch {
	case s == nil:
		return 0
	case strings.Contains(*s, "messaging"):
		return Messaging
	case strings.Contains(*s, "contact"):
		return Contact
	}
	f.t.Fatalf("mode %q", *s)
	return 0
}

func (f *fields) done(ignore ...string) {
	f.t.Helper()
	for _, name := range ignore {
		f.used[name] = true
	}
	for name := range f.m {
		if !f.used[name] {
			f.t.Errorf("field %q is not used", name)
		}
	}
}

func newOf(f *fields) NEW {
	c := NEW{AuthKey: f.public("rcv_auth_key"), DHKey: f.x25519("rcv_dh_key"), BasicAuth: f.auth("basic_auth")}
	switch s := get[string](f, "sub_mode"); s[0] {
	case 'S':
	case 'C':
		c.Create = true
	default:
		f.t.Fatalf("sub_mode %q", s)
	}
	if q := f.sub("queue_req_data"); q != nil {
		c.Queue = &QueueReq{Mode: q.mode("mode")}
		if d := q.sub("data"); d != nil {
			c.Queue.Data = &QueueReqData{SenderID: SenderID(d.bytes("sender_id")), Data: d.linkData("link_data")}
			if c.Queue.Mode == Contact {
				c.Queue.Data.LinkID = LinkID(d.bytes("link_id"))
			}
			d.done("link_id")
		}
	}
	if n := f.sub("ntf_creds"); n != nil {
		c.NtfCreds = &NtfReq{n.public("ntf_auth_key"), n.x25519("ntf_dh_key")}
	}
	return c
}

var commandOf = map[string]func(f *fields) Command{
	"NEW":   func(f *fields) Command { return newOf(f) },
	"SUB":   func(*fields) Command { return SUB{} },
	"SUBS":  func(*fields) Command { return SUBS{} },
	"KEY":   func(f *fields) Command { return KEY{f.public("sender_key")} },
	"RKEY":  rkeyOf,
	"LSET":  func(f *fields) Command { return LSET{LinkID(f.bytes("link_id")), f.linkData("link_data")} },
	"LDEL":  func(*fields) Command { return LDEL{} },
	"NKEY":  func(f *fields) Command { return NKEY{NtfReq{f.public("ntf_auth_key"), f.x25519("rcv_ntf_dh_key")}} },
	"NDEL":  func(*fields) Command { return NDEL{} },
	"GET":   func(*fields) Command { return GET{} },
	"ACK":   func(f *fields) Command { return ACK{MsgID(f.bytes("msg_id"))} },
	"OFF":   func(*fields) Command { return OFF{} },
	"DEL":   func(*fields) Command { return DEL{} },
	"QUE":   func(*fields) Command { return QUE{} },
	"SKEY":  func(f *fields) Command { return SKEY{f.public("sender_key")} },
	"SEND":  func(f *fields) Command { return SEND{MsgFlags{get[bool](f, "notification")}, f.bytes("body")} },
	"PING":  func(*fields) Command { return PING{} },
	"LKEY":  func(f *fields) Command { return LKEY{f.public("sender_key")} },
	"LGET":  func(*fields) Command { return LGET{} },
	"NSUB":  func(*fields) Command { return NSUB{} },
	"NSUBS": func(*fields) Command { return NSUBS{} },
	"PRXY":  prxyOf,
	"PFWD": func(f *fields) Command {
		return PFWD{get[wire.Version](f, "fwd_version"), f.x25519("key"), f.bytes("enc_transmission")}
	},
	"RFWD": func(f *fields) Command { return RFWD{f.bytes("enc_fwd_transmission")} },
}

func rkeyOf(f *fields) Command {
	var c RKEY
	for _, k := range get[[]vectors.PublicKey](f, "recipient_keys") {
		p, err := key.ParsePublic(k.DER)
		if err != nil {
			f.t.Fatal(err)
		}
		c.Keys = append(c.Keys, p)
	}
	return c
}

func prxyOf(f *fields) Command {
	text := get[string](f, "server")
	a, err := ParseServerAddr(text)
	if err != nil {
		f.t.Fatal(err)
	}
	want := ServerAddr{"", get[[]string](f, "hosts"), get[string](f, "port"), Fingerprint(f.bytes("key_hash"))}
	if !a.Equal(want) || a.String() != text {
		f.t.Errorf("%q parses as %v, want %v", text, a, want)
	}
	return PRXY{a, f.auth("basic_auth")}
}

var messageOf = map[string]func(f *fields) Message{
	"IDS":  idsOf,
	"LNK":  func(f *fields) Message { return LNK{SenderID(f.bytes("sender_id")), f.linkData("link_data")} },
	"SOK":  func(f *fields) Message { return SOK{ServiceID(f.bytes("service_id"))} },
	"SOKS": func(f *fields) Message { return SOKS{get[int64](f, "count")} },
	"ENDS": func(f *fields) Message { return ENDS{get[int64](f, "count")} },
	"MSG":  func(f *fields) Message { return MSG{MsgID(f.bytes("msg_id")), f.bytes("enc_body")} },
	"NID": func(f *fields) Message {
		return NID{NtfIDs{NotifierID(f.bytes("notifier_id")), f.x25519("srv_ntf_dh_key")}}
	},
	"NMSG": func(f *fields) Message { return NMSG{box.Nonce(f.bytes("nonce")), f.bytes("enc_nmsg_meta")} },
	"PKEY": pkeyOf,
	"RRES": func(f *fields) Message { return RRES{f.bytes("enc_fwd_response")} },
	"PRES": func(f *fields) Message { return PRES{f.bytes("enc_response")} },
	"END":  func(*fields) Message { return END{} },
	"DELD": func(*fields) Message { return DELD{} },
	"OK":   func(*fields) Message { return OK{} },
	"PONG": func(*fields) Message { return PONG{} },
	"INFO": func(f *fields) Message { return INFO{get[QueueInfo](f, "queue_info")} },
	"ERR":  errOf,
}

func idsOf(f *fields) Message {
	m := IDS{RecipientID: RecipientID(f.bytes("rcv_id")), SenderID: SenderID(f.bytes("snd_id")),
		DHKey: f.x25519("srv_dh_key"), Mode: f.mode("queue_mode"), LinkID: LinkID(f.bytes("link_id")),
		ServiceID: ServiceID(f.bytes("service_id"))}
	if n := f.sub("ntf_creds"); n != nil {
		m.NtfCreds = &NtfIDs{NotifierID(n.bytes("notifier_id")), n.x25519("srv_ntf_dh_key")}
	}
	return m
}

func pkeyOf(f *fields) Message {
	c := f.sub("cert_chain_pub_key")
	vr := get[[2]wire.Version](f, "version_range")
	m := PKEY{SessionID: EntityID(f.bytes("session_id")), Versions: wire.VersionRange{Min: vr[0], Max: vr[1]}}
	for _, cert := range get[[]vectors.Hex](c, "cert_chain_der_leaf_first") {
		m.Key.Chain = append(m.Key.Chain, cert)
	}
	m.Key.SignedKey = c.bytes("signed_pub_key_der")
	k, err := m.Key.VerifyServer(Fingerprint(f.bytes("key_hash")), nil)
	if err != nil || k != f.x25519("signed_key") {
		f.t.Errorf("signed key: %v", err)
	}
	leaf, err := key.ParsePrivate(get[vectors.PrivateKey](f, "leaf_private_key").DER)
	if err != nil {
		f.t.Fatal(err)
	}
	again, err := SignKey(m.Key.Chain, leaf.(key.SignKey), k)
	if err != nil || !bytes.Equal(again.SignedKey, m.Key.SignedKey) {
		f.t.Errorf("signed again: %x, want %x: %v", again.SignedKey, m.Key.SignedKey, err)
	}
	if _, err := m.Key.VerifyServer(Fingerprint("other"), nil); !errors.Is(err, ErrHandshakeBadAuth) {
		f.t.Errorf("another identity: %v", err)
	}
	return m
}

func errOf(f *fields) Message {
	var e *Error
	raw := get[json.RawMessage](f, "error_json")
	if err := json.Unmarshal(raw, &e); err != nil {
		f.t.Fatal(err)
	}
	if text := get[string](f, "error"); e.String() != text {
		f.t.Errorf("text %q, want %q", e, text)
	}
	back, err := json.Marshal(e)
	if err != nil || !sameJSON(f.t, back, raw) {
		f.t.Errorf("JSON %s, want %s: %v", back, raw, err)
	}
	return ERR{e}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

type encodedCase struct {
	Kind, Name, Party string
	Versions          []wire.Version
	Fields            json.RawMessage
	Hex               vectors.Hex
	Same              []bool `json:"decodes_to_same_value"`
	Why, Result       string
	Again             vectors.Hex `json:"reencoded_hex"`
}

// codec is the same test for commands and messages.
type codec[T any] struct {
	of     map[string]func(f *fields) T
	append func([]byte, wire.Version, T) []byte
	parse  func(wire.Version, []byte) (T, error)
}

func (c codec[T]) encoded(t *testing.T, v encodedCase) T {
	make, ok := c.of[v.Name]
	if !ok {
		t.Fatalf("unknown name %q", v.Name)
	}
	f := fieldsOf(t, v.Fields)
	want := make(f)
	f.done()
	for i, version := range v.Versions {
		if got := c.append(nil, version, want); !bytes.Equal(got, v.Hex) {
			t.Fatalf("v%d: encodes to\n%x, want\n%x", version, got, []byte(v.Hex))
		}
		got, err := c.parse(version, v.Hex)
		if err != nil {
			t.Fatalf("v%d: %v", version, err)
		}
		if again := c.append(nil, version, got); !bytes.Equal(again, v.Hex) {
			t.Fatalf("v%d: encodes again to\n%x, want\n%x", version, again, []byte(v.Hex))
		}
		if same := equal(got, want); same != v.Same[i] {
			t.Errorf("v%d: decodes to the same value: %v, want %v:\n%#v\n%#v", version, same, v.Same[i], got, want)
		}
	}
	return want
}

// equal compares as the reference does: nil and empty slices are the same.
func equal(a, b any) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	if x.Type() != y.Type() {
		return false
	}
	if m, ok := a.(ERR); ok {
		// The details of NETWORK are no part of the text, but of the value.
		i, _ := json.Marshal(m.Err)
		j, _ := json.Marshal(b.(ERR).Err)
		return bytes.Equal(i, j)
	}
	for i := range x.NumField() {
		if f := x.Field(i); f.Kind() == reflect.Slice && f.Len() == 0 && y.Field(i).Len() == 0 {
			continue
		}
		if s, ok := x.Field(i).Interface().(LinkData); ok {
			if o := y.Field(i).Interface().(LinkData); !bytes.Equal(s.Fixed, o.Fixed) || !bytes.Equal(s.User, o.User) {
				return false
			}
			continue
		}
		if !reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			return false
		}
	}
	return true
}

func (c codec[T]) decodeOnly(t *testing.T, v encodedCase) {
	for _, version := range v.Versions {
		got, err := c.parse(version, v.Hex)
		if refused, ok := strings.CutPrefix(v.Result, "ERR "); ok && v.Again == nil {
			var e *Error
			if !errors.As(err, &e) || e.String() != refused {
				t.Errorf("v%d, %s: %v, want %s", version, v.Why, err, refused)
			}
			continue
		}
		if err != nil {
			t.Errorf("v%d, %s: %v", version, v.Why, err)
		} else if again := c.append(nil, version, got); !bytes.Equal(again, v.Again) {
			t.Errorf("v%d, %s: encodes again to\n%x, want\n%x", version, v.Why, again, []byte(v.Again))
		}
	}
}

func TestCommandsVector(t *testing.T) {
	commands := codec[Command]{commandOf, AppendCommand, ParseCommand}
	messages := codec[Message]{messageOf, AppendMessage, ParseMessage}
	seen := map[string]bool{}
	f := vectors.Load(t, "smp_commands.json")
	f.Run(t, func(t *testing.T, c vectors.Case) {
		var v encodedCase
		c.Decode(t, &v)
		switch v.Kind {
		case "command":
			got := commands.encoded(t, v)
			if got.Tag() != v.Name || got.Party().String() != v.Party {
				t.Errorf("tag %s of %v, want %s of %s", got.Tag(), got.Party(), v.Name, v.Party)
			}
		case "broker_message":
			if got := messages.encoded(t, v); got.Tag() != v.Name {
				t.Errorf("tag %s, want %s", got.Tag(), v.Name)
			}
		case "decode_only_command":
			commands.decodeOnly(t, v)
		case "decode_only_broker_message":
			messages.decodeOnly(t, v)
		default:
			t.Fatalf("unknown kind %q", v.Kind)
		}
		seen[v.Name] = true
	})
	for name := range commandOf {
		if !seen[name] {
			t.Errorf("no case for command %s", name)
		}
	}
	for name := range messageOf {
		if !seen[name] {
			t.Errorf("no case for message %s", name)
		}
	}
}
