package p2p

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
)

// punchVar has this test's program run in a network namespace of its own, where
// addresses are public ones.
const punchVar = "P2P_TEST_NAMESPACE"

// TestRelayedBecomesDirect has two devices that meet over a relay. The library
// tries to make a road direct only between public addresses, which no machine
// has to spare: they are given to the loop-back of a namespace.
func TestRelayedBecomesDirect(t *testing.T) {
	if os.Getenv(punchVar) != "" {
		relayedBecomesDirect(t)
		return
	}
	if os.Getuid() != 0 {
		t.Skip("network namespaces: not root")
	}
	ns := fmt.Sprintf("p2p-%d", os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
		t.Skipf("network namespaces are not possible here: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	for _, args := range []string{"link set lo up", "addr add 11.0.0.1/32 dev lo", "addr add 11.0.0.2/32 dev lo", "addr add 11.0.0.3/32 dev lo"} {
		if out, err := exec.Command("ip", append([]string{"-n", ns}, strings.Fields(args)...)...).CombinedOutput(); err != nil {
			t.Skipf("ip %s: %s", args, out)
		}
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", ns, program, "-test.run=^TestRelayedBecomesDirect$", "-test.timeout=3m")
	cmd.Env = append(os.Environ(), punchVar+"=yes")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func relayedBecomesDirect(t *testing.T) {
	on := func(ip string) []string {
		return []string{"/ip4/" + ip + "/tcp/0", "/ip4/" + ip + "/udp/0/quic-v1"}
	}
	node := host(t, 14, func(c *Config) { c.Serve, c.Listen = true, on("11.0.0.1") })
	a := host(t, 15, func(c *Config) { c.Bootstrap, c.Reachability, c.Listen = node.Addrs(), "private", on("11.0.0.2") })
	var self atomic.Pointer[Host]
	b := host(t, 16, func(c *Config) {
		c.Bootstrap, c.Reachability, c.Listen = node.Addrs(), "private", on("11.0.0.3")
		c.DialAddr = func(addr string) bool { // the other's NAT lets nothing in before
			h := self.Load()
			return strings.Contains(addr, "11.0.0.1") || h != nil && h.Road(a.ID()) != None
		}
	})
	self.Store(b)
	a.Handle("/echo", echo)
	until(t, "a reservation at the relay", func() bool { return len(a.Status().Relays) == 1 })
	if got, _ := ask(t, b, a.ID(), "first"); got != "first" {
		t.Fatalf("%q", got)
	}
	if node.Counters().CircuitsAll == 0 {
		t.Fatal("they did not meet over the relay")
	}
	until(t, "the road becomes direct", func() bool { return b.Road(a.ID()) > Relayed && a.Road(b.ID()) > Relayed })
	if _, s := ask(t, b, a.ID(), "direct"); s.Road() == Relayed {
		t.Error("a new stream goes over the relay")
	}
}
