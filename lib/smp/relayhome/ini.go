package relayhome

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/transport"
)

const fileINI = "smp-server.ini"

// InitINI makes a home for the relay of an existing smp-server: its address,
// keys, certificates and settings. from is the directory with smp-server.ini,
// which is only read, or the file. [Home.Takeover] is for its queues. The notes
// tell what has no counterpart here, by file, line and name.
func InitINI(dir, from string, force bool) (h *Home, notes []string, err error) {
	path := from
	if st, err := os.Stat(from); err == nil && st.IsDir() {
		path = filepath.Join(from, fileINI)
	}
	text, err := read(filepath.Dir(path), filepath.Base(path))
	if err != nil {
		return nil, nil, err
	}
	s := defaults()
	notes, err = readINI(path, text, &s)
	if err != nil {
		return nil, nil, err
	}
	if w := s.check(); w != nil {
		return nil, nil, exit.Errorf(exit.Config, "%s: %s: %w", path, w.key, w.err)
	}
	files, err := copyKeys(filepath.Dir(path))
	if err != nil {
		return nil, nil, err
	}
	settings, err := s.encode()
	if err != nil {
		return nil, nil, err
	}
	lock, err := claim(dir, force)
	if err != nil {
		return nil, nil, err
	}
	defer lock.Close()
	if err := writeFiles(dir, append(files, file{fileSettings, settings})); err != nil {
		return nil, nil, err
	}
	h, err = Load(dir)
	return h, notes, err
}

// copyKeys reads keys and certificates as smp-server has them: the online
// certificate alone in its file.
func copyKeys(dir string) ([]file, error) {
	bad := func(name string, err error) error {
		return exit.Errorf(exit.DataErr, "%s: %w", filepath.Join(dir, name), err)
	}
	var chain transport.Chain
	for _, name := range []string{fileCert, fileCACert} {
		text, err := read(dir, name)
		if err != nil {
			return nil, err
		}
		part, err := transport.ParseChainPEM(text)
		if err != nil {
			return nil, bad(name, err)
		}
		for _, c := range part {
			if n := len(chain); n == 0 || !bytes.Equal(chain[n-1], c) {
				chain = append(chain, c)
			}
		}
	}
	text, err := read(dir, fileKey)
	if err != nil {
		return nil, err
	}
	k, err := transport.ParseKeyPEM(text)
	if err != nil {
		return nil, bad(fileKey, err)
	}
	cred := &transport.Credential{Chain: chain, Key: k}
	if err := cred.Check(time.Now()); err != nil {
		return nil, bad(fileCert, err)
	}
	id := smp.ChainIdentity(chain)
	if saved, err := read(dir, fileFingerprint); err == nil && !sameFingerprint(string(saved), id) {
		return nil, bad(fileFingerprint, errors.New("not that of the certificate in "+fileCACert))
	}
	files := []file{
		{fileCACert, transport.Chain{chain[1]}.AppendPEM(nil)},
		{fileKey, transport.AppendKeyPEM(nil, k)},
		{fileCert, chain.AppendPEM(nil)},
		{fileFingerprint, []byte(id.String() + "\n")},
	}
	// The offline key may well be where it belongs, on another machine.
	caKey, err := os.ReadFile(filepath.Join(dir, fileCAKey))
	if err == nil {
		files = append(files, file{fileCAKey, caKey})
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, bad(fileCAKey, err)
	}
	return files, nil
}

func sameFingerprint(text string, id smp.Fingerprint) bool {
	return strings.TrimRight(strings.TrimSpace(text), "=") == strings.TrimRight(id.String(), "=")
}

// taken is what becomes of a key of smp-server.ini: it is set, or else why
// not is told, unless the value is one of quiet.
type taken struct {
	set   func(s *Settings, v string) error
	why   string
	quiet []string
}

func number(at func(*Settings) *int, div int) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return errors.New("must be a number above 0")
		}
		*at(s) = max(n/div, 1)
		return nil
	}
}

func onOff(at func(s *Settings, on bool)) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		switch v {
		case "on":
			at(s, true)
		case "off":
			at(s, false)
		default:
			return errors.New("must be on or off")
		}
		return nil
	}
}

const (
	whyInfo  = "information about the operator is for the web page, which this relay does not have"
	whyWeb   = "this relay serves no web page; use a web server"
	whyStore = "queues and messages are always on disk here, in SQLite or PostgreSQL; relayctl smp import --smp-server takes over what is stored"
	whyCtl   = "the running relay is asked through a socket in its home, by its owner, without a password"
	whyProxy = "decided by the proxy itself: public hosts come before onion ones"
	whyNames = "names are not resolved"
	whyPace  = "decided by the relay itself"
)

