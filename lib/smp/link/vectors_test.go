package link

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/crypto/sntrup"
	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/wire"
)

type serverCase struct {
	Hosts   []string
	Port    string
	KeyHash vectors.Hex `json:"key_hash"`
}

func (s serverCase) addr() smp.ServerAddr {
	return smp.ServerAddr{Hosts: s.Hosts, Port: s.Port, KeyHash: smp.Fingerprint(s.KeyHash)}
}

type queueCase struct {
	Versions *[2]wire.Version `json:"client_version_range"`
	Server   serverCase
	SenderID vectors.Hex       `json:"sender_id"`
	DHKey    vectors.PublicKey `json:"dh_public_key"`
	Mode     *string           `json:"queue_mode"`
}

func versions(v [2]wire.Version) wire.VersionRange { return wire.VersionRange{Min: v[0], Max: v[1]} }

func (q queueCase) queue(t *testing.T) Queue {
	t.Helper()
	k, err := key.ParseX25519(q.DHKey.DER)
	if err != nil {
		t.Fatal(err)
	}
	out := Queue{Server: q.Server.addr(), SenderID: smp.SenderID(q.SenderID), DHKey: k}
	if q.Mode != nil {
		out.Mode = map[string]smp.QueueMode{"messaging": smp.Messaging, "contact": smp.Contact}[*q.Mode]
		if out.Mode == 0 {
			t.Fatalf("mode %q", *q.Mode)
		}
	}
	return out
}

func (q queueCase) uri(t *testing.T) QueueURI {
	return QueueURI{versions(*q.Versions), q.queue(t)}
}

func equalURI(a, b QueueURI) bool { return a.Versions == b.Versions && a.Queue.Equal(b.Queue) }

// edge is a text and what it must parse as.
type edge struct {
	What, Input string
	Decoded     json.RawMessage
	Reencoded   *string
	Binary      vectors.Hex
}

func (e edge) accepted() bool { return string(e.Decoded) != "null" }

// check tells whether there is a value to compare.
func (e edge) check(t *testing.T, got string, err, want error) bool {
	t.Helper()
	if !e.accepted() {
		if !errors.Is(err, want) {
			t.Errorf("%s: %q gives %q: %v", e.What, e.Input, got, err)
		}
		return false
	}
	if err != nil || got != *e.Reencoded {
		t.Errorf("%s: %q gives\n%q, want\n%q: %v", e.What, e.Input, got, *e.Reencoded, err)
	}
	return err == nil
}

func (e edge) decode(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(e.Decoded, v); err != nil {
		t.Fatal(err)
	}
}

func checkServerAddress(t *testing.T, vc vectors.Case) {
	var c edge
	vc.Decode(t, &c)
	a, err := smp.ParseAnyServer(c.Input)
	if !c.check(t, a.String(), err, smp.ErrAddress) {
		return
	}
	var want struct {
		Protocol string
		Server   serverCase
		Password *string
	}
	c.decode(t, &want)
	addr := want.Server.addr()
	if want.Protocol != "smp" {
		addr.Scheme = want.Protocol
	}
	if !a.Equal(addr) {
		t.Errorf("%q gives %v, want %v", c.Input, a.ServerAddr, addr)
	}
	if (a.BasicAuth == nil) != (want.Password == nil) || a.BasicAuth != nil && string(*a.BasicAuth) != *want.Password {
		t.Errorf("%q has another password", c.Input)
	}
	if _, err := smp.ParseAuthServer(c.Input); (err == nil) != (want.Protocol == "smp") {
		t.Errorf("as an SMP server: %v", err)
	}
	if _, err := smp.ParseServerAddr(c.Input); (err == nil) != (want.Protocol == "smp" && want.Password == nil) {
		t.Errorf("as an SMP server without password: %v", err)
	}
}

func checkHost(t *testing.T, vc vectors.Case) {
	var c edge
	vc.Decode(t, &c)
	h, err := smp.ParseHost(c.Input)
	if !c.check(t, h, err, smp.ErrAddress) {
		return
	}
	var want string
	c.decode(t, &want)
	if smp.KindOf(h).String() != want || !bytes.Equal(wire.AppendShort(nil, h), c.Binary) {
		t.Errorf("%q is %v, want %s", h, smp.KindOf(h), want)
	}
}

