// Package home is the directory of one profile: which files it holds, who may
// use it at a time, and its settings.
//
//	simplexd.db     the profile: connections, keys, messages (SQLite, 0600)
//	simplexd.lock   flock, held by the daemon or by one command; holds its PID
//	simplexd.sock   the daemon's socket (0600)
//	config.toml     settings, written by init
//	relay/          the embedded relay's own home
//
// Named by --home, all of these lie in one directory. The default profile is
// spread over the XDG directories instead: config.toml is
// $XDG_CONFIG_HOME/simplexkit/simplexd.toml, the socket is
// $XDG_RUNTIME_DIR/simplexkit/simplexd.sock, the rest lies in
// $XDG_DATA_HOME/simplexkit/default. Under systemd STATE_DIRECTORY,
// RUNTIME_DIRECTORY and CONFIGURATION_DIRECTORY take their places.
package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Home names the files of one profile. Nothing need exist yet.
type Home struct {
	// Dir holds the database, the lock and the embedded relay.
	Dir string
	// Config is the settings file.
	Config string
	// Socket is where the daemon listens.
	Socket string
}

// In is the home that lies in dir alone.
func In(dir string) Home {
	return Home{
		Dir:    dir,
		Config: filepath.Join(dir, "config.toml"),
		Socket: filepath.Join(dir, "simplexd.sock"),
	}
}

// Default is the home of the profile named default. getenv is os.Getenv.
func Default(getenv func(string) string) (Home, error) {
	userDir := getenv("HOME")
	pick := func(systemd, xdg, fallback, tail string) string {
		if dir := firstPath(getenv(systemd)); dir != "" {
			return dir
		}
		if dir := getenv(xdg); filepath.IsAbs(dir) {
			return filepath.Join(dir, tail)
		}
		if fallback == "" || userDir == "" {
			return ""
		}
		return filepath.Join(userDir, fallback, tail)
	}
	data := pick("STATE_DIRECTORY", "XDG_DATA_HOME", ".local/share", "simplexkit/default")
	config := pick("CONFIGURATION_DIRECTORY", "XDG_CONFIG_HOME", ".config", "simplexkit")
	if data == "" || config == "" {
		return Home{}, errors.New("neither HOME nor XDG_DATA_HOME is set")
	}
	h := In(data)
	h.Config = filepath.Join(config, "simplexd.toml")
	if dir := pick("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "", "simplexkit"); dir != "" {
		h.Socket = filepath.Join(dir, "simplexd.sock")
	}
	return h, nil
}

// firstPath is the first of systemd's colon-separated directories.
func firstPath(list string) string {
	first, _, _ := strings.Cut(list, ":")
	return first
}

// DB is the profile's database file.
func (h Home) DB() string { return filepath.Join(h.Dir, "simplexd.db") }

// SwarmDir holds the repositories and files of the swarm.
func (h Home) SwarmDir() string { return filepath.Join(h.Dir, "swarm") }

// RelayDir is the home of the embedded relay.
func (h Home) RelayDir() string { return filepath.Join(h.Dir, "relay") }

func (h Home) lockFile() string { return filepath.Join(h.Dir, "simplexd.lock") }

// Exists reports whether init has made a profile here.
func (h Home) Exists() (bool, error) {
	_, err := os.Stat(h.Config)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("home: %w", err)
	}
	return true, nil
}

// Make creates the directories, closed to other users.
func (h Home) Make() error {
	for _, dir := range []string{h.Dir, filepath.Dir(h.Config), filepath.Dir(h.Socket)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("home: %w", err)
		}
	}
	return nil
}
