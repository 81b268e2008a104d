package relaycheck

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// Name is how a relay is called in reports: its first host, and its port if
// that is not the usual one.
func (r Result) Name() string {
	name := r.Relay.Hosts[0]
	if p := r.Relay.Port; p != "" && p != "5223" {
		name += ":" + p
	}
	return name
}

// Worst is the state of all results together.
func Worst(all []Result) State {
	s := OK
	for _, r := range all {
		s = s.Worse(r.State)
	}
	return s
}

// perfOrder is the order of the performance data, the most telling first, and
// what measures are called in it.
var perfOrder = []struct{ measure, name string }{{"roundtrip", "rtt"}, {"proxy", "proxy"}, {"connect", "connect"}, {"cert", "cert"}}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// words are what the line of a result says.
func (r Result) words() string {
	if r.Err != nil {
		return strings.ReplaceAll(strings.ReplaceAll(r.Err.Error(), "\n", "; "), "|", "/")
	}
	var out []string
	for _, m := range r.Measures {
		switch {
		case m.Name == "cert" && m.State == OK:
		case m.Name == "cert":
			out = append(out, fmt.Sprintf("certificate expires in %d days", int(m.Value.Hours()/24)))
		case m.Name == "connect" && m.State == OK && len(r.Measures) > 1:
		default:
			out = append(out, m.Name+" "+seconds(m.Value)+"s")
		}
	}
	return strings.Join(out, ", ")
}

// perfdata are the numbers as the Monitoring Plugins write them.
func (r Result) perfdata(prefix string) string {
	var out []string
	for _, o := range perfOrder {
		for _, m := range r.Measures {
			if m.Name != o.measure {
				continue
			}
			if m.Name == "cert" {
				out = append(out, fmt.Sprintf("%s%s=%ds;%d:;%d:", prefix, o.name, int64(m.Value.Seconds()), int64(m.Warn.Seconds()), int64(m.Crit.Seconds())))
				continue
			}
			out = append(out, fmt.Sprintf("%s%s=%ss;%g;%g;0", prefix, o.name, seconds(m.Value), m.Warn.Seconds(), m.Crit.Seconds()))
		}
	}
	return strings.Join(out, " ")
}

// Nagios gives a line for one relay, or a line for all and one for each.
func Nagios(all []Result) string {
	var b strings.Builder
	line := func(r Result, name, perf string) {
		sep := " "
		if r.Err != nil {
			sep = ": "
		}
		fmt.Fprintf(&b, "%s relay %s%s%s", r.State, name, sep, r.words())
		if r.Flapping {
			b.WriteString(" (flapping)")
		}
		if perf != "" {
			b.WriteString(" | " + perf)
		}
		b.WriteByte('\n')
	}
	if len(all) == 1 {
		line(all[0], all[0].Relay.Hosts[0], all[0].perfdata(""))
		return b.String()
	}
	good := 0
	var perf []string
	for _, r := range all {
		if r.State == OK {
			good++
		}
		if p := r.perfdata(r.Name() + "_"); p != "" {
			perf = append(perf, p)
		}
	}
	fmt.Fprintf(&b, "%s %d of %d relays are OK | %s\n", Worst(all), good, len(all), strings.Join(perf, " "))
	for _, r := range all {
		line(r, r.Name(), "")
	}
	return b.String()
}

// Text gives a table for people.
func Text(all []Result) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "RELAY\tSTATE\tCONNECT\tROUNDTRIP\tPROXY\tCERTIFICATE\tERROR")
	for _, r := range all {
		cell := map[string]string{"connect": "-", "roundtrip": "-", "proxy": "-", "cert": "-"}
		for _, m := range r.Measures {
			cell[m.Name] = seconds(m.Value) + "s"
			if m.Name == "cert" {
				cell[m.Name] = fmt.Sprintf("%d days", int(m.Value.Hours()/24))
			}
		}
		text := ""
		if r.Err != nil {
			text = r.words()
		}
		if r.Flapping {
			text = strings.TrimSpace(text + " (flapping)")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Name(), r.State, cell["connect"], cell["roundtrip"], cell["proxy"], cell["cert"], text)
	}
	_ = w.Flush() // to memory
	return b.String()
}

// JSON gives an object. Addresses have no passwords in it.
func JSON(all []Result) (string, error) {
	type check struct {
		Name    string  `json:"name"`
		State   string  `json:"state"`
		Seconds float64 `json:"seconds"`
		Warn    float64 `json:"warn"`
		Crit    float64 `json:"crit"`
	}
	type relay struct {
		Address string  `json:"address"`
		State   string  `json:"state"`
		Error   string  `json:"error,omitempty"`
		Flaps   bool    `json:"flapping,omitempty"`
		Checks  []check `json:"checks"`
	}
	out := struct {
		V      int     `json:"v"`
		State  string  `json:"state"`
		Relays []relay `json:"relays"`
	}{V: 1, State: Worst(all).String(), Relays: []relay{}}
	for _, r := range all {
		o := relay{Address: r.Relay.String(), State: r.State.String(), Flaps: r.Flapping, Checks: []check{}}
		if r.Err != nil {
			o.Error = r.Err.Error()
		}
		for _, m := range r.Measures {
			o.Checks = append(o.Checks, check{m.Name, m.State.String(), m.Value.Seconds(), m.Warn.Seconds(), m.Crit.Seconds()})
		}
		out.Relays = append(out.Relays, o)
	}
	b, err := json.Marshal(out)
	return string(b) + "\n", err
}

// Prometheus gives gauges, each with the relay as a label.
func Prometheus(all []Result) string {
	var b strings.Builder
	b.WriteString("# HELP relay_check_state What the check found: 0 OK, 1 warning, 2 critical, 3 unknown.\n# TYPE relay_check_state gauge\n")
	for _, r := range all {
		fmt.Fprintf(&b, "relay_check_state{relay=%q} %d\n", r.Name(), int(r.State))
	}
	for _, f := range []struct{ check, name, help string }{
		{"connect", "relay_check_connect_seconds", "Time to connect."},
		{"roundtrip", "relay_check_roundtrip_seconds", "Time of a message to the relay and back."},
		{"proxy", "relay_check_proxy_seconds", "Time of a message through the proxy and back."},
		{"cert", "relay_check_certificate_remaining_seconds", "Time until the certificate expires."},
	} {
		head := fmt.Sprintf("# HELP %s %s\n# TYPE %s gauge\n", f.name, f.help, f.name)
		for _, r := range all {
			for _, m := range r.Measures {
				if m.Name == f.check {
					fmt.Fprintf(&b, "%s%s{relay=%q} %s\n", head, f.name, r.Name(), seconds(m.Value))
					head = ""
				}
			}
		}
	}
	return b.String()
}
