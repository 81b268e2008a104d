package main

import (
	"context"
	"os"
	"path/filepath"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/remote"
)

func putCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "put",
		Usage:     "bring a file to a known host",
		ArgsUsage: "HOST FILE",
		Description: "Prints the name that the file has in the host's folder of files, for commands\n" +
			"that send it: {\"fileSource\":{\"filePath\":NAME}}. A file is there whole and with the\n" +
			"right digest, or not at all.",
		CustomHelpTemplate: cli.Help([]string{"pair put phone photo.jpg"}, exit.Done, exit.Usage, exit.NoInput, exit.NoUser,
			exit.Unavailable, exit.OSErr, exit.IOErr, exit.Protocol, exit.NoPerm, exit.SIGINT, exit.SIGTERM),
		Flags: hostFlags(),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 2 {
				return exit.Errorf(exit.Usage, "put takes a HOST and a FILE")
			}
			f, err := os.Open(c.Args().Get(1))
			if err != nil {
				return exit.Errorf(exit.NoInput, "%w", err)
			}
			defer func() { _ = f.Close() }()
			return e.withHost(c, c.Args().First(), func(ctx context.Context, l *remote.Link, _ *remote.KnownHost) error {
				name, err := l.Put(ctx, filepath.Base(f.Name()), f)
				if err != nil {
					return err
				}
				return e.result(map[string]string{"type": "fileStored", "filePath": name}, "%s", printable(name))
			})
		},
	}
}

func getCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "get",
		Usage:     "take a file from a known host",
		ArgsUsage: "HOST NAME [FOLDER]",
		Description: "NAME is the file's in the host's folder of files. A phone gives files of its chats\n" +
			"only: --user, --file-id and --sent say of which. Prints the path here.",
		CustomHelpTemplate: cli.Help([]string{
			"pair get bouncer photo.jpg",
			"pair get phone photo.jpg ~/Downloads --user 1 --file-id 7",
		}, exit.Done, exit.Usage, exit.NoUser, exit.Unavailable, exit.OSErr, exit.CantCreate, exit.IOErr, exit.Protocol,
			exit.NoPerm, exit.SIGINT, exit.SIGTERM),
		Flags: hostFlags(
			&ucli.Int64Flag{Name: "user", Value: 1, Usage: "the file is of a chat of profile `N`", EnvVars: []string{"PAIR_USER"}},
			&ucli.Int64Flag{Name: "file-id", Usage: "the file's number is `N`", EnvVars: []string{"PAIR_FILE_ID"}},
			&ucli.BoolFlag{Name: "sent", Usage: "the file was sent by the profile", EnvVars: []string{"PAIR_SENT"}},
		),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 2 && c.NArg() != 3 {
				return exit.Errorf(exit.Usage, "get takes a HOST, a NAME and a FOLDER, or none for this one")
			}
			dir := c.Args().Get(2)
			if dir == "" {
				dir = "."
			}
			file := remote.RemoteFile{UserID: api.UserID(c.Int64("user")), FileID: c.Int64("file-id"), Sent: c.Bool("sent"),
				FileSource: api.CryptoFile{FilePath: c.Args().Get(1)}}
			return e.withHost(c, c.Args().First(), func(ctx context.Context, l *remote.Link, _ *remote.KnownHost) error {
				name, err := l.Get(ctx, file, remote.Folder{Dir: dir})
				if err != nil {
					return err
				}
				path := filepath.Join(dir, name)
				return e.result(map[string]string{"type": "file", "filePath": path}, "%s", path)
			})
		},
	}
}
