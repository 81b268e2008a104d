package relayhome

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/settings"
	"github.com/simplexkit/simplexkit/lib/smp"
)

// Settings are what relay.toml holds, see package settings.
type Settings struct {
	Hosts          []string `toml:"hosts" flag:"host" doc:"names or addresses in the relay's address, the first is preferred"`
	Port           string   `toml:"port" doc:"port in the relay's address"`
	Listen         string   `toml:"listen" doc:"host:port to listen on, several with commas between; empty: the port, on all interfaces unless hosts are of this machine only"`
	Password       string   `toml:"new_queue_password" secret:"yes" doc:"needed to create queues, in the relay's address; empty: everybody may, unless there are users"`
	NoNew          bool     `toml:"no_new_queues" doc:"refuse to create queues"`
	TTLDays        int      `toml:"message_ttl_days" doc:"messages are kept this long, in days"`
	Quota          int      `toml:"queue_quota" doc:"messages that wait in a queue"`
	MaxConns       int      `toml:"max_connections" doc:"connections at once"`
	MaxSubs        int      `toml:"max_subscriptions" doc:"queues that one connection may subscribe to"`
	MaxCreated     int      `toml:"max_created_queues" doc:"queues that one connection may create"`
	MaxConnsOfAddr int      `toml:"max_connections_per_address" doc:"connections at once from one address, or from one /64 of IPv6; 0: an eighth of max_connections"`
	Unlimited      []string `toml:"unlimited_addresses" doc:"addresses or networks without that limit, and without the one of handshakes, such as those of proxies in front of the relay; this machine's never have them"`
	IdleMins       int      `toml:"idle_minutes" doc:"connections without subscriptions are closed after this much silence, in minutes"`
	Proxy          bool     `toml:"proxy" doc:"forward messages to other relays for clients that do not want these to see their addresses; needs the password for new queues"`
	// ProxyHosts and the like say where to.
	ProxyHosts   []string `toml:"proxy_hosts" doc:"relays to forward to: names, or domains with a leading dot for all below; none: all"`
	ProxyPrivate bool     `toml:"proxy_private_hosts" doc:"forward to relays in private networks and on this machine too; a relay whose own hosts are all such always does"`
	ProxySOCKS   string   `toml:"proxy_socks" doc:"host:port of a SOCKS5 proxy, such as Tor's, to reach relays with onion hosts; empty: they are not reached"`
	BlockList    string   `toml:"block_list" doc:"file with queues to block, one on each line: its ID or address, and spam or content; read at start and at SIGHUP; what is taken off the list stays blocked until relayctl smp unblock"`
	LogLevel     string   `toml:"log_level" doc:"what is logged: error, warn, info or debug; the flags -v and -q win; read again at SIGHUP"`
	Metrics      string   `toml:"metrics_listen" doc:"host:port or unix:/path for /metrics, /healthz and /readyz; empty: none"`
	Store        string   `toml:"store" doc:"where queues are kept: sqlite, in queues.db of the relay's home, or postgres, a database that several relays of one identity may use"`
	DSNFile      string   `toml:"store_dsn_file" doc:"file with the connection string of the PostgreSQL database; empty: the credential store-dsn of the systemd unit, or the file store-dsn of the relay's home, or the variables of PostgreSQL's clients"`
}

// DefaultPort is that of SMP.
const DefaultPort = "5223"

func defaults() Settings {
	return Settings{Port: DefaultPort, TTLDays: 21, Quota: 128, MaxConns: 100_000, MaxSubs: 1_000_000, MaxCreated: 1_000_000, IdleMins: 720, Proxy: true, Store: StoreSQLite, LogLevel: "warn"}
}

// ListenAddr is the address to listen on, or several with commas between.
func (s Settings) ListenAddr() string {
	if s.Listen != "" {
		return s.Listen
	}
	local := ""
	for _, h := range s.Hosts {
		ip := net.ParseIP(h)
		if h == "localhost" {
			ip = net.IPv4(127, 0, 0, 1)
		}
		if ip == nil || !ip.IsLoopback() || local != "" && local != ip.String() {
			return net.JoinHostPort("", s.Port)
		}
		local = ip.String()
	}
	return net.JoinHostPort(local, s.Port)
}

// wrong is a value that cannot be: the setting's key and why.
type wrong struct {
	key string
	err error
}

// check looks for the first value that cannot be.
func (s Settings) check() *wrong {
	if len(s.Hosts) == 0 {
		return &wrong{"hosts", errors.New("none given; the relay's address needs one")}
	}
	for _, part := range []struct {
		key string
		s   Settings
	}{
		{"hosts", Settings{Hosts: s.Hosts}},
		{"port", Settings{Hosts: []string{"h"}, Port: s.Port}},
	} {
		if _, err := smp.ParseAuthServer(part.s.address("").String()); err != nil {
			return &wrong{part.key, err}
		}
	}
	if w := (Settings{Hosts: []string{"h"}, Password: s.Password}).checkPassword(); w != nil {
		return w
	}
	for _, addr := range splitList(s.Listen) {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return &wrong{"listen", fmt.Errorf("%s: no host:port", addr)}
		}
	}
	if m := s.Metrics; m != "" && !strings.HasPrefix(m, "unix:/") {
		if _, _, err := net.SplitHostPort(m); err != nil {
			return &wrong{"metrics_listen", fmt.Errorf("%s: neither host:port nor unix:/path", m)}
		}
	}
	for _, n := range []struct {
		key string
		n   int
	}{{"message_ttl_days", s.TTLDays}, {"queue_quota", s.Quota}, {"max_connections", s.MaxConns},
		{"max_subscriptions", s.MaxSubs}, {"max_created_queues", s.MaxCreated}, {"idle_minutes", s.IdleMins}} {
		if n.n < 1 {
			return &wrong{n.key, fmt.Errorf("%d: must be above 0", n.n)}
		}
	}
	if _, err := s.Level(); err != nil {
		return &wrong{"log_level", err}
	}
	if w := s.checkProxy(); w != nil {
		return w
	}
	if w := s.checkLimits(); w != nil {
		return w
	}
	return s.checkStore()
}

