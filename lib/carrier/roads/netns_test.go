package roads_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/carrier/roads"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/discovery"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcpctl"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcphost"
)

// roleVar has this test's program be a device in a network namespace.
const roleVar = "ROADS_TEST_ROLE"

// TestNamespaces has two devices on a network of their own: paired by a link,
// they find each other by multicast, also after the controller's address has
// changed, and over the roads of datagrams.
func TestNamespaces(t *testing.T) {
	a, b := namespaces(t)
	ctl, host := startDevice(t, a, "controller"), startDevice(t, b, "host")
	talk := func(hostDoes, wantRoad string) {
		t.Helper()
		link := ctl.ask(t, "offer")
		host.tell(t, strings.Replace(hostDoes, "LINK", link, 1))
		if got := ctl.answer(t); got != wantRoad && wantRoad != "any" {
			t.Errorf("%.20s: the controller saw %q, not %q", hostDoes, got, wantRoad)
		}
		if got := host.answer(t); got != "served" {
			t.Errorf("%.20s: %s", hostDoes, got)
		}
	}
	talk("connect tcp LINK", "tcp")
	talk("wait", "any") // known by now: the announcement is enough
	ip(t, "-n", a, "addr", "add", "10.77.0.9/24", "dev", "lan")
	ip(t, "-n", a, "addr", "del", "10.77.0.1/24", "dev", "lan")
	ip(t, "-n", a, "addr", "add", "10.77.0.9/24", "dev", "lan") // gone with the first, where it was a second
	talk("wait", "any")
	for _, n := range []carrier.Name{carrier.FlipUDP, carrier.FlipTCP, carrier.DTLS, carrier.Libp2p} {
		talk("connect "+string(n)+" LINK", string(n))
	}

	// The network is away for a moment, and the session goes on.
	host.tell(t, "connect tcp "+ctl.ask(t, "offer and wait"))
	if got := ctl.answer(t); got != "attached" {
		t.Fatal(got)
	}
	ip(t, "-n", b, "link", "set", "lan", "down")
	ctl.tell(t, "go on")
	<-time.After(time.Second)
	ip(t, "-n", b, "link", "set", "lan", "up")
	if got := ctl.answer(t); got != "tcp" {
		t.Error(got)
	}
	if got := host.answer(t); got != "served" {
		t.Error(got)
	}
}

// namespaces are two with a cable between, or the test is skipped.
func namespaces(t *testing.T) (a, b string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces: not root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("network namespaces: the program ip (iproute2) is not installed")
	}
	a, b = fmt.Sprintf("roads-%d-a", os.Getpid()), fmt.Sprintf("roads-%d-b", os.Getpid())
	for _, ns := range []string{a, b} {
		if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
			t.Skipf("network namespaces are not possible here: %s", out)
		}
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	}
	if out, err := exec.Command("ip", "-n", a, "link", "add", "lan", "type", "veth", "peer", "name", "lan", "netns", b).CombinedOutput(); err != nil {
		t.Skipf("network namespaces: no cable between: %s", out)
	}
	for ns, addr := range map[string]string{a: "10.77.0.1/24", b: "10.77.0.2/24"} {
		ip(t, "-n", ns, "addr", "add", addr, "dev", "lan")
		ip(t, "-n", ns, "link", "set", "lan", "up")
		ip(t, "-n", ns, "link", "set", "lo", "up")
	}
	return a, b
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "File exists") && !strings.Contains(string(out), "already assigned") {
		t.Fatalf("ip %s: %s", strings.Join(args, " "), out)
	}
}

// device is a process in a namespace: it gets lines and answers with lines.
type device struct {
	in  io.WriteCloser
	out chan string
}

func startDevice(t *testing.T, ns, role string) *device {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", ns, program, "-test.run=^TestDevice$", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), roleVar+"="+role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &device{in: in, out: make(chan string, 100)}
	go func() {
		defer close(d.out)
		for s := bufio.NewScanner(out); s.Scan(); {
			if line, ok := strings.CutPrefix(s.Text(), "> "); ok {
				d.out <- line
			}
		}
	}()
	t.Cleanup(func() {
		_ = in.Close()
		for range d.out {
		}
		_ = cmd.Wait()
	})
	return d
}

