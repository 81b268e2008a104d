package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/simplexkit/simplexkit/lib/sdnotify"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
)

// signals reads some things again at each SIGHUP, and prepares for
// another program at SIGUSR2.
func (s *serving) signals(ctx context.Context, r *relayhome.Relay) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP, syscall.SIGUSR2)
	defer signal.Stop(caught)
	for {
		select {
		case <-ctx.Done():
			return
		case sig := <-caught:
			tell(s.log, sdnotify.Reloading)
			if sig == syscall.SIGHUP {
				s.reload(ctx, r)
			} else if s.handover(ctx) {
				s.log.Info("going on as the program now at this path")
				s.stop()
				return
			}
			tell(s.log, sdnotify.Ready)
		}
	}
}

// reload reads what may change: certificate, users, the block-list, and the
// level of logs.
func (s *serving) reload(ctx context.Context, r *relayhome.Relay) {
	if err := r.Reload(); err != nil {
		s.log.Error("certificate and users stay as they were", "err", err)
	} else {
		s.log.Info("certificate and users read again")
	}
	h, err := s.again()
	if err != nil {
		s.log.Error("log_level and block_list stay as they were", "err", err)
		return
	}
	s.block(ctx, r, h)
}

// block blocks what is on the list of the settings.
func (s *serving) block(ctx context.Context, r *relayhome.Relay, h *relayhome.Home) {
	list, err := h.BlockList()
	n := 0
	if err == nil {
		n, err = r.BlockAll(ctx, list)
	}
	if err != nil && ctx.Err() == nil {
		s.log.Error("queues on the block-list may not be blocked", "err", err)
	} else if len(list) > 0 {
		s.log.Info("queues on the block-list are blocked", "listed", len(list), "here", n)
	}
}

// handover keeps the listeners open, if the program and the settings are
// good.
func (s *serving) handover(ctx context.Context) bool {
	kept := new(sdnotify.Kept)
	err := s.tryProgram(ctx)
	for name, ls := range map[string][]net.Listener{"smp": s.smp, "metrics": s.metrics} {
		for _, l := range ls {
			if err == nil {
				err = kept.Keep(name, l)
			}
		}
	}
	if err != nil {
		kept.Close()
		s.log.Error("this program stays as it was", "err", err)
		return false
	}
	s.kept = kept
	return true
}

// tryProgram has the program look at the settings.
func (s *serving) tryProgram(ctx context.Context) error {
	at := slices.Index(os.Args, "serve")
	if s.program == "" || at < 0 {
		return errors.New("its path is not known")
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.program, slices.Concat(os.Args[1:at], []string{"config", "test"}, os.Args[at+1:])...)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}
