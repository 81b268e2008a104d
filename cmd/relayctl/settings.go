package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/lib/settings"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
)

var configFlag = &ucli.StringFlag{Name: "config", Aliases: []string{"c"}, Usage: "`FILE` with settings, instead of the user's simplexkit/relayctl.toml", EnvVars: []string{"RELAYCTL_CONFIG"}}

// settingFlags are a flag for each setting. Their variables are read by
// relayhome, which so knows where a value came from.
func settingFlags() []ucli.Flag {
	var out []ucli.Flag
	for _, v := range relayhome.Known() {
		usage := fmt.Sprintf("%s [$%s]", v.Doc, settings.Variable(relayhome.Prefix, v))
		if v.Secret {
			usage = fmt.Sprintf("file with what is %s [$%s]", v.Doc, settings.Variable(relayhome.Prefix, v))
		}
		switch v.Default.(type) {
		case bool:
			out = append(out, &ucli.BoolFlag{Name: v.Flag, Usage: usage, DisableDefaultText: true})
		case []string:
			out = append(out, &ucli.StringSliceFlag{Name: v.Flag, Usage: usage})
		default:
			out = append(out, &ucli.StringFlag{Name: v.Flag, Usage: usage})
		}
	}
	return out
}

// sources are the places where this command finds settings.
func sources(c *ucli.Context) relayhome.Sources {
	user := c.String("config")
	if user == "" {
		user = filepath.Join(configHome(), "simplexkit", "relayctl.toml")
	}
	system := "/etc/simplexkit"
	if dir := os.Getenv("CONFIGURATION_DIRECTORY"); dir != "" { // of a systemd unit
		system = dir
	}
	return relayhome.Sources{
		Files:      []string{filepath.Join(system, "relayctl.toml"), user},
		Lookup:     lookup,
		ReadSecret: readPassword,
		Flags: func(s *settings.Set) error {
			for _, v := range relayhome.Known() {
				if !c.IsSet(v.Flag) {
					continue
				}
				text := fmt.Sprint(c.Value(v.Flag))
				if _, ok := v.Default.([]string); ok {
					text = strings.Join(c.StringSlice(v.Flag), ",")
				}
				if err := s.Flag(v.Flag, text); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func configHome() string {
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return dir
	}
	if dir, err := os.UserHomeDir(); err == nil {
		return filepath.Join(dir, ".config")
	}
	return "."
}

// lookup finds variables, and the credentials of a systemd unit where a
// variable could name a file with a secret.
func lookup(name string) (string, bool) {
	if v, ok := os.LookupEnv(name); ok {
		return v, true
	}
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	base, secret := strings.CutSuffix(strings.TrimPrefix(name, relayhome.Prefix), "_FILE")
	if dir == "" || !secret || name == relayhome.Prefix+"STORE_DSN_FILE" { // relayhome knows that one
		return "", false
	}
	path := filepath.Join(dir, strings.ToLower(strings.ReplaceAll(base, "_", "-")))
	_, err := os.Stat(path)
	return path, err == nil
}
