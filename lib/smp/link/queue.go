package link

import (
	"fmt"
	"slices"
	"strings"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// Versions of the client protocol, the range in queue addresses.
const (
	versionHosts      wire.Version = 2 // several hosts
	versionSenderKey  wire.Version = 3 // who may secure the queue
	versionShortLinks wire.Version = 4 // queue modes
)

// Queue is where and how to send to a queue.
type Queue struct {
	Server   smp.ServerAddr
	SenderID smp.SenderID
	DHKey    key.X25519Public // of the recipient, for encryption between the clients
	Mode     smp.QueueMode    // zero if unknown
}

// Equal tells whether all fields are the same.
func (q Queue) Equal(o Queue) bool {
	return q.Server.Equal(o.Server) && q.SenderID == o.SenderID && q.DHKey == o.DHKey && q.Mode == o.Mode
}

// SameQueue tells whether it is the same queue of the same hosts.
func (q Queue) SameQueue(o Queue) bool {
	return q.Server.SameAddr(o.Server) && q.SenderID == o.SenderID
}

// SenderCanSecure tells whether the sender may use SKEY.
func (q Queue) SenderCanSecure() bool { return q.Mode == smp.Messaging }

// QueueURI is a queue's address as it stands in links: for a range of client
// versions. smp: Out-of-band messages
type QueueURI struct {
	Versions wire.VersionRange
	Queue
}

// QueueInfo is a queue's address at the version that both sides speak, as
// agents send it to each other.
type QueueInfo struct {
	Version wire.Version
	Queue
}

// At is the address at one version.
func (u QueueURI) At(v wire.Version) QueueInfo { return QueueInfo{v, u.Queue} }

// URI is the address for a range.
func (q QueueInfo) URI(r wire.VersionRange) QueueURI { return QueueURI{r, q.Queue} }

// String is the text form. Below version 2 the further hosts stand in the
// query.
func (u QueueURI) String() string {
	ps := []param{{"v", u.Versions.String()}, {"dh", wire.Base64(u.DHKey.AppendSPKI(nil))}}
	switch u.Mode {
	case smp.Messaging:
		ps = append(ps, param{"q", "m"})
		if u.Versions.Min < versionShortLinks {
			ps = append(ps, param{"k", "s"})
		}
	case smp.Contact:
		ps = append(ps, param{"q", "c"})
	}
	server := u.Server
	if u.Versions.Min < versionHosts && len(server.Hosts) > 0 {
		if more := server.Hosts[1:]; len(more) > 0 {
			ps = append(ps, param{"srv", strings.Join(more, ",")})
		}
		server.Hosts = server.Hosts[:1]
	}
	return server.String() + "/" + wire.Base64(u.SenderID) + "#/?" + encodeQuery(ps)
}

// ParseQueueURI parses the text form. The error is [ErrLink].
func ParseQueueURI(s string) (QueueURI, error) {
	u, err := parseQueueURI(s)
	if err != nil {
		return QueueURI{}, fmt.Errorf("%w: queue address: %v", ErrLink, err)
	}
	return u, nil
}

func parseQueueURI(s string) (u QueueURI, err error) {
	a, rest, err := smp.CutServer(s)
	switch {
	case err != nil:
		return u, err
	case a.BasicAuth != nil:
		return u, fmt.Errorf("password not allowed")
	case a.Scheme != "":
		return u, fmt.Errorf("not an SMP server")
	}
	u.Server = a.ServerAddr
	rest, ok := strings.CutPrefix(rest, "/")
	id, rest, err := smp.CutBase64(rest)
	if !ok || err != nil || len(id) > wire.MaxShort {
		return u, fmt.Errorf("no sender ID")
	}
	u.SenderID = smp.SenderID(id)
	rest, ok = strings.CutPrefix(strings.TrimPrefix(rest, "/"), "#")
	if !ok {
		return u, fmt.Errorf("no '#'")
	}
	dh, rest, hasKey := cutKey(rest)
	if hasKey && rest == "" { // the form before versions
		u.DHKey, u.Versions = dh, wire.VersionRange{Min: 1, Max: 1}
		u.Server.Hosts = knownHosts(u.Server.Hosts)
		return u, nil
	}
	rest, ok = strings.CutPrefix(strings.TrimPrefix(rest, "/"), "?")
	if !ok || strings.ContainsAny(rest, " \n") {
		return u, fmt.Errorf("no query")
	}
	u.DHKey = dh
	return u, u.parseParams(parseQuery(rest), hasKey)
}

func (u *QueueURI) parseParams(q query, hasKey bool) (err error) {
	v, _ := q.get("v")
	if u.Versions, err = wire.ParseVersionRange(v); err != nil {
		return err
	}
	if !hasKey {
		text, _ := q.get("dh")
		dh, rest, ok := cutKey(text)
		if !ok || rest != "" {
			return fmt.Errorf("no key")
		}
		u.DHKey = dh
	}
	if srv, ok := q.get("srv"); ok && srv != "" {
		hosts, rest, err := smp.CutHosts(srv)
		if err != nil || rest != "" || len(hosts)+len(u.Server.Hosts) > 255 {
			return fmt.Errorf("bad hosts")
		}
		u.Server.Hosts = append(u.Server.Hosts, hosts...)
	}
	if u.Versions.Max < versionHosts {
		u.Server.Hosts = knownHosts(u.Server.Hosts)
	}
	mode, _ := q.get("q")
	k, _ := q.get("k")
	switch {
	case mode == "m":
		u.Mode = smp.Messaging
	case mode == "c":
		u.Mode = smp.Contact
	case k == "s":
		u.Mode = smp.Messaging
	}
	return nil
}

func cutKey(s string) (k key.X25519Public, rest string, ok bool) {
	der, rest, err := smp.CutBase64(s)
	if err != nil {
		return k, s, false
	}
	if k, err = key.ParseX25519(der); err != nil {
		return k, s, false
	}
	return k, rest, true
}

// onionHosts are the second hosts of relays whose addresses went around
// before an address could hold two.
var onionHosts = map[string]string{
	"smp4.simplex.im":  "o5vmywmrnaxalvz6wi3zicyftgio6psuvyniis6gco6bp6ekl4cqj4id.onion",
	"smp5.simplex.im":  "jjbyvoemxysm7qxap7m5d5m35jzv5qq6gnlv7s4rsn7tdwwmuqciwpid.onion",
	"smp6.simplex.im":  "bylepyau3ty4czmn77q4fglvperknl4bi2eb2fdy2bh4jxtf32kf73yd.onion",
	"smp8.simplex.im":  "beccx4yfxxbvyhqypaavemqurytl6hozr47wfc7uuecacjqdvwpw2xid.onion",
	"smp9.simplex.im":  "jssqzccmrcws6bhmn77vgmhfjmhwlyr3u7puw4erkyoosywgl67slqqd.onion",
	"smp10.simplex.im": "rb2pbttocvnbrngnwziclp2f4ckjq65kebafws6g4hy22cdaiv5dwjqd.onion",
}

func knownHosts(hosts []string) []string {
	if len(hosts) == 1 && onionHosts[hosts[0]] != "" {
		return []string{hosts[0], onionHosts[hosts[0]]}
	}
	return slices.Clone(hosts)
}

// Append appends the binary form. The mode is lost if the range begins below
// version 4 and, for contact queues, below version 3.
func (u QueueURI) Append(b []byte) []byte {
	b = u.appendQueue(u.Versions.Append(b), false)
	switch {
	case u.Versions.Min >= versionShortLinks:
		return appendMode(b, u.Mode)
	case u.Versions.Min >= versionSenderKey, u.Versions.Max >= versionSenderKey && u.SenderCanSecure():
		return wire.AppendBool(b, u.SenderCanSecure())
	}
	return b
}

// ReadQueueURI reads the binary form out of a longer one.
func ReadQueueURI(d *wire.Decoder) QueueURI {
	u := QueueURI{Versions: d.VersionRange()}
	u.Queue = readQueue(d, false)
	return u
}

// Append appends the binary form. Version 1 has one host only.
func (q QueueInfo) Append(b []byte) []byte {
	b = q.appendQueue(wire.AppendUint16(b, uint16(q.Version)), q.Version < versionHosts)
	switch {
	case q.Version >= versionShortLinks:
		return appendMode(b, q.Mode)
	case q.Version >= versionSenderKey && q.SenderCanSecure():
		return wire.AppendBool(b, true)
	}
	return b
}

// ReadQueueInfo reads the binary form out of a longer one.
func ReadQueueInfo(d *wire.Decoder) QueueInfo {
	q := QueueInfo{Version: d.Version()}
	q.Queue = readQueue(d, q.Version < versionHosts)
	return q
}

// ParseQueueInfo parses the whole of b. The error is wire.ErrSyntax.
func ParseQueueInfo(b []byte) (QueueInfo, error) {
	d := wire.NewDecoder(b)
	q := ReadQueueInfo(d)
	if err := d.Done(); err != nil {
		return QueueInfo{}, fmt.Errorf("link: parse queue: %w", err)
	}
	return q, nil
}

func (q Queue) appendQueue(b []byte, legacy bool) []byte {
	if legacy {
		b = q.Server.AppendLegacy(b)
	} else {
		b = q.Server.Append(b)
	}
	b = wire.AppendShort(b, q.SenderID)
	return wire.AppendShort(b, q.DHKey.AppendSPKI(nil))
}

func readQueue(d *wire.Decoder, legacy bool) Queue {
	var q Queue
	if legacy {
		q.Server = smp.ReadLegacyServer(d)
		q.Server.Hosts = knownHosts(q.Server.Hosts)
	} else {
		q.Server = smp.ReadServer(d)
	}
	q.SenderID = smp.SenderID(d.Short())
	q.DHKey = readX25519(d)
	q.Mode = readMode(d)
	return q
}

func readX25519(d *wire.Decoder) key.X25519Public {
	k, err := key.ParseX25519(d.Short())
	if err != nil {
		d.Fail(fmt.Errorf("%w: %w", wire.ErrSyntax, err))
	}
	return k
}

func appendMode(b []byte, m smp.QueueMode) []byte {
	if m == 0 {
		return b
	}
	return append(b, byte(m))
}

// readMode reads the mode, or the bool that came before modes, if one of them
// is next: it is the last field and need not be there.
func readMode(d *wire.Decoder) smp.QueueMode {
	switch {
	case d.TryLit("M"), d.TryLit("T"):
		return smp.Messaging
	case d.TryLit("C"), d.TryLit("F"):
		return smp.Contact
	}
	return 0
}