func checkServerBinary(t *testing.T, vc vectors.Case) {
	var c struct {
		Server serverCase
		Str    string
		Hex    vectors.Hex
	}
	vc.Decode(t, &c)
	s := c.Server.addr()
	if s.String() != c.Str || !bytes.Equal(s.Append(nil), c.Hex) {
		t.Errorf("%v is\n%x, want\n%x", s, s.Append(nil), []byte(c.Hex))
	}
	d := wire.NewDecoder(c.Hex)
	if got := smp.ReadServer(d); d.Done() != nil || !got.Equal(s) {
		t.Errorf("reads as %v: %v", got, d.Done())
	}
}

func checkQueueURI(t *testing.T, vc vectors.Case) {
	var c struct {
		Queue   queueCase
		Str     string
		Binary  vectors.Hex
		FromStr queueCase `json:"str_decodes_to"`
		SameStr bool      `json:"str_roundtrip_equal"`
		FromBin queueCase `json:"binary_decodes_to"`
		SameBin bool      `json:"binary_roundtrip_equal"`
	}
	vc.Decode(t, &c)
	u := c.Queue.uri(t)
	if u.String() != c.Str {
		t.Errorf("text\n%s, want\n%s", u, c.Str)
	}
	if b := u.Append(nil); !bytes.Equal(b, c.Binary) {
		t.Errorf("binary\n%x, want\n%x", b, []byte(c.Binary))
	}
	got, err := ParseQueueURI(c.Str)
	if err != nil || !equalURI(got, c.FromStr.uri(t)) || equalURI(got, u) != c.SameStr {
		t.Errorf("text parses as %v: %v", got, err)
	}
	d := wire.NewDecoder(c.Binary)
	got = ReadQueueURI(d)
	if d.Done() != nil || !equalURI(got, c.FromBin.uri(t)) || equalURI(got, u) != c.SameBin {
		t.Errorf("binary parses as %v: %v", got, d.Done())
	}
}

func checkQueueURIEdge(t *testing.T, vc vectors.Case) {
	var c edge
	vc.Decode(t, &c)
	u, err := ParseQueueURI(c.Input)
	if !c.check(t, u.String(), err, ErrLink) {
		return
	}
	var want queueCase
	c.decode(t, &want)
	if !equalURI(u, want.uri(t)) {
		t.Errorf("%s: %v", c.What, u)
	}
}

func checkQueueInfo(t *testing.T, vc vectors.Case) {
	var c struct {
		Version wire.Version `json:"client_version"`
		Queue   queueCase
		Binary  vectors.Hex
		Decodes queueCase `json:"decodes_to"`
	}
	vc.Decode(t, &c)
	q := QueueInfo{c.Version, c.Queue.queue(t)}
	if b := q.Append(nil); !bytes.Equal(b, c.Binary) {
		t.Errorf("binary\n%x, want\n%x", b, []byte(c.Binary))
	}
	got, err := ParseQueueInfo(c.Binary)
	if err != nil || got.Version != c.Version || !got.Equal(c.Decodes.queue(t)) {
		t.Errorf("parses as %v: %v", got, err)
	}
}

type e2eCase struct {
	Versions [2]wire.Version   `json:"version_range"`
	Key1     vectors.PublicKey `json:"x448_1"`
	Key2     vectors.PublicKey `json:"x448_2"`
	KEM      *struct {
		Type       string
		Key        vectors.Hex `json:"public_key"`
		Ciphertext vectors.Hex
	}
}

