package doctor

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Port is a port that others must reach.
type Port struct {
	Proto  string // "tcp" or "udp"
	Number uint16
}

func (p Port) String() string { return fmt.Sprintf("%d/%s", p.Number, p.Proto) }

// A wall is a program that rules the kernel's packet filter.
type wall struct {
	name string
	// look tells whether it is at work, and which ports it lets through. The
	// error says that this user cannot find out.
	look func(ctx context.Context, ports []Port) (active bool, open map[Port]bool, err error)
	// open are the lines that let ports through.
	open func(ports []Port) []string
}

// walls are those that we know, those first that use the others underneath.
var walls = []wall{
	{"ufw", lookUFW, each("sudo ufw allow %[1]d/%[2]s")},
	{"firewalld", lookFirewalld, openFirewalld},
	{"nftables", lookNFT, each("sudo nft insert rule inet filter input %[2]s dport %[1]d accept")},
	{"iptables", lookIPTables, each("sudo iptables -I INPUT -p %[2]s --dport %[1]d -j ACCEPT")},
}

// nixos is named only where it runs.
var nixos = wall{"NixOS", nil, func(ports []Port) (out []string) {
	for _, p := range ports {
		out = append(out, fmt.Sprintf("networking.firewall.allowed%sPorts = [ %d ];   # configuration.nix, then nixos-rebuild switch", strings.ToUpper(p.Proto), p.Number))
	}
	return out
}}

func each(format string) func([]Port) []string {
	return func(ports []Port) (out []string) {
		for _, p := range ports {
			out = append(out, fmt.Sprintf(format, p.Number, p.Proto))
		}
		return out
	}
}

func openFirewalld(ports []Port) []string {
	line := "sudo firewall-cmd --permanent"
	for _, p := range ports {
		line += fmt.Sprintf(" --add-port=%s", p)
	}
	return []string{line + " && sudo firewall-cmd --reload"}
}

// Firewall looks for a firewall on this machine that keeps others from ports,
// and gives the lines to paste.
func Firewall(ctx context.Context, ports ...Port) Finding {
	var hidden []string // programs that only root can ask
	var lines []string
	for _, w := range walls {
		active, open, err := w.look(ctx, ports)
		if err != nil {
			hidden, lines = append(hidden, w.name), append(lines, w.open(ports)...)
			continue
		}
		if !active {
			continue
		}
		var shut []Port
		for _, p := range ports {
			if !open[p] {
				shut = append(shut, p)
			}
		}
		if len(shut) == 0 {
			return Found("firewall", OK, "%s lets %s through", w.name, list(ports))
		}
		if _, err := os.Stat("/etc/NIXOS"); err == nil {
			w.open = nixos.open
		}
		return Found("firewall", Warning, "%s runs, and no rule was found that lets %s through", w.name, list(shut)).
			WithHint("if nobody gets through, paste this").WithLines(w.open(shut)...)
	}
	if len(hidden) > 0 {
		return Found("firewall", Skipped, "only root can ask %s", strings.Join(hidden, ", ")).
			WithHint("if nobody gets through, paste the line for the one that you use").WithLines(lines...)
	}
	return Found("firewall", OK, "none was found on this machine")
}

func list(ports []Port) string {
	var s []string
	for _, p := range ports {
		s = append(s, p.String())
	}
	return strings.Join(s, " and ")
}

// run runs a program that says what it knows in no time. found is false where
// there is none of that name.
func run(ctx context.Context, name string, args ...string) (out string, found bool, err error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = time.Second
	b, err := cmd.Output()
	return string(b), true, err
}

func lookUFW(ctx context.Context, ports []Port) (bool, map[Port]bool, error) {
	out, found, err := run(ctx, "ufw", "status")
	switch {
	case !found:
		return false, nil, nil
	case err == nil:
		return strings.Contains(out, "Status: active"), ufwOpen(out, ports), nil
	}
	// Everybody may read whether it is on.
	if conf, rerr := os.ReadFile("/etc/ufw/ufw.conf"); rerr == nil && !strings.Contains(string(conf), "ENABLED=yes") {
		return false, nil, nil
	}
	return false, nil, err
}

