package relaycheck_test

import (
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/relaycheck"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smpserver"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options() relaycheck.Options {
	l := relaycheck.Limits{Warn: time.Minute, Crit: time.Minute}
	return relaycheck.Options{Connect: l, Roundtrip: l, Cert: relaycheck.Limits{Warn: 14 * 24 * time.Hour, Crit: time.Hour}}
}

func state(t *testing.T, r relaycheck.Result, want relaycheck.State) {
	t.Helper()
	if r.State != want {
		t.Errorf("%v, want %v: %v, %+v", r.State, want, r.Err, r.Measures)
	}
}

func TestRun(t *testing.T) {
	relay := smptest.Start(t)
	addr := smp.AuthServer{ServerAddr: relay.Addr}
	r := relaycheck.Run(t.Context(), addr, options())
	state(t, r, relaycheck.OK)
	if len(r.Measures) != 3 {
		t.Errorf("measures are %+v", r.Measures)
	}
	if st := relay.Server().Stats(); st.Created != 1 || st.QueuesInCache != 0 {
		t.Errorf("the queue is still there: %+v", st)
	}
	o := options()
	o.Roundtrip.Warn = 1
	state(t, relaycheck.Run(t.Context(), addr, o), relaycheck.Warning)
	o.Connect.Crit = 1
	o.Roundtrip.Crit = time.Minute
	state(t, relaycheck.Run(t.Context(), addr, o), relaycheck.Critical)
	o = options()
	o.Cert.Warn = 1 << 62
	state(t, relaycheck.Run(t.Context(), addr, o), relaycheck.Warning)
}

func TestFaults(t *testing.T) {
	relay, other := smptest.Start(t), smptest.Start(t, smptest.WithConfig(func(c *smpserver.Config) { c.NoNewQueues = true }))
	wrong := relay.Addr
	wrong.KeyHash = other.Addr.KeyHash
	r := relaycheck.Run(t.Context(), smp.AuthServer{ServerAddr: wrong}, options())
	state(t, r, relaycheck.Critical)
	if !errors.Is(r.Err, smpclient.ErrFingerprint) {
		t.Errorf("another relay's address: %v", r.Err)
	}
	r = relaycheck.Run(t.Context(), smp.AuthServer{ServerAddr: other.Addr}, options())
	state(t, r, relaycheck.Critical)
	if !errors.Is(r.Err, smp.ErrAuth) || !strings.HasPrefix(r.Err.Error(), "roundtrip: ") {
		t.Errorf("a relay without new queues: %v", r.Err)
	}
	// One that accepts and says nothing is critical in time.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	silent := relay.Addr
	_, silent.Port, _ = net.SplitHostPort(l.Addr().String())
	o := options()
	o.Connect.Crit, o.Roundtrip.Crit = 10*time.Millisecond, 10*time.Millisecond
	state(t, relaycheck.Run(t.Context(), smp.AuthServer{ServerAddr: silent}, o), relaycheck.Critical)
}

// TestFormats puts good and bad results into words.
func TestFormats(t *testing.T) {
	relay := smptest.Start(t)
	gone := relay.Addr
	gone.Port = "1"
	n := 0
	all := relaycheck.All(t.Context(), []smp.AuthServer{{ServerAddr: relay.Addr}, {ServerAddr: gone}}, options(), func(relaycheck.Result) { n++ })
	if n != 2 || relaycheck.Worst(all) != relaycheck.Critical {
		t.Errorf("%d results, worst %v", n, relaycheck.Worst(all))
	}
	lines := strings.Split(relaycheck.Nagios(all), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], "CRITICAL 1 of 2 relays are OK | ") || strings.Count(relaycheck.Nagios(all), "|") != 1 {
		t.Errorf("nagios:\n%s", strings.Join(lines, "\n"))
	}
	text, err := relaycheck.JSON(all)
	var v struct {
		State  string
		Relays []struct{ State, Error string }
	}
	if err != nil || json.Unmarshal([]byte(text), &v) != nil || v.State != "CRITICAL" || v.Relays[0].State != "OK" || v.Relays[1].Error == "" {
		t.Errorf("json: %s, %v", text, err)
	}
	if p := relaycheck.Prometheus(all); !strings.Contains(p, "\"} 2\n") || strings.Count(p, "# TYPE") != 4 {
		t.Errorf("prometheus:\n%s", p)
	}
	if got := relaycheck.Unknown.Worse(relaycheck.Warning); got != relaycheck.Unknown {
		t.Errorf("unknown is worse than a warning, not %v", got)
	}
}
