package home

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/BurntSushi/toml"
)

// ErrNoProfile says that init has not been run for this home.
var ErrNoProfile = errors.New("no profile here")

// Config is a profile's settings.
type Config struct {
	// Name is the display name given to init.
	Name string `toml:"name,omitempty"`
	// SMPServers are the relays for new queues, smp://fingerprint[:password]@host[:port].
	// Empty: the embedded relay.
	SMPServers []string `toml:"smp_servers,omitempty"`
	// Encrypted says that the database is encrypted and keeps what is missing
	// here: Name and SMPServers. What stands here goes before it.
	Encrypted bool `toml:"encrypted,omitempty"`
	// Network says how relays are reached.
	Network Network `toml:"network,omitempty"`
	// Swarm says how the conversations without a server are on the network.
	Swarm Swarm `toml:"swarm,omitempty"`
	// Relay is the embedded relay; nil: there is none.
	Relay *Relay `toml:"embedded_relay,omitempty"`
}

// Swarm is how conversations without a server are on the network.
type Swarm struct {
	// Off keeps them off it: what is written stays here.
	Off bool `toml:"off,omitempty"`
	// Listen are the multiaddrs to listen at; empty: all interfaces, at a port
	// that is chosen once.
	Listen []string `toml:"listen,omitempty"`
	// Bootstrap are multiaddrs, with /p2p/ID, of nodes for the rendez-vous over
	// the internet; relayctl p2p serve runs one.
	Bootstrap []string `toml:"bootstrap,omitempty"`
	// NoLAN does without announcements on the local network.
	NoLAN bool `toml:"no_lan,omitempty"`
}

// Relay is the embedded relay. Its address is part of links already given out,
// so it is settled once, when the relay first runs, in the relay's own home.
type Relay struct {
	// Host is the name or address in the relay's smp:// address; empty: what
	// this machine's LAN address is when the relay first runs.
	Host string `toml:"host"`
}

// ReadConfig reads the settings. The error wraps [ErrNoProfile] when there are none.
func (h Home) ReadConfig() (*Config, error) {
	b, err := os.ReadFile(h.Config)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("home: %s: %w", h.Dir, ErrNoProfile)
	}
	if err != nil {
		return nil, fmt.Errorf("home: %w", err)
	}
	c := new(Config)
	meta, err := toml.Decode(string(b), c)
	if err != nil {
		return nil, &ConfigError{Path: h.Config, Err: err}
	}
	if extra := meta.Undecoded(); len(extra) > 0 {
		return nil, &ConfigError{Path: h.Config, Err: fmt.Errorf("unknown setting %q", extra[0].String())}
	}
	return c, nil
}

// ConfigError is a settings file that cannot be used.
type ConfigError struct {
	Path string
	Err  error
}

func (e *ConfigError) Error() string { return fmt.Sprintf("home: %s: %v", e.Path, e.Err) }

func (e *ConfigError) Unwrap() error { return e.Err }

// WriteConfig replaces the settings, at once or not at all.
func (h Home) WriteConfig(c *Config) error {
	var b bytes.Buffer
	b.WriteString("# Settings of a simplexd profile. See docs/home.md.\n")
	if err := toml.NewEncoder(&b).Encode(c); err != nil {
		return fmt.Errorf("home: encode settings: %w", err)
	}
	if err := writeFile(h.Config, b.Bytes()); err != nil {
		return fmt.Errorf("home: %w", err)
	}
	return nil
}

// writeFile puts data at path for its owner alone: a reader sees the old file
// or the new one, and a crash leaves one of them.
func writeFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
