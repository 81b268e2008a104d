//go:build !linux

package doctor

// kernelClock tells that kernels of this system are not asked.
func kernelClock() Finding {
	return Found("clock", Skipped, "not compared").WithHint("--ntp SERVER compares the clock with a server's")
}
