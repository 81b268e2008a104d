// Bench measures what the parts cost, as ratios against a floor measured in
// the same run, and prints a JSON object for each row:
//
//	{"name":"ratchet_16k","ours":…,"floor":…,"unit":"1/s","ratio":…,"iqr":…,"rounds":5,"floor_is":"…"}
//
// A ratio is ours/floor, the median over rounds in which ours and the floor
// take turns; iqr is the distance of its quartiles as a part of the median. A
// row whose quartiles lie further apart than 20 % is measured again, up to
// twice and in the first minutes, and marked "noisy" if that does not help.
//
//	go run ./scripts/bench [-short|-long] [-bin DIR] [-run REGEXP]
//
// All of it takes under ten minutes, for which the last rows get short rounds
// on a slow machine ("short":true in their lines); -long has rounds of 10 s, and stores of a
// million queues, and a few rows more.
//
// The relay and the floor's server run on core 0 and the load generator on
// core 1, where taskset exists and there are two cores. See
// design notes in docs/bench.md.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/simplexkit/simplexkit/lib/testworld"
)

func main() {
	var o options
	flag.BoolVar(&o.short, "short", false, "few and short rounds: figures for a glance")
	flag.BoolVar(&o.long, "long", false, "long rounds and large stores: figures to publish")
	flag.StringVar(&o.bin, "bin", "", "directory of built programs; without it they are built")
	only := flag.String("run", "", "only rows whose name matches `REGEXP`")
	echo := flag.String("echo", "", "internal: serve the floor's blocks on `ADDRESS`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *echo != "" {
		err = serveEcho(ctx, *echo)
	} else if o.only, err = regexp.Compile(*only); err == nil {
		err = o.run(ctx)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: error: %v\n", err)
		os.Exit(1)
	}
}

// hurry is when the rows that are left get short rounds, unless in long mode:
// on a slow machine too the whole ends in ten minutes.
const hurry = 6 * time.Minute

// patience is how long noisy rows are measured again, unless in long mode.
const patience = 4 * time.Minute

type options struct {
	short bool
	long  bool
	// patience is until when noisy rows are measured again.
	patience time.Time
	bin      string
	only     *regexp.Regexp
	dir      string
}

// rows are all measurements, those that say most first.
func rows() []row {
	return slices.Concat(ratchetRows(), stepRows(), relayRows(), memoryRows(), latencyRows(), loadRows(), proxiedRows(), agentRows(), depthRows(), growthRows(), clientRows(), xrcpRows(), swarmRows(), p2pRows())
}

func (o *options) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o.dir = dir
	if o.bin == "" {
		o.bin = dir + "/bin"
		if err := testworld.Build(ctx, o.bin, "relayctl", "simplexd"); err != nil {
			return err
		}
	}
	pinSelf()
	o.patience = time.Now().Add(patience)
	if o.long {
		o.patience = time.Now().Add(time.Hour)
	}
	start := time.Now()
	for _, r := range rows() {
		if !o.only.MatchString(r.name) || r.long && !o.long {
			continue
		}
		o.short = o.short || !o.long && time.Since(start) > hurry
		if err := o.measure(ctx, r); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return nil
}

// cores pins prefix commands to core 0, if the machine has another for us.
func cores(core string, args ...string) []string {
	path, err := exec.LookPath("taskset")
	if err != nil || runtime.NumCPU() < 2 {
		return args
	}
	return append([]string{path, "-c", core}, args...)
}

// result is a line of output.
type result struct {
	Name    string             `json:"name"`
	Ours    float64            `json:"ours"`
	Floor   float64            `json:"floor,omitempty"`
	Unit    string             `json:"unit"`
	Ratio   float64            `json:"ratio,omitempty"`
	IQR     float64            `json:"iqr,omitempty"`
	Rounds  int                `json:"rounds"`
	FloorIs string             `json:"floor_is,omitempty"`
	Noisy   bool               `json:"noisy,omitempty"`
	Short   bool               `json:"short,omitempty"`
	More    map[string]float64 `json:"more,omitempty"`
}

func (r result) print() error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = fmt.Printf("%s\n", b)
	return err
}

// roundTime is how long one side of one round takes.
func (o *options) roundTime(full time.Duration) time.Duration {
	switch {
	case o.short:
		return full / 20
	case o.long:
		return full
	}
	return full / 6
}