func (d *device) tell(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(d.in, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

func (d *device) answer(t *testing.T) string {
	t.Helper()
	select {
	case line, ok := <-d.out:
		if !ok {
			t.Fatal("the device is gone")
		}
		return line
	case <-time.After(2 * patience):
		t.Fatal("no answer")
		return ""
	}
}

func (d *device) ask(t *testing.T, line string) string {
	t.Helper()
	d.tell(t, line)
	return d.answer(t)
}

// TestDevice is a device of TestNamespaces, until its input ends.
func TestDevice(t *testing.T) {
	role := os.Getenv(roleVar)
	if role == "" {
		t.Skip("a part of TestNamespaces")
	}
	both := newSides(t)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		var answer string
		var err error
		if role == "controller" {
			pause := func() {}
			if in.Text() == "offer and wait" {
				pause = func() { fmt.Println("> attached"); in.Scan() }
			}
			answer, err = both.offer(ctx, app(t), func(link string) { fmt.Println(">", link) }, pause)
		} else {
			answer, err = both.come(ctx, in.Text())
		}
		cancel()
		if err != nil {
			answer = err.Error()
		}
		fmt.Println(">", answer)
	}
}

// offer is a session of a controller, which says which road the host came by.
func (both *sides) offer(ctx context.Context, app json.RawMessage, show func(link string), pause func()) (string, error) {
	addrs, err := discovery.Addresses()
	if err != nil {
		return "", err
	}
	s, err := roads.Open(ctx, roads.Config{Via: carrier.Names[:len(carrier.Names)-2]}) // without a relay
	if err != nil {
		return "", err
	}
	defer func() { _ = s.Close() }()
	c, err := xrcpctl.New(xrcpctl.Config{
		Pairing: both.ctl, App: app, Listener: s.Session(), Host: addrs[0].IP.String(), Port: s.Port(), Hints: s.Hints(),
		Announcer: &discovery.Announcer{From: addrs[0].IP},
		Save:      func(_ context.Context, p *xrcp.HostPairing) error { both.ctl = p; return nil },
	})
	if err != nil {
		return "", err
	}
	show(c.Invitation().String())
	session, err := c.Accept(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = session.Close() }()
	pause()
	if _, err := session.Send(ctx, "/_get chats 1", 0); err != nil {
		return "", err
	}
	return string(session.Road()), nil
}

// come is a session of a host: "connect ROAD LINK", or "wait" for an
// announcement.
func (both *sides) come(ctx context.Context, what string) (string, error) {
	cfg := xrcphost.Config{
		App: []byte(`{}`), Confirm: func(context.Context, string) error { return nil },
		Save: func(_ context.Context, p *xrcp.ControllerPairing) error { both.host = p; return nil },
	}
	var via []carrier.Name
	words, err := strings.Fields(what), error(nil)
	if len(words) == 3 {
		via = []carrier.Name{carrier.Name(words[1])}
		cfg.Invitation, err = xrcp.ParseInvitation(words[2])
	} else {
		cfg.Invitation, err = both.hear(ctx)
	}
	if err != nil {
		return "", err
	}
	cfg.Pairing = both.host
	if cfg.Roads, err = roads.To(roads.Config{Via: via}, cfg.Invitation); err != nil {
		return "", err
	}
	session, err := xrcphost.Connect(ctx, cfg)
	if err != nil {
		return "", err
	}
	return "served", session.Serve(ctx, newProfile(), nil)
}

// hear waits for a multicast announcement, of which the address is that of the
// invitation.
func (both *sides) hear(ctx context.Context) (*xrcp.SignedInvitation, error) {
	r, err := discovery.Receive(discovery.Group)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	_, inv, err := r.Find(ctx, []*xrcp.ControllerPairing{both.host}, time.Now, xrcp.DefaultWindow, nil)
	if err == nil && !netip.MustParsePrefix("10.77.0.0/24").Contains(netip.MustParseAddr(inv.Host)) {
		err = fmt.Errorf("announced at %s", inv.Host)
	}
	return inv, err
}
