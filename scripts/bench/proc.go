package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// pinSelf keeps the load generator off core 0.
func pinSelf() {
	if runtime.NumCPU() < 2 {
		return
	}
	var set unix.CPUSet
	set.Set(1)
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	// Threads that begin later inherit the mask of the one that makes them.
	for _, e := range entries {
		if tid, err := strconv.Atoi(e.Name()); err == nil {
			_ = unix.SchedSetaffinity(tid, &set) // without it the figures are noisier
		}
	}
}

// cpuTime is the processor time that a process has used.
func cpuTime(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	var ticks int64
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100, nil // USER_HZ is 100 on Linux
}

// rss is a process's resident memory in bytes, without pages of files.
func rss(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb * 1024, err
		}
	}
	return 0, fmt.Errorf("process %d: no RssAnon", pid)
}

// perCPUSecond runs workers for d and returns how often fn ran, for each second
// of processor time that the process pid used meanwhile; also, for each second
// of the clock.
func perCPUSecond(pid int, d time.Duration, workers int, fn func(worker int) error) (cpu, clock float64, err error) {
	before, err := cpuTime(pid)
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	counts, errs := make([]int, workers), make([]error, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for time.Since(start) < d && errs[w] == nil {
				errs[w] = fn(w)
				counts[w]++
			}
		})
	}
	all.Wait()
	took := time.Since(start)
	after, err := cpuTime(pid)
	if err != nil {
		return 0, 0, err
	}
	total := 0
	for w := range workers {
		if errs[w] != nil {
			return 0, 0, errs[w]
		}
		total += counts[w]
	}
	used := max(after-before, 10*time.Millisecond)
	return float64(total) / used.Seconds(), float64(total) / took.Seconds(), nil
}
