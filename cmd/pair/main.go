// Pair uses a phone's SimpleX profile from this machine, over XRCP.
package main

import (
	"context"
	"os"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
)

func main() {
	app := cli.Unbuilt("pair", "uses a phone's SimpleX profile from this machine, over XRCP")
	os.Exit(cli.Run(context.Background(), app, os.Args, nil))
}