func (c e2eCase) params(t *testing.T) ratchet.ParamsURI {
	t.Helper()
	k1, err1 := key.ParseX448(c.Key1.DER)
	k2, err2 := key.ParseX448(c.Key2.DER)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	u := ratchet.ParamsURI{Versions: versions(c.Versions), Key1: k1, Key2: k2}
	if c.KEM == nil {
		return u
	}
	pub, err := sntrup.ParsePublicKey(c.KEM.Key)
	if err != nil {
		t.Fatal(err)
	}
	u.KEM = &ratchet.KEMParams{Key: pub}
	if c.KEM.Type == "accepted" {
		if u.KEM.Ciphertext, err = sntrup.ParseCiphertext(c.KEM.Ciphertext); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

func checkE2E(t *testing.T, vc vectors.Case) {
	var c struct {
		Params e2eCase
		Str    string
		Binary vectors.Hex
	}
	vc.Decode(t, &c)
	u := c.Params.params(t)
	if u.String() != c.Str || !bytes.Equal(u.Append(nil), c.Binary) {
		t.Errorf("text\n%s, want\n%s, binary\n%x, want\n%x", u, c.Str, u.Append(nil), []byte(c.Binary))
	}
}

type requestCase struct {
	Mode       string
	Scheme     string
	Versions   [2]wire.Version `json:"agent_version_range"`
	Queues     []queueCase
	ClientData *string  `json:"client_data"`
	E2E        *e2eCase `json:"e2e_params"`
}

func (c requestCase) request(t *testing.T) Request {
	t.Helper()
	r := Request{Scheme: c.Scheme, Versions: versions(c.Versions), ClientData: c.ClientData}
	switch c.Mode {
	case "invitation":
		r.Mode = Invitation
		e2e := c.E2E.params(t)
		r.E2E = &e2e
	case "contact":
		r.Mode = ContactMode
	default:
		t.Fatalf("mode %q", c.Mode)
	}
	for _, q := range c.Queues {
		r.Queues = append(r.Queues, q.uri(t))
	}
	return r
}

func equalRequest(a, b Request) bool {
	if a.Mode != b.Mode || a.Scheme != b.Scheme || a.Versions != b.Versions || len(a.Queues) != len(b.Queues) ||
		(a.ClientData == nil) != (b.ClientData == nil) || (a.E2E == nil) != (b.E2E == nil) {
		return false
	}
	for i, q := range a.Queues {
		if !equalURI(q, b.Queues[i]) {
			return false
		}
	}
	return (a.ClientData == nil || *a.ClientData == *b.ClientData) && (a.E2E == nil || a.E2E.Equal(*b.E2E))
}

func checkRequest(t *testing.T, vc vectors.Case) {
	var c struct {
		Request requestCase
		Str     string
		Binary  vectors.Hex
		FromStr *requestCase `json:"str_decodes_to"`
		SameStr bool         `json:"str_roundtrip_equal"`
		FromBin *requestCase `json:"binary_decodes_to"`
		SameBin bool         `json:"binary_roundtrip_equal"`
	}
	vc.Decode(t, &c)
	r := c.Request.request(t)
	if r.String() != c.Str {
		t.Errorf("text\n%s, want\n%s", r, c.Str)
	}
	if b := r.Append(nil); !bytes.Equal(b, c.Binary) {
		t.Errorf("binary\n%x, want\n%x", b, []byte(c.Binary))
	}
	got, err := ParseRequest(c.Str)
	if err != nil || equalRequest(got, r) != c.SameStr {
		t.Errorf("text parses as %v: %v", got, err)
	}
	if c.FromStr != nil && !equalRequest(got, c.FromStr.request(t)) {
		t.Errorf("text parses as %v, want %v", got, c.FromStr.request(t))
	}
	if l, err := Parse(c.Str); err != nil || l.Full == nil || l.Mode() != r.Mode {
		t.Errorf("as a link: %v", err)
	}
	got, err = ParseRequestBinary(c.Binary)
	if err != nil || equalRequest(got, r) != c.SameBin {
		t.Errorf("binary parses as %v: %v", got, err)
	}
	if c.FromBin != nil && !equalRequest(got, c.FromBin.request(t)) {
		t.Errorf("binary parses as %v, want %v", got, c.FromBin.request(t))
	}
}

func checkRequestEdge(t *testing.T, vc vectors.Case) {
	var c edge
	vc.Decode(t, &c)
	r, err := ParseRequest(c.Input)
	if !c.check(t, r.String(), err, ErrLink) {
		return
	}
	var want requestCase
	c.decode(t, &want)
	if !equalRequest(r, want.request(t)) {
		t.Errorf("%s: %v", c.What, r)
	}
}

type shortCase struct {
	Mode, Scheme string
	Type         *string `json:"contact_type"`
	Server       serverCase
	LinkID       vectors.Hex `json:"link_id"`
	LinkKey      vectors.Hex `json:"link_key"`
}

func (c shortCase) short(t *testing.T) Short {
	t.Helper()
	l := Short{Web: strings.HasPrefix(c.Scheme, "https"), Type: OneTime, Server: c.Server.addr(),
		LinkID: smp.LinkID(c.LinkID), Key: Key(c.LinkKey)}
	if c.Type != nil {
		l.Type = Type((*c.Type)[0])
	}
	if l.Mode().String() != c.Mode {
		t.Fatalf("mode %q of type %v", c.Mode, c.Type)
	}
	return l
}

func equalShort(a, b Short) bool {
	return a.Web == b.Web && a.Type == b.Type && a.Server.Equal(b.Server) && a.LinkID == b.LinkID && a.Key == b.Key
}

func checkShort(t *testing.T, vc vectors.Case) {
	var c struct {
		Link    shortCase
		Str     string
		Binary  vectors.Hex
		SameStr bool `json:"str_roundtrip_equal"`
	}
	vc.Decode(t, &c)
	l := c.Link.short(t)
	if l.String() != c.Str {
		t.Errorf("text\n%s, want\n%s", l, c.Str)
	}
	if b := l.Append(nil); !bytes.Equal(b, c.Binary) {
		t.Errorf("binary\n%x, want\n%x", b, []byte(c.Binary))
	}
	got, err := ParseShort(c.Str)
	if err != nil || equalShort(got, l) != c.SameStr {
		t.Errorf("text parses as %v: %v", got, err)
	}
	if p, err := Parse(c.Str); err != nil || p.Short == nil || p.Mode() != l.Mode() || p.String() != c.Str {
		t.Errorf("as a link: %v", err)
	}
	l.Web = true
	if got, err := ParseShortBinary(c.Binary); err != nil || !equalShort(got, l) {
		t.Errorf("binary parses as %v: %v", got, err)
	}
}

func checkShortEdge(t *testing.T, vc vectors.Case) {
	var c edge
	vc.Decode(t, &c)
	l, err := ParseShort(c.Input)
	if !c.check(t, l.String(), err, ErrLink) {
		return
	}
	var want shortCase
	c.decode(t, &want)
	if !equalShort(l, want.short(t)) {
		t.Errorf("%s: %v", c.What, l)
	}
}

func checkShorten(t *testing.T, vc vectors.Case) {
	var c struct {
		Presets             []serverCase `json:"preset_servers"`
		Link                shortCase
		Str                 string
		Shortened, Restored string
		Differs             bool `json:"shortened_differs"`
	}
	vc.Decode(t, &c)
	var presets []smp.ServerAddr
	for _, p := range c.Presets {
		presets = append(presets, p.addr())
	}
	l := c.Link.short(t)
	s := l.Shorten(presets)
	if l.String() != c.Str || s.String() != c.Shortened || equalShort(s, l) == c.Differs {
		t.Errorf("%v shortened is %v, want %s", l, s, c.Shortened)
	}
	if r := s.Restore(presets); r.String() != c.Restored {
		t.Errorf("restored is %v, want %s", r, c.Restored)
	}
}

func checkName(t *testing.T, vc vectors.Case) {
	var c edge
	vc.Decode(t, &c)
	n, err := ParseName(c.Input)
	if !c.check(t, n.String(), err, ErrLink) {
		return
	}
	var want struct {
		Type   string
		Domain string `json:"full_domain"`
		Short  string
	}
	c.decode(t, &want)
	if n.Domain() != want.Domain || n.Short() != want.Short || n.Contact != (want.Type == "@") {
		t.Errorf("%q is %+v, want %+v", c.Input, n, want)
	}
}

func checkKDF(t *testing.T, vc vectors.Case) {
	var c struct {
		Key        vectors.Hex `json:"link_key"`
		ID         vectors.Hex `json:"contact_link_id"`
		Contact    vectors.Hex `json:"contact_secretbox_key"`
		Invitation vectors.Hex `json:"invitation_secretbox_key"`
	}
	vc.Decode(t, &c)
	id, k := ContactKeys(Key(c.Key))
	if string(id) != string(c.ID) || !bytes.Equal(k.Raw(), c.Contact) {
		t.Error("contact link's ID or key differs")
	}
	if k := InvitationKey(Key(c.Key)); !bytes.Equal(k.Raw(), c.Invitation) {
		t.Error("invitation's key differs")
	}
}

func TestLinksVector(t *testing.T) {
	vectors.Load(t, "links.json").Dispatch(t, map[string]func(*testing.T, vectors.Case){
		"server_address":           checkServerAddress,
		"transport_host":           checkHost,
		"server_binary":            checkServerBinary,
		"queue_uri":                checkQueueURI,
		"queue_uri_edge":           checkQueueURIEdge,
		"queue_info_binary":        checkQueueInfo,
		"e2e_params_uri":           checkE2E,
		"connection_request":       checkRequest,
		"connection_request_edge":  checkRequestEdge,
		"short_link":               checkShort,
		"short_link_edge":          checkShortEdge,
		"short_link_shorten":       checkShorten,
		"simplex_name":             checkName,
		"link_key_kdf":             checkKDF,
		"link_data/invitation":     checkData,
		"link_data/contact":        checkData,
		"link_data/contact_relays": checkData,
		"link_data/owners":         checkData,
		"link_data/max":            checkData,
		"link_data/too_large":      checkData,
		"link_data/tampered":       checkTampered,
	})
}
