package home

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestDefaultFollowsXDGAndSystemd(t *testing.T) {
	for name, tt := range map[string]struct {
		env  map[string]string
		want Home
	}{
		"home alone": {
			map[string]string{"HOME": "/u"},
			Home{"/u/.local/share/simplexkit/default", "/u/.config/simplexkit/simplexd.toml", "/u/.local/share/simplexkit/default/simplexd.sock"},
		},
		"xdg": {
			map[string]string{"HOME": "/u", "XDG_DATA_HOME": "/d", "XDG_CONFIG_HOME": "/c", "XDG_RUNTIME_DIR": "/r"},
			Home{"/d/simplexkit/default", "/c/simplexkit/simplexd.toml", "/r/simplexkit/simplexd.sock"},
		},
		"relative xdg is no xdg": {
			map[string]string{"HOME": "/u", "XDG_DATA_HOME": "d"},
			Home{"/u/.local/share/simplexkit/default", "/u/.config/simplexkit/simplexd.toml", "/u/.local/share/simplexkit/default/simplexd.sock"},
		},
		"systemd": {
			map[string]string{"HOME": "/u", "STATE_DIRECTORY": "/var/lib/s:/var/lib/t", "CONFIGURATION_DIRECTORY": "/etc/s", "RUNTIME_DIRECTORY": "/run/s"},
			Home{"/var/lib/s", "/etc/s/simplexd.toml", "/run/s/simplexd.sock"},
		},
	} {
		got, err := Default(func(k string) string { return tt.env[k] })
		if err != nil || got != tt.want {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	if _, err := Default(func(string) string { return "" }); err == nil {
		t.Error("a home was found in an empty environment")
	}
}

func TestLockHasOneHolder(t *testing.T) {
	h := In(t.TempDir())
	first, err := h.TryLock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.TryLock(); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "PID") {
		t.Fatalf("second lock: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := h.TryLock()
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}

func TestWaitLockGivesUpOrUsesTheDaemon(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := In(dir)
		lock, err := h.TryLock()
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		start := time.Now()
		if _, err := h.WaitLock(t.Context(), LockWait, nil); !errors.Is(err, ErrLocked) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took < LockWait || took > LockWait+time.Second {
			t.Errorf("gave up after %s", took)
		}
		tries := 0
		got, err := h.WaitLock(t.Context(), LockWait, func() bool { tries++; return tries == 3 })
		if got != nil || err != nil {
			t.Errorf("with a daemon: %v, %v", got, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := h.WaitLock(ctx, time.Hour, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

func TestSocketIsForItsUserAndSurvivesAKill(t *testing.T) {
	h := In(filepath.Join(t.TempDir(), strings.Repeat("long", 40))) // over the length of a socket address
	for range 2 {                                                   // the second finds the first one's socket
		l, err := h.Listen()
		if err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(h.Socket)
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != 0o600 {
			t.Errorf("mode %o", st.Mode().Perm())
		}
		accepted := make(chan net.Conn, 1)
		go func() {
			c, _ := l.Accept()
			accepted <- c
		}()
		c, err := h.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s := <-accepted; s != nil {
			s.Close()
		}
		c.Close()
		l.Close()
		if err := os.WriteFile(h.Socket, nil, 0o600); err != nil { // as a kill would leave one
			t.Fatal(err)
		}
	}
	if _, err := h.Dial(t.Context()); err == nil {
		t.Error("connected to a socket that nobody listens on")
	}
}

func TestSocketIsRemovedOnClose(t *testing.T) {
	h := In(t.TempDir())
	l, err := h.Listen()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(h.Socket); !os.IsNotExist(err) {
		t.Errorf("socket left: %v", err)
	}
}

func TestConfigRoundTripsAndRefusesTheUnknown(t *testing.T) {
	h := In(t.TempDir())
	if _, err := h.ReadConfig(); !errors.Is(err, ErrNoProfile) {
		t.Fatalf("empty home: %v", err)
	}
	want := &Config{Name: "alice \"a\"", SMPServers: []string{"smp://x@y"}, Relay: &Relay{Host: "192.0.2.7"}}
	if err := h.WriteConfig(want); err != nil {
		t.Fatal(err)
	}
	got, err := h.ReadConfig()
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != want.Name || *got.Relay != *want.Relay || got.SMPServers[0] != want.SMPServers[0] {
		t.Errorf("got %+v", got)
	}
	for _, bad := range []string{"nmae = \"a\"\n", "name = 3\n", "name = \n"} {
		if err := os.WriteFile(h.Config, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		var e *ConfigError
		if _, err := h.ReadConfig(); !errors.As(err, &e) || e.Path != h.Config {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
