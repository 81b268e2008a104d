package store

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

const crashEnv = "SIMPLEXKIT_STORE_CRASH_CHILD"

// crashChild is the process that TestKill kills: it writes numbers from eight
// goroutines and prints each whose update returned nil.
func crashChild() bool {
	path := os.Getenv(crashEnv)
	if path == "" {
		return false
	}
	db, err := Open(context.Background(), path, Options{})
	if err == nil {
		err = db.Migrate(context.Background(), schema)
	}
	if err != nil {
		fmt.Println(err)
		return true
	}
	from := int(time.Now().UnixNano())
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := 0; ; i += 8 {
				if err := put(db, from+i+g); err != nil {
					fmt.Println(err)
					return
				}
				fmt.Println(from + i + g)
			}
		})
	}
	wg.Wait()
	return true
}

func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	acked := map[int]bool{}
	for round := range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashEnv+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for i := 0; lines.Scan(); i++ {
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Error(lines.Text())
			}
			acked[n] = true
			if i == 50+20*round {
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait() // killed
		db := openAt(t, path, Options{})
		if err := db.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		have := numbers(t, db)
		for n := range acked {
			if !have[n] {
				t.Errorf("round %d: %d is lost", round, n)
			}
		}
		t.Logf("round %d: %d acknowledged, %d there", round, len(acked), len(have))
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(strconv.Itoa(callers), func(b *testing.B) {
			db, err := Open(b.Context(), filepath.Join(b.TempDir(), "test.db"), Options{})
			if err == nil {
				err = db.Migrate(b.Context(), schema)
			}
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			next := make(chan int, callers)
			b.ResetTimer()
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for n := range next {
						if err := put(db, n); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for i := range b.N {
				next <- i
			}
			close(next)
			wg.Wait()
			b.ReportMetric(float64(db.Stats().Updates)/float64(db.Stats().Commits), "updates/commit")
		})
	}
}
