package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/simplexkit/simplexkit/lib/testworld"
)

// The two directions of the talk.
const (
	toBob   testworld.Stream = "alice>bob"
	toAlice testworld.Stream = "bob>alice"
)

func (d *demo) setUp() error {
	d.heading("A relay, and two people with a daemon each: three processes.")
	port, err := testworld.FreePort()
	if err != nil {
		return err
	}
	p := strconv.Itoa(port)
	out, err := d.sh("", "relayctl", "smp", "init", "--home", "R", "--host", "127.0.0.1", "--port", p)
	if err != nil {
		return err
	}
	d.address = strings.TrimSpace(out)
	if _, err := d.background("the relay", answers("tcp", "127.0.0.1:"+p), "relayctl", "smp", "serve", "--home", "R"); err != nil {
		return err
	}
	for _, who := range [][2]string{{"A", "alice"}, {"B", "bob"}} {
		if _, err := d.sh("", "simplexd", "--home", who[0], "init", who[1], "--smp-server", d.address); err != nil {
			return err
		}
		ready := answers("unix", d.dir+"/"+who[0]+"/simplexd.sock")
		if _, err := d.background(who[1]+"'s daemon", ready, "simplexd", "--home", who[0], "serve"); err != nil {
			return err
		}
	}
	return nil
}

// answers reports nil when something listens on address.
func answers(network, address string) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

func (d *demo) meet() error {
	d.heading("Alice makes a one-time invitation; Bob joins with it.")
	link, err := d.sh("", "simplexd", "--home", "A", "invite")
	if err != nil {
		return err
	}
	if _, err := d.sh("", "simplexd", "--home", "B", "connect", strings.TrimSpace(link)); err != nil {
		return err
	}
	for _, home := range []string{"A", "B"} {
		if _, err := d.sh("", "simplexd", "--home", home, "contacts"); err != nil {
			return err
		}
	}
	return nil
}

// send sends a text, from standard input if piped, and notes it.
func (d *demo) send(s testworld.Stream, text string, piped bool, flags ...string) error {
	home, to := "A", "@bob"
	if s == toAlice {
		home, to = "B", "@alice"
	}
	args := append([]string{"simplexd", "--home", home, "send", to}, flags...)
	stdin := text + "\n"
	if !piped {
		args, stdin = append(args, text), ""
	}
	d.history.Attempt(s, text)
	if _, err := d.sh(stdin, args...); err != nil {
		return err
	}
	d.history.Accept(s, text)
	return nil
}

// recv prints what is unread, and again until nothing is missing: after a kill
// a message may still be on its way.
func (d *demo) recv(s testworld.Stream) error {
	args := []string{"simplexd", "--home", "B", "recv"}
	if s == toAlice {
		args[2] = "A"
	}
	out, err := d.sh("", args...)
	for {
		if err != nil {
			return err
		}
		if err := d.received(s, out); err != nil {
			return err
		}
		if d.history.MissingOf(s) == 0 {
			return nil
		}
		select {
		case <-d.ctx.Done():
			return fmt.Errorf("%s: %d messages did not arrive in time", s, d.history.MissingOf(s))
		case <-time.After(100 * time.Millisecond):
			out, err = d.run("", args...)
		}
	}
}

func (d *demo) talk() error {
	d.heading("They talk. What one sends comes out of the other side as a JSON line.")
	for _, act := range []func() error{
		func() error { return d.send(toBob, "hello", true) },
		func() error { return d.send(toBob, "how are you?", false, "--json") },
		func() error { return d.recv(toBob) },
		func() error { return d.send(toAlice, "well, and you?", false) },
		func() error { return d.recv(toAlice) },
	} {
		if err := act(); err != nil {
			return err
		}
	}
	return nil
}

// crash kills each process once, while messages are under way.
func (d *demo) crash() error {
	d.heading("Each of the three is killed with SIGKILL once, with messages under way.")
	relay, alice, bob := d.processes[0], d.processes[1], d.processes[2]
	if err := d.kill(relay); err != nil {
		return err
	}
	fmt.Println("  (without the relay a message waits in Alice's home)")
	if err := d.send(toBob, "the relay is down", false, "--wait", "queued"); err != nil {
		return err
	}
	if err := d.kill(alice); err != nil {
		return err
	}
	if err := d.restart(relay); err != nil {
		return err
	}
	if err := d.restart(alice); err != nil {
		return err
	}
	if err := d.recv(toBob); err != nil {
		return err
	}
	if err := d.kill(bob); err != nil {
		return err
	}
	fmt.Println("  (without Bob's daemon messages wait at the relay)")
	for i := range 3 {
		if err := d.send(toBob, fmt.Sprintf("while you were away, %d", i+1), false); err != nil {
			return err
		}
	}
	if err := d.kill(relay); err != nil {
		return err
	}
	if err := d.restart(relay); err != nil {
		return err
	}
	if err := d.restart(bob); err != nil {
		return err
	}
	if err := d.recv(toBob); err != nil {
		return err
	}
	if err := d.send(toAlice, "got all of it", true); err != nil {
		return err
	}
	return d.recv(toAlice)
}

func (d *demo) kill(p *testworld.Process) error {
	fmt.Printf("$ kill -9 %d    # %s\n", p.Pid(), p.Name)
	return p.Kill()
}

func (d *demo) restart(p *testworld.Process) error {
	if err := p.Start(d.ctx); err != nil {
		return err
	}
	fmt.Printf("  %s runs again as process %d\n", p.Name, p.Pid())
	return nil
}

func (d *demo) stop() error {
	d.heading("The daemons end in order when asked; nothing was left unread.")
	for i := len(d.processes) - 1; i >= 0; i-- {
		p := d.processes[i]
		fmt.Printf("$ kill %d    # %s\n", p.Pid(), p.Name)
		if err := p.Stop(10 * time.Second); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) judge() error {
	if err := d.history.Check(); err != nil {
		return err
	}
	fmt.Printf("\n%d messages accepted, %d received: all of them, in order, none twice. %.1f s.\n",
		d.history.Count(testworld.Accepted), d.history.Count(testworld.Shown), time.Since(d.start).Seconds())
	return nil
}
