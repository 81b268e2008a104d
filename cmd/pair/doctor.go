package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/cmd/internal/doctor"
	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/discovery"
)

const doctorHelp = `Looks at what a host on this network needs to get through to this machine: the addresses, of
which the first goes into invitations, the port, the firewall, announcements by multicast,
and the clock; and says what to do.

With --live it also shows an invitation that is good for nothing else, and tells what comes
of it: a TCP connection, TLS, the session code. Scan it with the phone, "Use from desktop";
the phone is turned away as soon as it has come that far.

Exit codes are those of the Monitoring Plugins, of the worst finding: 0 OK, 1 WARNING,
2 CRITICAL, 3 UNKNOWN (it could not look); and 64 for wrong arguments.`

func doctorCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:        "doctor",
		Usage:       "find out why hosts do not get through",
		Description: doctorHelp,
		CustomHelpTemplate: cli.Help([]string{
			"pair doctor",
			"pair doctor --live",
			"pair doctor --json | jq -r '.findings[] | select(.check == \"firewall\") | .lines[]'",
		}),
		Flags: []ucli.Flag{
			&ucli.IntFlag{Name: "port", Value: discovery.DefaultPort, Usage: "TCP `PORT` that pair invite is to listen at", EnvVars: []string{"PAIR_PORT"}},
			&ucli.StringFlag{Name: "addr", Usage: "`ADDRESS`, or interface, for invitations", EnvVars: []string{"PAIR_ADDR"}},
			&ucli.StringFlag{Name: "ntp", Usage: "compare the clock with that of `SERVER`", EnvVars: []string{"PAIR_NTP"}},
			&ucli.BoolFlag{Name: "live", Usage: "show an invitation, and what becomes of it", EnvVars: []string{"PAIR_LIVE"}},
			&ucli.StringFlag{Name: "qr", Value: "auto", Usage: "with --live, `HOW` to draw the code: auto, half, full, kitty, iterm, sixel, png, png:FILE or none", EnvVars: []string{"PAIR_QR"}},
		},
		Action: func(c *ucli.Context) error {
			if c.NArg() != 0 {
				return exit.Errorf(exit.Usage, "doctor takes no arguments")
			}
			port := c.Int("port")
			if port < 1 || port > 65535 {
				return exit.Errorf(exit.Usage, "--port %d: there are ports 1 to 65535", port)
			}
			ctx, cancel := e.limit(c.Context, 5*time.Minute)
			defer cancel()
			return e.diagnose(ctx, c, uint16(port))
		},
	}
}

func (e *env) diagnose(ctx context.Context, c *ucli.Context, port uint16) error {
	addrs, f := addressFinding(c.String("addr"))
	all := []doctor.Finding{f}
	all = append(all, portFinding(ctx, addrs, port),
		doctor.Firewall(ctx, doctor.Port{Proto: "tcp", Number: port}, doctor.Port{Proto: "udp", Number: discovery.Group.Port()}),
		multicastFinding(ctx, addrs), doctor.Clock(ctx, c.String("ntp")))
	if c.Bool("live") {
		if len(addrs) == 0 {
			all = append(all, doctor.Found("live", doctor.Skipped, "no address to be called at"))
		} else {
			if !e.json {
				e.foretell(all)
			}
			f, err := e.live(ctx, c.String("qr"), addrs[0], port)
			if err != nil {
				return err
			}
			all = append(all, f)
		}
	}
	r := doctor.NewReport(all)
	text, err := r.Text(), error(nil)
	if e.json {
		text, err = r.JSON()
	}
	if err == nil {
		err = e.write([]byte(text))
	}
	if err != nil {
		return doctor.Broken(err)
	}
	return r.Err()
}

// foretell tells people what is known, before they take up the phone.
func (e *env) foretell(all []doctor.Finding) {
	for _, f := range all {
		if f.State != doctor.OK && f.State != doctor.Skipped {
			e.note("%s", f)
		}
	}
}

// addressFinding ranks the addresses; the first one is that of invitations.
func addressFinding(want string) ([]discovery.Address, doctor.Finding) {
	addrs, err := discovery.Addresses()
	if err != nil && !errors.Is(err, discovery.ErrNoAddress) {
		return nil, doctor.Found("address", doctor.Unknown, "%v", err)
	}
	if len(addrs) == 0 {
		return nil, doctor.Found("address", doctor.Critical, "this machine has no IPv4 address").WithHint("connect it to the network that the host is in")
	}
	if want != "" {
		addrs = discovery.Prefer(addrs, want)
		if addrs[0].IP.String() != want && addrs[0].Interface != want {
			return addrs, doctor.Found("address", doctor.Critical, "no address or interface %s here", want).WithLines(addressLines(addrs)...)
		}
	}
	return addrs, rankedFinding(addrs).WithLines(addressLines(addrs)...)
}