var iniKeys = map[string]map[string]taken{
	"INFORMATION": whyFor(whyInfo, "source_code", "usage_conditions", "condition_amendments", "server_country",
		"operator", "operator_country", "website", "admin_simplex", "admin_email", "admin_pgp", "admin_pgp_fingerprint",
		"complaints_simplex", "complaints_email", "complaints_pgp", "complaints_pgp_fingerprint",
		"hosting", "hosting_country", "hosting_type"),
	"STORE_LOG": with(with(whyFor(whyStore, "db_connection", "db_schema", "db_pool_size", "db_store_log", "db_deleted_ttl"),
		whyFor(whyPace, "expire_messages_on_start", "expire_messages_on_send", "expire_ntfs_hours")), map[string]taken{
		"enable":               {why: whyStore, quiet: []string{"on"}},
		"store_queues":         {why: whyStore, quiet: []string{"memory"}},
		"store_messages":       {why: whyStore, quiet: []string{"memory", "journal"}},
		"restore_messages":     {why: whyStore, quiet: []string{"on"}},
		"expire_messages_days": {set: number(func(s *Settings) *int { return &s.TTLDays }, 1)},
		"log_stats":            {why: "numbers are at /metrics, see metrics_listen", quiet: []string{"off"}},
		"prometheus_interval":  {why: "numbers are at /metrics, see metrics_listen, or by relayctl smp metrics write"},
	}),
	"AUTH": with(whyFor(whyCtl, "control_port_admin_password", "control_port_user_password", "daily_block_queue_quota"), map[string]taken{
		"new_queues":      {set: onOff(func(s *Settings, on bool) { s.NoNew = !on })},
		"create_password": {set: func(s *Settings, v string) error { s.Password = v; return nil }},
	}),
	"TRANSPORT": {
		"host":           {set: func(s *Settings, v string) error { s.Hosts = splitList(v); return nil }},
		"port":           {set: setPorts},
		"log_tls_errors": {why: "asked for with -vv", quiet: []string{"off"}},
		"websockets":     {why: "not served", quiet: []string{"off"}},
		"control_port":   {why: whyCtl},
	},
	"PROXY": with(whyFor(whyProxy, "own_server_domains", "client_concurrency"), map[string]taken{
		"host_mode":          {why: whyProxy, quiet: []string{"public"}},
		"required_host_mode": {why: whyProxy, quiet: []string{"off"}},
		"socks_proxy":        {set: func(s *Settings, v string) error { s.ProxySOCKS = v; return nil }},
		"socks_mode":         {why: "SOCKS is used for onion hosts alone", quiet: []string{"onion"}},
	}),
	"NAMES": with(whyFor(whyNames, "resolver_endpoint", "resolver_auth", "resolver_timeout_ms", "resolver_max_response_bytes", "resolver_concurrency"),
		map[string]taken{"enable": {why: whyNames, quiet: []string{"off"}}}),
	"INACTIVE_CLIENTS": {
		"disconnect":     {why: "silent connections without subscriptions are always closed", quiet: []string{"on"}},
		"ttl":            {set: number(func(s *Settings) *int { return &s.IdleMins }, 60)},
		"check_interval": {why: whyPace, quiet: []string{"3600"}},
	},
	"WEB": whyFor(whyWeb, "static_path", "http", "https", "cert", "key"),
}

func whyFor(why string, keys ...string) map[string]taken {
	m := map[string]taken{}
	for _, k := range keys {
		m[k] = taken{why: why}
	}
	return m
}

func with(a, b map[string]taken) map[string]taken {
	for k, v := range b {
		a[k] = v
	}
	return a
}

// setPorts takes ports with commas between. Addresses name only one, and none
// is better known than 5223.
func setPorts(s *Settings, v string) error {
	ports := splitList(v)
	if len(ports) == 0 {
		return errors.New("no port")
	}
	var listen []string
	s.Port = ports[0]
	for _, p := range ports {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("%s is no port", p)
		}
		if p == DefaultPort {
			s.Port = p
		}
		listen = append(listen, ":"+p)
	}
	if len(listen) > 1 {
		s.Listen = strings.Join(listen, ",")
	}
	return nil
}

// readINI fills the settings and tells what is left out.
func readINI(path string, text []byte, s *Settings) (notes []string, err error) {
	section := ""
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		where := fmt.Sprintf("%s:%d: ", path, i+1)
		switch {
		case line == "", line[0] == '#', line[0] == ';':
			continue
		case line[0] == '[' && line[len(line)-1] == ']':
			section = strings.TrimSpace(line[1 : len(line)-1])
			if iniKeys[section] == nil {
				notes = append(notes, where+"["+section+"]: unknown section")
			}
			continue
		}
		sep := strings.IndexAny(line, "=:")
		if sep < 1 || section == "" {
			return nil, exit.Errorf(exit.Config, "%sneither a section, nor key = value, nor a comment", where).
				WithHint("correct the line, or put # before it")
		}
		name, value := strings.TrimSpace(line[:sep]), strings.TrimSpace(line[sep+1:])
		where += "[" + section + "] " + name
		t, known := iniKeys[section][name]
		switch {
		case !known && iniKeys[section] != nil:
			notes = append(notes, where+": unknown")
		case !known:
		case t.set != nil:
			if err := t.set(s, value); err != nil {
				return nil, exit.Errorf(exit.Config, "%s: %w", where, err).WithHint("correct it, or put # before it for the default")
			}
		case !contains(t.quiet, value):
			notes = append(notes, where+": not taken over: "+t.why)
		}
	}
	return notes, nil
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