// Level is what LogLevel names.
func (s Settings) Level() (slog.Level, error) {
	switch s.LogLevel {
	case "error":
		return slog.LevelError, nil
	case "warn":
		return slog.LevelWarn, nil
	case "info":
		return slog.LevelInfo, nil
	case "debug":
		return slog.LevelDebug, nil
	}
	return 0, fmt.Errorf("%s: there are error, warn, info and debug", s.LogLevel)
}

func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// address is the address with some identity.
func (s Settings) address(id smp.Fingerprint) smp.AuthServer {
	if id == "" {
		id = smp.Fingerprint(make([]byte, 32))
	}
	a := smp.AuthServer{ServerAddr: smp.ServerAddr{Hosts: s.Hosts, Port: s.Port, KeyHash: id}}
	if s.Password != "" {
		p := smp.BasicAuth(s.Password)
		a.BasicAuth = &p
	}
	return a
}

// encode gives the text of relay.toml, with defaults commented out.
func (s Settings) encode() ([]byte, error) {
	v := defaults()
	set := settings.Of(&v)
	given := settings.Of(&s).All()
	for i, d := range set.All() {
		if fmt.Sprint(d.Value) == fmt.Sprint(given[i].Value) && d.Key != "hosts" && d.Key != "port" {
			continue
		}
		text := fmt.Sprint(given[i].Value)
		if list, ok := given[i].Value.([]string); ok {
			text = strings.Join(list, ",")
		}
		if err := set.Text(d.Key, text, fileSettings); err != nil {
			return nil, exit.Errorf(exit.Software, "relay home: %w", err)
		}
	}
	b, err := set.Describe()
	if err != nil {
		return nil, exit.Errorf(exit.Software, "relay home: %w", err)
	}
	return append([]byte("# Settings of this message relay, read at start. Those that begin with #\n# have their default.\n\n"), b...), nil
}

// Sources are the places that settings come from besides the home's own file.
// They are read in this order, with the home's file after Files; later ones
// win.
type Sources struct {
	Files  []string                    // TOML files; it is no error if they are not there
	Lookup func(string) (string, bool) // environment variables, which begin with Prefix; nil: none
	Flags  func(*settings.Set) error   // nil: none
	// ReadSecret reads files with secrets that variables and flags name.
	ReadSecret func(path string) (string, error)
}

// Prefix begins the names of environment variables.
const Prefix = "RELAYCTL_"

// Load reads a home, with no settings but its own.
func Load(dir string) (*Home, error) { return LoadFrom(dir, Sources{}) }

// LoadFrom reads a home, and settings from other places too. Settings that
// cannot be used are an [exit.Config] error that tells where they stand.
func LoadFrom(dir string, src Sources) (*Home, error) {
	h, err := LoadSettings(dir, src)
	if err != nil {
		return nil, err
	}
	return h, h.loadCredential()
}

// LoadSettings is LoadFrom without keys and certificates.
func LoadSettings(dir string, src Sources) (*Home, error) {
	h := &Home{Dir: dir, Settings: defaults()}
	h.Origins = settings.Of(&h.Settings)
	h.Origins.ReadSecret = src.ReadSecret
	own, err := read(dir, fileSettings)
	if err != nil {
		var e *exit.Error
		if errors.As(err, &e) && e.Code == exit.NoInput {
			e.Hint = "make a relay with: relayctl smp init --home " + dir + " --host HOST"
		}
		return nil, err
	}
	for _, path := range src.Files {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, exit.Errorf(exit.IOErr, "settings: %w", err)
		}
		if err := h.Origins.File(path, text); err != nil {
			return nil, settingsError(err)
		}
	}
	if err := h.Origins.File(filepath.Join(dir, fileSettings), own); err != nil {
		return nil, settingsError(err)
	}
	if src.Lookup != nil {
		if err := h.Origins.Env(Prefix, src.Lookup); err != nil {
			return nil, settingsError(err)
		}
	}
	if src.Flags != nil {
		if err := src.Flags(h.Origins); err != nil {
			return nil, settingsError(err)
		}
	}
	if w := h.Settings.check(); w != nil {
		return nil, settingsError(&settings.Error{Origin: h.Origins.Origin(w.key), Key: w.key, Err: w.err})
	}
	return h, nil
}

// settingsError gives an error its exit code and says what to do.
func settingsError(err error) error {
	var e *settings.Error
	if !errors.As(err, &e) {
		return exit.Wrap(exit.Config, err)
	}
	out := exit.Errorf(exit.Config, "%w", err)
	switch {
	case e.Origin[0] == '$':
		return out.WithHint("change or unset the variable; relayctl smp config describe tells what it is for")
	case e.Origin[0] == '-':
		return out.WithHint("relayctl smp config describe tells what the setting is for")
	case e.Key == "":
		return out.WithHint("the file must be TOML; relayctl smp config describe prints an example")
	}
	return out.WithHint("correct it in %s; relayctl smp config describe tells what the settings are", e.Origin)
}

// Describe gives all settings with their defaults, as the text of a file.
func Describe() ([]byte, error) {
	v := defaults()
	return settings.Of(&v).Describe()
}

// Known gives all settings with their defaults.
func Known() []settings.Value {
	v := defaults()
	return settings.Of(&v).All()
}