// ufwOpen reads the table of "ufw status": To, Action, From.
func ufwOpen(out string, ports []Port) map[Port]bool {
	open := map[Port]bool{}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 2 || f[1] != "ALLOW" && f[1] != "LIMIT" {
			continue
		}
		spec, proto, both := strings.Cut(f[0], "/")
		for _, p := range ports {
			if (!both || proto == p.Proto) && (within(spec, p.Number) || spec == "Anywhere") {
				open[p] = true
			}
		}
	}
	return open
}

func lookFirewalld(ctx context.Context, ports []Port) (bool, map[Port]bool, error) {
	out, found, err := run(ctx, "firewall-cmd", "--state")
	if !found || strings.TrimSpace(out) != "running" {
		// It answers "not running" with an error; anything else is a refusal.
		if found && err != nil && out != "" && !strings.Contains(out, "not running") {
			return false, nil, err
		}
		return false, nil, nil
	}
	open := map[Port]bool{}
	for _, p := range ports {
		if out, _, err := run(ctx, "firewall-cmd", "--query-port="+p.String()); err == nil && strings.TrimSpace(out) == "yes" {
			open[p] = true
		}
	}
	return true, open, nil
}

func lookNFT(ctx context.Context, ports []Port) (bool, map[Port]bool, error) {
	out, found, err := run(ctx, "nft", "list", "ruleset")
	if !found || err != nil {
		return false, nil, err
	}
	return nftActive(out), rulesOpen(out, nftPort, ports), nil
}

var (
	nftInput    = regexp.MustCompile(`hook input [^}]*`)
	nftPort     = regexp.MustCompile(`(tcp|udp) dport (\{[^}]*\}|\S+)[^\n]*\baccept\b`)
	iptPort     = regexp.MustCompile(`-A INPUT [^\n]*-p (tcp|udp) [^\n]*--dports? (\S+)[^\n]*-j ACCEPT`)
	iptRefusing = regexp.MustCompile(`(?m)^-P INPUT DROP|^-A INPUT .*-j (DROP|REJECT)`)
)

// nftActive tells whether a chain for what comes in turns anything away.
func nftActive(out string) bool {
	for _, chain := range nftInput.FindAllString(out, -1) {
		if strings.Contains(chain, "policy drop") || strings.Contains(chain, "reject") || regexp.MustCompile(`\bdrop\b`).MatchString(chain) {
			return true
		}
	}
	return false
}

func lookIPTables(ctx context.Context, ports []Port) (bool, map[Port]bool, error) {
	out, found, err := run(ctx, "iptables", "-S", "INPUT")
	if !found || err != nil {
		return false, nil, err
	}
	return iptRefusing.MatchString(out), rulesOpen(out, iptPort, ports), nil
}

// rulesOpen finds rules with a protocol and ports that accept.
func rulesOpen(out string, rule *regexp.Regexp, ports []Port) map[Port]bool {
	open := map[Port]bool{}
	for _, m := range rule.FindAllStringSubmatch(out, -1) {
		for _, p := range ports {
			if m[1] == p.Proto && within(strings.Trim(m[2], "{} "), p.Number) {
				open[p] = true
			}
		}
	}
	return open
}

// within tells whether a list of ports and ranges of them has n.
func within(spec string, n uint16) bool {
	for _, s := range strings.FieldsFunc(spec, func(r rune) bool { return r == ',' || r == ' ' }) {
		from, to, isRange := strings.Cut(strings.Replace(s, ":", "-", 1), "-")
		if !isRange {
			to = from
		}
		a, err1 := strconv.ParseUint(from, 10, 16)
		b, err2 := strconv.ParseUint(to, 10, 16)
		if err1 == nil && err2 == nil && uint64(n) >= a && uint64(n) <= b {
			return true
		}
	}
	return false
}
