// Package doctor looks at a relay from the machine that it runs on: what will
// go wrong soon, and why clients cannot reach it.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/relayadmin"
	"github.com/simplexkit/simplexkit/lib/smp/relaycheck"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
)

// Finding is what was found of one thing.
type Finding struct {
	Name  string
	State relaycheck.State
	Text  string
	Hint  string // what to do; empty if all is well
}

// Worst is the state of all together.
func Worst(all []Finding) relaycheck.State {
	s := relaycheck.OK
	for _, f := range all {
		s = s.Worse(f.State)
	}
	return s
}

const day = 24 * time.Hour

// Look examines a relay. It changes nothing.
func Look(ctx context.Context, h *relayhome.Home) []Finding {
	var out []Finding
	add := func(f Finding) { out = append(out, f) }
	add(disk(h.Dir))
	add(store(ctx, h))
	for _, f := range certificate(h) {
		add(f)
	}
	var live relayadmin.Info
	err := relayadmin.Call(ctx, h.Dir, "info", "", "", &live)
	add(running(live, err))
	if err == nil {
		add(files(live.PID, h.Settings.MaxConns))
		add(port(ctx, h))
	}
	for _, host := range h.Settings.Hosts {
		add(name(ctx, host))
	}
	return out
}

// disk judges the file system of the home.
func disk(dir string) Finding {
	f := Finding{Name: "disk"}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		f.State, f.Text = relaycheck.Unknown, err.Error()
		return f
	}
	size := uint64(st.Bsize) //nolint:unconvert // its type differs between systems
	f.State, f.Hint = space(st.Bavail*size, st.Blocks*size)
	f.Text = fmt.Sprintf("%.1f of %.1f GiB are free in %s", gib(st.Bavail*size), gib(st.Blocks*size), dir)
	return f
}

func gib(n uint64) float64 { return float64(n) / (1 << 30) }

func space(free, all uint64) (relaycheck.State, string) {
	const hint = "make room: a relay whose disk is full takes no messages"
	switch {
	case free < 200<<20 || free < all/50:
		return relaycheck.Critical, hint
	case free < 1<<30 || free < all/10:
		return relaycheck.Warning, hint
	}
	return relaycheck.OK, ""
}

// store counts what is in it, which reads its indexes.
func store(ctx context.Context, h *relayhome.Home) Finding {
	f := Finding{Name: "store"}
	n, err := h.Counts(ctx)
	if err != nil {
		f.State, f.Text, f.Hint = relaycheck.Critical, err.Error(), "restore a backup, or see that the database runs"
		return f
	}
	f.Text = fmt.Sprintf("%s has %d queues and %d messages", h.Settings.Store, n.Queues, n.Messages)
	return f
}

func certificate(h *relayhome.Home) []Finding {
	c, err := h.Cert()
	if err != nil {
		return []Finding{{Name: "certificate", State: relaycheck.Critical, Text: err.Error(), Hint: "relayctl smp cert rotate"}}
	}
	left := time.Until(c.NotAfter)
	f := Finding{Name: "certificate", Text: "the online one is good until " + c.NotAfter.UTC().Format(time.DateOnly)}
	if left < 14*day {
		f.State, f.Hint = relaycheck.Warning, "relayctl smp cert rotate --ca-key FILE"
	}
	if left < 3*day {
		f.State = relaycheck.Critical
	}
	k := Finding{Name: "offline key", Text: "is not in the home"}
	if c.CAKeyHere {
		k.State, k.Text, k.Hint = relaycheck.Warning, "lies in the home: who gets in takes the relay's address for good",
			"copy ca.key to a safe place on another machine, then delete it here"
	}
	return []Finding{f, k}
}

