package cli

import (
	"runtime"
	"runtime/debug"
)

// version is set by the linker for releases (-X …/cmd/internal/cli.version=1.2.3).
var version string

// Version is the program's version: that of the release, else of the module,
// else the commit it was built from, else "devel".
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}

// Platform is the system and the toolchain the program was built for and by.
func Platform() string {
	return runtime.GOOS + "/" + runtime.GOARCH + " " + runtime.Version()
}