func rankedFinding(addrs []discovery.Address) doctor.Finding {
	best := addrs[0]
	f := doctor.Found("address", doctor.OK, "%s, on %s, goes into invitations", best.IP, best.Interface)
	switch {
	case best.Kind == discovery.Loopback:
		f.State = doctor.Critical
		return f.WithHint("only this machine gets through to it: connect it to the network that the host is in")
	case best.Kind == discovery.VPN:
		f.State = doctor.Warning
		return f.WithHint("only hosts in the same VPN get through to it: end the VPN, or put the phone into it")
	case best.Kind == discovery.Virtual:
		f.State = doctor.Warning
		return f.WithHint("it is a network of containers or virtual machines on this machine: --addr names another address")
	case slices.ContainsFunc(addrs, func(a discovery.Address) bool { return a.Default && a.Kind == discovery.VPN }):
		f.State = doctor.Warning
		return f.WithHint("all else leaves through a VPN, and some VPNs cut the local network off: allow it there, or end the VPN while pairing")
	}
	return f
}

func addressLines(addrs []discovery.Address) (out []string) {
	for _, a := range addrs {
		line := fmt.Sprintf("%-15s %-10s %s", a.IP, a.Interface, a.Kind)
		if a.Default {
			line += ", default route"
		}
		out = append(out, line)
	}
	return out
}

// portFinding opens the port and calls it at the address of invitations.
func portFinding(ctx context.Context, addrs []discovery.Address, port uint16) doctor.Finding {
	l, err := discovery.Listen(ctx, "", port)
	if err != nil {
		return doctor.Found("port", doctor.Warning, "%d: %v", port, err).
			WithHint("pair invite takes another port, which a firewall's rule may not let through: end the other program, or name a port with --port")
	}
	defer l.Close()
	if len(addrs) == 0 {
		return doctor.Found("port", doctor.OK, "%d is free", port)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			c.Close()
		}
	}()
	at := net.JoinHostPort(addrs[0].IP.String(), strconv.Itoa(int(port)))
	dialCtx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(dialCtx, "tcp4", at)
	if err == nil {
		conn.Close()
	}
	l.Close()
	<-done
	if err != nil {
		return doctor.Found("port", doctor.Critical, "this machine does not get through to %s: %v", at, err).WithHint("something on this machine refuses: see the firewall")
	}
	return doctor.Found("port", doctor.OK, "%d is free, and open from this machine at %s", port, at)
}

// multicastFinding announces a session to itself, as a controller does to a
// host that it knows, from each address in turn.
func multicastFinding(ctx context.Context, addrs []discovery.Address) doctor.Finding {
	r, err := discovery.Receive(discovery.Group)
	if err != nil {
		return doctor.Found("multicast", doctor.Warning, "%v", err).WithHint("known hosts do not find this machine by themselves; invitations work all the same")
	}
	defer r.Close()
	var heard, deaf []string
	for _, a := range addrs {
		if a.Kind == discovery.Loopback || !slices.Contains(r.Joined, a.Interface) {
			continue
		}
		if err := announceToSelf(ctx, r, a.IP); err != nil {
			deaf = append(deaf, fmt.Sprintf("%s: %v", a.Interface, err))
		} else {
			heard = append(heard, a.Interface)
		}
	}
	switch {
	case len(heard) == 0 && len(deaf) == 0:
		return doctor.Found("multicast", doctor.Warning, "no interface carries it").WithHint("known hosts do not find this machine by themselves; invitations work all the same")
	case len(heard) == 0:
		return doctor.Found("multicast", doctor.Warning, "announcements to %s are not heard, not even here", discovery.Group).WithLines(deaf...).
			WithHint("let UDP port %d through the firewall; invitations work all the same", discovery.Group.Port())
	}
	return doctor.Found("multicast", doctor.OK, "announcements to %s are heard on %v", discovery.Group, heard).WithLines(deaf...)
}

// selfWait is how long a datagram takes at most that stays on the machine.
const selfWait = 3 * time.Second

func announceToSelf(ctx context.Context, r *discovery.Receiver, ip netip.Addr) error {
	now := time.Now()
	p, err := xrcp.NewHostPairing(now)
	if err != nil {
		return err
	}
	keys := xrcp.NewSessionKeys()
	inv, err := xrcp.Invitation{
		CA: p.CA.Fingerprint(), Host: ip.String(), Port: discovery.DefaultPort, Versions: xrcp.Versions,
		App: []byte(`{}`), Unix: now.Unix(), DH: keys.DH.Public(),
	}.Sign(keys.Sign, p.ID)
	if err != nil {
		return err
	}
	known, err := xrcp.NewControllerPairing(&inv.Invitation, now)
	if err != nil {
		return err
	}
	packet, err := xrcp.SealAnnouncement(inv, known.DH.Public(), keys.DH, box.NewNonce())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, selfWait)
	defer cancel()
	sending, stop := context.WithCancel(ctx)
	sent := make(chan error, 1)
	go func() {
		sent <- discovery.Announcer{From: ip, Every: 200 * time.Millisecond}.Run(sending, 0, func() ([]byte, error) { return packet, nil })
	}()
	_, _, err = r.Find(ctx, []*xrcp.ControllerPairing{known}, time.Now, xrcp.DefaultWindow, nil)
	stop()
	if serr := <-sent; serr != nil {
		return serr
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("sent, and not heard")
	}
	return err
}
