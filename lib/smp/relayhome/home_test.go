package relayhome_test

import (
	"context"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
)

// run serves a home on the loopback until the test ends.
func run(t *testing.T, h *relayhome.Home) (*relayhome.Relay, smp.ServerAddr) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := h.Address().ServerAddr
	addr.Hosts = []string{"127.0.0.1"}
	if _, addr.Port, err = net.SplitHostPort(l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan *relayhome.Relay, 1), make(chan error, 1)
	go func() {
		done <- h.Serve(ctx, relayhome.ServeOptions{Listener: l, Ready: func(r *relayhome.Relay) { ready <- r }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	select {
	case r := <-ready:
		return r, addr
	case err := <-done:
		done <- err
		t.Fatal(err)
	}
	return nil, addr
}

func newHome(t *testing.T) *relayhome.Home {
	t.Helper()
	h, err := relayhome.Init(filepath.Join(t.TempDir(), "R"), relayhome.Options{Hosts: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// create tries to make a queue with a password.
func create(t *testing.T, c *smpclient.Client, password string) error {
	t.Helper()
	k, dh := key.GenerateX25519(), key.GenerateX25519()
	n := smp.NEW{AuthKey: k.PublicKey(), DHKey: dh.Public(), Queue: &smp.QueueReq{Mode: smp.Messaging}}
	if password != "" {
		p := smp.BasicAuth(password)
		n.BasicAuth = &p
	}
	_, err := c.Create(t.Context(), k, n)
	return err
}

func dial(t *testing.T, addr smp.ServerAddr) *smpclient.Client {
	t.Helper()
	c, err := smpclient.Dial(t.Context(), addr, smpclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestUsers adds and removes users of a relay that runs.
func TestUsers(t *testing.T) {
	h := newHome(t)
	r, addr := run(t, h)
	c := dial(t, addr)
	if err := create(t, c, ""); err != nil {
		t.Fatalf("an open relay: %v", err)
	}
	alice, err := h.AddUser("alice", "", false)
	if err != nil {
		t.Fatal(err)
	}
	bob, err := h.AddUser("bob", "bob-secret", false)
	if err != nil || bob != "bob-secret" {
		t.Fatalf("bob's password is %q: %v", bob, err)
	}
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time from memory
		for password, ok := range map[string]bool{"": false, string(alice): true, "bob-secret": true, "bob-secre": false} {
			if err := create(t, c, password); ok != (err == nil) || err != nil && !errors.Is(err, smp.ErrAuth) {
				t.Errorf("password %q: %v", password, err)
			}
		}
	}
	if err := h.RemoveUser("bob"); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	if err := create(t, c, "bob-secret"); !errors.Is(err, smp.ErrAuth) {
		t.Errorf("bob was removed: %v", err)
	}
	if list, err := h.Users(); err != nil || len(list) != 1 || list[0].Name != "alice" {
		t.Errorf("users are %v: %v", list, err)
	}
	text, err := os.ReadFile(filepath.Join(h.Dir, "users.json"))
	if err != nil || strings.Contains(string(text), string(alice)) {
		t.Errorf("the file holds a password (%v)", err)
	}
}

func TestUserErrors(t *testing.T) {
	h := newHome(t)
	if _, err := h.AddUser("alice", "x", false); err != nil {
		t.Fatal(err)
	}
	for code, try := range map[int]func() error{
		exit.CantCreate: func() error { _, err := h.AddUser("alice", "y", false); return err },
		exit.Usage:      func() error { _, err := h.AddUser("two words", "y", false); return err },
		exit.DataErr:    func() error { _, err := h.AddUser("bob", "with space", false); return err },
		exit.NoUser:     func() error { return h.RemoveUser("bob") },
	} {
		if err := try(); exit.Code(err) != code {
			t.Errorf("code %d, want %d: %v", exit.Code(err), code, err)
		}
	}
	if _, err := h.AddUser("alice", "y", true); err != nil {
		t.Errorf("replace: %v", err)
	}
	if _, err := h.AddUser("bob", "y", false); exit.Code(err) != exit.DataErr {
		t.Errorf("a password of two: %v", err)
	}
	if err := os.WriteFile(filepath.Join(h.Dir, "users.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Users(); exit.Code(err) != exit.DataErr {
		t.Errorf("a damaged file: %v", err)
	}
}

// TestRotate changes the certificate of a relay that runs: its connections
// stay, its address too.
func TestRotate(t *testing.T) {
	h := newHome(t)
	r, addr := run(t, h)
	old := dial(t, addr)
	before, err := os.ReadFile(filepath.Join(h.Dir, "server.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Rotate("", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(filepath.Join(h.Dir, "server.crt"))
	if err != nil || string(before) == string(after) {
		t.Fatalf("the certificate is the old one (%v)", err)
	}
	if err := create(t, old, ""); err != nil {
		t.Errorf("old connection: %v", err)
	}
	fresh := dial(t, addr)
	if err := create(t, fresh, ""); err != nil {
		t.Errorf("new connection: %v", err)
	}
	block, _ := pem.Decode(after)
	if got := fresh.Handshake().Cert.Chain[0]; sha256.Sum256(got) != sha256.Sum256(block.Bytes) {
		t.Error("new connections see another certificate")
	}
}

func TestRotateErrors(t *testing.T) {
	h, other := newHome(t), newHome(t)
	if err := h.Rotate(filepath.Join(other.Dir, "ca.key"), time.Now()); exit.Code(err) != exit.DataErr {
		t.Errorf("the key of another CA: %v", err)
	}
	caKey := filepath.Join(h.Dir, "ca.key")
	kept := filepath.Join(t.TempDir(), "ca.key")
	if err := os.Rename(caKey, kept); err != nil {
		t.Fatal(err)
	}
	if err := h.Rotate("", time.Now()); exit.Code(err) != exit.NoInput || exit.Hint(err) == "" {
		t.Errorf("without a key: %v", err)
	}
	if err := h.Rotate(kept, time.Now()); err != nil {
		t.Errorf("with the key from elsewhere: %v", err)
	}
	if _, err := relayhome.Load(h.Dir); err != nil {
		t.Error(err)
	}
}

// reference makes the directory of an smp-server as its init does.
func reference(t *testing.T, alg, ini string) string {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("no openssl here")
	}
	dir := t.TempDir()
	conf := "[req]\ndistinguished_name = dn\nprompt = no\n[dn]\nCN = %\n[v3]\nsubjectKeyIdentifier = hash\n"
	for name, text := range map[string]string{
		"ca.conf":        strings.Replace(conf, "%", "SMP server CA", 1) + "authorityKeyIdentifier = keyid:always\nbasicConstraints = critical,CA:true\n",
		"server.conf":    strings.Replace(conf, "%", "relay.example.org", 1) + "basicConstraints = CA:FALSE\nkeyUsage = digitalSignature, nonRepudiation, keyAgreement\nextendedKeyUsage = serverAuth\n",
		"smp-server.ini": ini,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range []string{
		"genpkey -algorithm " + alg + " -out ca.key",
		"req -new -x509 -days 999999 -config ca.conf -extensions v3 -key ca.key -out ca.crt",
		"genpkey -algorithm " + alg + " -out server.key",
		"req -new -config server.conf -reqexts v3 -key server.key -out server.csr",
		"x509 -req -days 999999 -extfile server.conf -extensions v3 -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt",
	} {
		cmd := exec.Command("openssl", strings.Fields(args)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %s: %v\n%s", args, err, out)
		}
	}
	return dir
}

const someINI = `[INFORMATION]
# website = https://example.org
operator = Somebody

[STORE_LOG]
enable = on
restore_messages = on
expire_messages_days = 14
colour: red

[AUTH]
new_queues = on
create_password = hush

[TRANSPORT]
host = relay.example.org,v3abc.onion
port = 443,5223
websockets = off
control_port = 5224

[INACTIVE_CLIENTS]
disconnect = on
ttl = 21600
check_interval = 3600

[FUTURE]
x = 1

[WEB]
https = 443
`

// TestINI takes over a relay of the reference with its keys, old and new
// ones, serves it, and rotates its certificate.
func TestINI(t *testing.T) {
	for _, alg := range []string{"ED25519", "ED448"} {
		t.Run(alg, func(t *testing.T) {
			from := reference(t, alg, someINI)
			h, notes, err := relayhome.InitINI(filepath.Join(t.TempDir(), "R"), from, false)
			if err != nil {
				t.Fatal(err)
			}
			s := h.Settings
			if s.TTLDays != 14 || s.Password != "hush" || s.IdleMins != 360 || s.Port != "5223" || s.Listen != ":443,:5223" || len(s.Hosts) != 2 {
				t.Errorf("settings are %+v", s)
			}
			text, err := os.ReadFile(filepath.Join(from, "ca.crt"))
			if err != nil {
				t.Fatal(err)
			}
			block, _ := pem.Decode(text)
			if want := smp.Fingerprint(sum(block.Bytes)); h.Fingerprint() != want {
				t.Errorf("the address has changed")
			}
			all := strings.Join(notes, "\n")
			for _, want := range []string{"ini:3: [INFORMATION] operator: not taken over", "ini:9: [STORE_LOG] colour: unknown",
				"[TRANSPORT] control_port: not taken", "[FUTURE]: unknown section", "[WEB] https: not"} {
				if !strings.Contains(all, want) {
					t.Errorf("no note %q in\n%s", want, all)
				}
			}
			if len(notes) != 5 {
				t.Errorf("%d notes", len(notes))
			}
			if err := h.Rotate("", time.Now()); err != nil {
				t.Fatal(err)
			}
			if h, err = relayhome.Load(h.Dir); err != nil {
				t.Fatal(err)
			}
			_, addr := run(t, h)
			if err := create(t, dial(t, addr), "hush"); err != nil {
				t.Error(err)
			}
		})
	}
}

func sum(b []byte) []byte { s := sha256.Sum256(b); return s[:] }

func TestINIErrors(t *testing.T) {
	for text, want := range map[string]string{
		"[AUTH]\nnew_queues = perhaps\n":               "ini:2: [AUTH] new_queues: must be on or off",
		"[TRANSPORT]\nhost = h\nport = http\n":         "ini:3: [TRANSPORT] port: http is no port",
		"[TRANSPORT]\nhost = h\nnonsense\n":            "ini:3: neither",
		"[TRANSPORT]\nport = 5223\n":                   "hosts: none",
		"[STORE_LOG]\nexpire_messages_days = for ever": "expire_messages_days: must be a number",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "smp-server.ini"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := relayhome.InitINI(filepath.Join(dir, "R"), dir, false)
		if exit.Code(err) != exit.Config || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, _, err := relayhome.InitINI(filepath.Join(t.TempDir(), "R"), t.TempDir(), false); exit.Code(err) != exit.NoInput {
		t.Errorf("no file: %v", err)
	}
}

// TestOwner has root tend a relay that runs as another user: all files stay
// that user's.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	h := newHome(t)
	err := filepath.WalkDir(h.Dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, 12345, 12346))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.AddUser("alice", "", false); err != nil {
		t.Fatal(err)
	}
	if err := h.Rotate("", time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Counts(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(h.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err == nil && (st.Sys().(*syscall.Stat_t).Uid != 12345 || st.Sys().(*syscall.Stat_t).Gid != 12346) {
			t.Errorf("%s is root's", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