func running(live relayadmin.Info, err error) Finding {
	f := Finding{Name: "process"}
	switch {
	case errors.Is(err, relayadmin.ErrNotRunning):
		f.State, f.Text, f.Hint = relaycheck.Critical, "no relay runs on this home", "relayctl smp serve, or systemctl start of its unit"
	case err != nil:
		f.State, f.Text, f.Hint = relaycheck.Critical, err.Error(), "look at its log"
	default:
		f.Text = fmt.Sprintf("%d runs since %s, listens on %s", live.PID, live.Started.UTC().Format(time.RFC3339), live.Listen)
	}
	return f
}

// files judges how many files the process may open.
func files(pid, conns int) Finding {
	f := Finding{Name: "open files"}
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	text, err := os.ReadFile(filepath.Join(dir, "limits"))
	if err != nil {
		f.State, f.Text = relaycheck.Unknown, err.Error()
		return f
	}
	limit, err := openFiles(string(text))
	if err != nil {
		f.State, f.Text = relaycheck.Unknown, err.Error()
		return f
	}
	f.Text = fmt.Sprintf("up to %d", limit)
	open, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err == nil {
		f.Text = fmt.Sprintf("%d of %d", len(open), limit)
	}
	f.State, f.Hint = fileState(len(open), limit, conns)
	return f
}

// openFiles finds the limit that holds in the text of /proc/PID/limits.
func openFiles(text string) (int, error) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			words := strings.Fields(rest)
			if len(words) > 0 {
				return strconv.Atoi(words[0])
			}
		}
	}
	return 0, errors.New("the limit is not known")
}

func fileState(open, limit, conns int) (relaycheck.State, string) {
	const hint = "raise LimitNOFILE in the unit, or lower max_connections"
	switch {
	case open > limit/20*19:
		return relaycheck.Critical, hint
	case open > limit/5*4:
		return relaycheck.Warning, hint
	case limit < conns:
		return relaycheck.Warning, fmt.Sprintf("max_connections is %d, each takes a file: %s", conns, hint)
	}
	return relaycheck.OK, ""
}

// port connects as a client on this machine does.
func port(ctx context.Context, h *relayhome.Home) Finding {
	addr := h.Address().ServerAddr
	host, p, err := net.SplitHostPort(strings.Split(h.Settings.ListenAddr(), ",")[0])
	f := Finding{Name: "port"}
	if err != nil {
		f.State, f.Text = relaycheck.Unknown, err.Error()
		return f
	}
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	addr.Hosts, addr.Port = []string{host}, p
	limits := relaycheck.Limits{Warn: 2 * time.Second, Crit: 10 * time.Second}
	r := relaycheck.Run(ctx, smp.AuthServer{ServerAddr: addr}, relaycheck.Options{Connect: limits})
	if f.State = r.State; r.Err != nil {
		f.Text, f.Hint = r.Err.Error(), "does another program, or a relay with another identity, listen there? Does a firewall of this machine refuse it?"
		return f
	}
	f.Text = fmt.Sprintf("%s answers with the relay's fingerprint", net.JoinHostPort(host, p))
	return f
}

// name resolves a host of the address. Whether it leads here cannot be known
// behind a router.
func name(ctx context.Context, host string) Finding {
	f := Finding{Name: "name " + host}
	if strings.HasSuffix(host, ".onion") {
		f.Text = "is Tor's"
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		f.State, f.Text, f.Hint = relaycheck.Critical, err.Error(), "set the name's address in DNS; clients cannot find the relay"
		return f
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		f.State, f.Text = relaycheck.Unknown, err.Error()
		return f
	}
	var texts []string
	for _, ip := range ips {
		texts = append(texts, ip.String())
		for _, a := range own {
			if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip.IP) || ip.IP.IsLoopback() {
				f.Text = ip.String() + " is an address of this machine"
				return f
			}
		}
	}
	f.State, f.Text = relaycheck.Warning, strings.Join(texts, ", ")+" is no address of this machine"
	f.Hint = "if a router forwards the port to this machine, all is well; try relayctl smp check from elsewhere"
	return f
}
