// Notifyd wakes phones for messages: a SimpleX notification server.
package main

import (
	"context"
	"os"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
)

func main() {
	app := cli.Unbuilt("notifyd", "wakes phones for messages: a SimpleX notification server")
	os.Exit(cli.Run(context.Background(), app, os.Args, nil))
}
