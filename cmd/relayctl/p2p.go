package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/p2p"
	"github.com/simplexkit/simplexkit/lib/sdnotify"
	"github.com/simplexkit/simplexkit/lib/smp/relayadmin"
)

//go:embed unit/relayctl-p2p.service
var p2pUnit string

// p2pKeyFile is the node's key, by which its address names it.
const p2pKeyFile = "p2p.key"

func p2pServeCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "serve",
		Usage: "run a rendez-vous and relay for peers until SIGTERM or SIGINT; prints its addresses",
		Description: "Devices that know its address find each other by it, learn whether they can be\n" +
			"reached, and reach each other over it where no direct road is found. It sees who\n" +
			"speaks with whom, and none of what they say: that is TLS from device to device.\n\n" +
			"The addresses, one a line, are for the bootstrap setting of simplexd and pair. The\n" +
			"key is made at the first start and lies in the home, as p2p.key.",
		CustomHelpTemplate: cli.Help([]string{
			"relayctl p2p serve --home ./R",
			"relayctl p2p serve --listen :4101 --advertise p2p.example.org",
			"relayctl p2p serve --metrics-listen 127.0.0.1:9226",
		}, exit.Done, exit.Usage, exit.DataErr, exit.CantCreate, exit.OSErr, exit.IOErr, exit.NoPerm),
		Flags: slices.Concat([]ucli.Flag{homeFlag,
			&ucli.StringFlag{Name: "listen", Value: ":4101", Usage: "`ADDRESS` for TCP and QUIC (UDP)", EnvVars: []string{"RELAYCTL_P2P_LISTEN"}},
			&ucli.StringSliceFlag{Name: "advertise", Usage: "`HOST` that peers use: a domain or an address, where it is not the interface's", EnvVars: []string{"RELAYCTL_P2P_ADVERTISE"}},
			&ucli.StringSliceFlag{Name: "bootstrap", Usage: "`MULTIADDR` of another node, to share the rendez-vous with", EnvVars: []string{"RELAYCTL_P2P_BOOTSTRAP"}},
			&ucli.IntFlag{Name: "reservations", Value: 1024, Usage: "`NUMBER` of devices that can be reached over it at once", EnvVars: []string{"RELAYCTL_P2P_RESERVATIONS"}},
			&ucli.Int64Flag{Name: "relay-bytes", Value: 1 << 30, Usage: "`BYTES` of a relayed connection, each way", EnvVars: []string{"RELAYCTL_P2P_RELAY_BYTES"}},
			&ucli.DurationFlag{Name: "relay-time", Value: 2 * time.Hour, Usage: "`DURATION` of a relayed connection", EnvVars: []string{"RELAYCTL_P2P_RELAY_TIME"}},
			&ucli.StringFlag{Name: "metrics-listen", Usage: "`ADDRESS` for Prometheus, such as 127.0.0.1:9226 or unix:/path", EnvVars: []string{"RELAYCTL_P2P_METRICS_LISTEN"}},
		}, logFlags),
		Action: func(c *ucli.Context) error { return runP2PServe(c, e) },
	}
}

func p2pAddressCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:               "id",
		Usage:              "print the node's peer ID, with which its addresses end",
		CustomHelpTemplate: cli.Help([]string{"relayctl p2p id --home ./R"}, exit.Done, exit.Usage, exit.DataErr, exit.CantCreate, exit.NoPerm),
		Flags:              []ucli.Flag{homeFlag},
		Action: func(c *ucli.Context) error {
			dir, err := home(c)
			if err != nil {
				return err
			}
			key, err := p2pKey(dir)
			if err != nil {
				return err
			}
			id, err := p2p.PeerOf(key.Public())
			if err != nil {
				return exit.Wrap(exit.Software, err)
			}
			return print(e, "%s\n", id)
		},
	}
}

func p2pUnitCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:               "print-unit",
		Usage:              "print a unit for systemd that runs the node",
		CustomHelpTemplate: cli.Help([]string{"relayctl p2p print-unit > /etc/systemd/system/p2p-node.service"}, exit.Done, exit.Usage),
		Action: func(c *ucli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return print(e, "%s", strings.ReplaceAll(p2pUnit, "EXEC", program()))
		},
	}
}

// p2pKey reads the node's key, and makes it if there is none.
func p2pKey(dir string) (ed25519.PrivateKey, error) {
	path := filepath.Join(dir, p2pKeyFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newP2PKey(dir, path)
	}
	if err != nil {
		return nil, exit.Errorf(exit.IOErr, "p2p key: %w", err)
	}
	if st, err := os.Stat(path); err == nil && st.Mode().Perm()&0o077 != 0 {
		return nil, exit.Errorf(exit.NoPerm, "%s: others may read it", path).WithHint("chmod 600 %s", path)
	}
	block, _ := pem.Decode(b)
	if block != nil {
		if k, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if key, ok := k.(ed25519.PrivateKey); ok {
				return key, nil
			}
		}
	}
	return nil, exit.Errorf(exit.DataErr, "%s: no Ed25519 key in it", path).WithHint("restore it, or remove it for a node with another address")
}

