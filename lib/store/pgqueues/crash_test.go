package pgqueues_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/storetest"
	"github.com/simplexkit/simplexkit/lib/store/pgqueues"
	"github.com/simplexkit/simplexkit/lib/store/pgtest"
)

const crashEnv = "SIMPLEXKIT_PGQUEUES_CRASH_CHILD"

// crashChild is the process that TestKill kills: eight writers, each with a
// queue of its own, print what was committed.
func crashChild(dsn string) {
	ctx := context.Background()
	s, err := pgqueues.Open(ctx, dsn, pgqueues.Options{})
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			q := storetest.NewQueue(smp.Messaging)
			err := s.Update(ctx, func(tx queuestore.Tx) error { return tx.AddQueue(q, smp.LinkData{}) })
			for i := 0; err == nil; i++ {
				m := storetest.NewMessage(fmt.Sprint(i))
				err = s.Update(ctx, func(tx queuestore.Tx) error { return tx.AddMessage(q.Num, m) })
				if err == nil {
					fmt.Printf("%x %d %s\n", q.RecipientID, m.Seq, m.Body)
				}
			}
			fmt.Println("error:", err)
		})
	}
	wg.Wait()
}

func TestKill(t *testing.T) {
	dsn := pgtest.Start(t, pgtest.Options{Durable: true}).NewDatabase(t)
	type sent struct {
		seq  int64
		body string
	}
	for round := range 3 {
		acked := map[string][]sent{}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashEnv+"="+dsn)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for i := 0; lines.Scan(); i++ {
			var id string
			var m sent
			if strings.HasPrefix(lines.Text(), "error") {
				t.Error(lines.Text())
			} else if _, err := fmt.Sscan(lines.Text(), &id, &m.seq, &m.body); err == nil {
				acked[id] = append(acked[id], m)
			}
			if i == 200+100*round {
				_ = cmd.Process.Kill()
			}
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) {
			t.Fatalf("the child was not killed: %v", err)
		}
		s := open(t, dsn)
		for hex, want := range acked {
			var id []byte
			if _, err := fmt.Sscanf(hex, "%x", &id); err != nil {
				t.Fatal(err)
			}
			e, err := s.Lookup(t.Context(), queuestore.Ref{ID: smp.EntityID(id)})
			if err != nil || e[0] == nil {
				t.Fatalf("queue is lost: %v", err)
			}
			after := queuestore.Seq(0)
			for _, w := range want {
				m, err := s.Next(t.Context(), e[0].Queue.Num, after)
				if err != nil || m == nil || int64(m.Seq) != w.seq || string(m.Body) != w.body {
					t.Fatalf("message %+v: have %+v, %v", w, m, err)
				}
				after = m.Seq
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
