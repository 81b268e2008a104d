package doctor

import (
	"time"

	"golang.org/x/sys/unix"
)

// kernelClock asks the kernel, which knows whether something keeps its clock
// right, but not whether that succeeds.
func kernelClock() Finding {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return Found("clock", Unknown, "ask the kernel: %v", err).WithHint("--ntp SERVER compares the clock with a server's")
	}
	if state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0 {
		return Found("clock", Warning, "nothing sets the clock").
			WithHint("timedatectl set-ntp true sets it; --ntp SERVER compares it with a server's")
	}
	return Found("clock", OK, "set by a time service, at most %s wrong", (time.Duration(t.Maxerror) * time.Microsecond).Round(time.Millisecond))
}