func newP2PKey(dir, path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, exit.Wrap(exit.Software, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, exit.Wrap(exit.Software, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, exit.Errorf(exit.CantCreate, "p2p key: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, exit.Errorf(exit.CantCreate, "p2p key: %w", err)
	}
	err = errors.Join(pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der}), f.Sync(), f.Close())
	if err != nil {
		return nil, exit.Errorf(exit.IOErr, "p2p key: %w", err)
	}
	return key, nil
}

// p2pListen are the multiaddrs of host:port.
func p2pListen(listen string) ([]string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "--listen: %w", err).WithHint("write HOST:PORT, or :PORT for all interfaces")
	}
	hosts := []string{host}
	if host == "" {
		hosts = []string{"0.0.0.0", "::"}
	}
	var out []string
	for _, h := range hosts {
		ip := net.ParseIP(h)
		if ip == nil {
			return nil, exit.Errorf(exit.Usage, "--listen: %q is no IP address", h)
		}
		out = append(out, fmt.Sprintf("/%s/%s/tcp/%s", family(ip), h, port), fmt.Sprintf("/%s/%s/udp/%s/quic-v1", family(ip), h, port))
	}
	return out, nil
}

func family(ip net.IP) string {
	if ip.To4() != nil {
		return "ip4"
	}
	return "ip6"
}

// p2pAddresses are what peers are given: those of the host, or with the hosts
// that are to be advertised in place of the interfaces'.
func p2pAddresses(h *p2p.Host, hosts []string) []string {
	own := h.Addrs()
	if len(hosts) == 0 {
		return own
	}
	var out []string
	for _, name := range hosts {
		proto := "dns"
		if ip := net.ParseIP(name); ip != nil {
			proto = family(ip)
		}
		for _, a := range own {
			parts := strings.SplitN(a, "/", 4) // "", ip4, address, rest
			if text := "/" + proto + "/" + name + "/" + parts[3]; !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	return out
}

func runP2PServe(c *ucli.Context, e *env) error {
	log, err := logger(c, e)
	if err != nil {
		return err
	}
	dir, err := home(c)
	if err != nil {
		return err
	}
	key, err := p2pKey(dir)
	if err != nil {
		return err
	}
	listen, err := p2pListen(c.String("listen"))
	if err != nil {
		return err
	}
	h, err := p2p.Open(p2p.Config{Key: key, Listen: listen, Bootstrap: c.StringSlice("bootstrap"), Serve: true, UserAgent: "relayctl",
		Logger: log, Relay: p2p.RelayLimits{Reservations: c.Int("reservations"), Data: c.Int64("relay-bytes"), Duration: c.Duration("relay-time")}})
	if err != nil {
		return exit.Errorf(exit.OSErr, "%w", err).WithHint("another program may have the port of --listen")
	}
	defer h.Close()
	ctx, cancel := context.WithCancel(c.Context)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel()
	if addr := c.String("metrics-listen"); addr != "" {
		l, err := relayadmin.ListenMetrics(ctx, addr)
		if err != nil {
			return err
		}
		beside.Go(func() { p2pMetrics(ctx, l, h) })
	}
	for _, a := range p2pAddresses(h, c.StringSlice("advertise")) {
		if err := print(e, "%s\n", a); err != nil {
			return err
		}
	}
	tell(log, sdnotify.Ready, sdnotify.Status("serving peers"))
	beside.Go(func() { sdnotify.RunWatchdog(ctx, func(context.Context) error { return nil }) })
	err = h.Run(ctx)
	tell(log, sdnotify.Stopping)
	return err
}

// p2pMetrics serves the node's counters until ctx ends.
func p2pMetrics(ctx context.Context, l net.Listener, h *p2p.Host) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		n := h.Counters()
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		for _, m := range []struct {
			name, kind, help string
			v                int64
		}{
			{"relay_p2p_peers", "gauge", "Peers that are connected.", int64(n.Connections)},
			{"relay_p2p_reservations", "gauge", "Devices that can be reached over this node.", n.Reservations},
			{"relay_p2p_circuits", "gauge", "Relayed connections.", n.Circuits},
			{"relay_p2p_circuits_total", "counter", "Relayed connections since the start.", n.CircuitsAll},
			{"relay_p2p_refused_total", "counter", "Requests for reservations and circuits that were refused.", n.Refused},
			{"relay_p2p_relayed_bytes_total", "counter", "Bytes that were relayed.", n.Bytes},
		} {
			fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s %d\n", m.name, m.help, m.name, m.kind, m.name, m.v)
		}
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, `{"status":"ok"}`) })
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	_ = srv.Serve(l)
}
