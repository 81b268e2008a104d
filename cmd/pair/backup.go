package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/remote"
)

func backupCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "backup",
		Usage:     "keep a copy of a host's chats and files",
		ArgsUsage: "HOST DIR",
		Description: "DIR/chats has a file for each chat with its items, a JSON object a line; of an item\n" +
			"that was changed there are several, and the last is how it is. DIR/events.jsonl has\n" +
			"what happened while backup ran, DIR/files the files. Run again, it takes what is\n" +
			"new. With --follow it goes on until it is stopped, also when the connection ends.",
		CustomHelpTemplate: cli.Help([]string{
			"pair backup phone ~/phone-backup",
			"pair backup bouncer /srv/backup --follow --call bouncer.example:5226",
		}, exit.Done, exit.Failed, exit.Usage, exit.NoUser, exit.Unavailable, exit.OSErr, exit.CantCreate, exit.IOErr,
			exit.TempFail, exit.NoPerm, exit.SIGINT, exit.SIGTERM),
		Flags: hostFlags(
			&ucli.BoolFlag{Name: "follow", Usage: "go on with what happens", EnvVars: []string{"PAIR_FOLLOW"}},
		),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 2 {
				return exit.Errorf(exit.Usage, "backup takes a HOST and a DIR")
			}
			return e.withOwn(c.Context, func(o *own) error {
				again, err := e.connector(c, o, c.Args().First())
				if err != nil {
					return err
				}
				if c.Bool("follow") {
					release, err := o.hold(e.dir, again.id)
					if err != nil {
						return err
					}
					defer release()
				}
				return e.backup(c, o, again)
			})
		},
	}
}

// copyState is what DIR/state.json remembers.
type copyState struct {
	Chats map[string]int64 `json:"chats"` // the last item of each chat
}

// copying is a backup under way.
type copying struct {
	e     *env
	dir   string
	link  *remote.Link
	state copyState
	mu    sync.Mutex // held while a file of DIR is written
	items int
	files int
}

func (e *env) backup(c *ucli.Context, o *own, again *connector) (err error) {
	defer func() { err = errors.Join(err, again.Close()) }()
	b := &copying{e: e, dir: c.Args().Get(1)}
	for _, d := range []string{b.dir, filepath.Join(b.dir, "chats"), filepath.Join(b.dir, "files")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return exit.Errorf(exit.CantCreate, "%w", err)
		}
	}
	if err := b.load(); err != nil {
		return err
	}
	ctx, cancel := e.limit(c.Context, 0)
	defer cancel()
	cfg := remote.LinkConfig{Desk: o.Desk, Connect: again.Connect}
	changed := make(chan struct{}, 1)
	if c.Bool("follow") {
		cfg.Event = func(_ context.Context, seq int64, resp json.RawMessage) error {
			select {
			case changed <- struct{}{}:
			default:
			}
			return b.event(seq, resp)
		}
	}
	b.link = remote.NewLink(cfg)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop(nil)
	running.Go(func() { stop(b.link.Run(ctx)) })
	for {
		if err := b.pass(ctx); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return err
		}
		if err := e.result(map[string]any{"type": "backup", "items": b.items, "files": b.files}, "%d items, %d files", b.items, b.files); err != nil || !c.Bool("follow") {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (b *copying) load() error {
	b.state.Chats = map[string]int64{}
	text, err := os.ReadFile(filepath.Join(b.dir, "state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, &b.state)
	}
	if err != nil {
		return exit.Errorf(exit.DataErr, "the backup's state.json: %w", err)
	}
	return nil
}

// save is after the items it tells of are on disk.
func (b *copying) save() error {
	text, err := json.Marshal(b.state)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(b.dir, ".state-*")
	if err != nil {
		return exit.Errorf(exit.IOErr, "%w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(b.dir, "state.json"))
	}
	return exit.Wrap(exit.IOErr, err)
}

// event keeps an event, and the item in it as it is now.
func (b *copying) event(seq int64, resp json.RawMessage) error {
	line, err := json.Marshal(api.Reply{Resp: resp, Seq: seq})
	if err != nil {
		return err
	}
	if err := b.appendTo("events.jsonl", line); err != nil {
		return err
	}
	var about struct {
		Type string          `json:"type"`
		Item json.RawMessage `json:"chatItem"`
	}
	if json.Unmarshal(resp, &about) != nil || about.Type != "chatItemUpdated" {
		return nil
	}
	var item struct {
		Info struct {
			Contact struct {
				ID int64 `json:"contactId"`
			} `json:"contact"`
		} `json:"chatInfo"`
		Item json.RawMessage `json:"chatItem"`
	}
	if json.Unmarshal(about.Item, &item) != nil || item.Info.Contact.ID == 0 {
		return nil
	}
	return b.appendTo(chatFile("@"+strconv.FormatInt(item.Info.Contact.ID, 10)), item.Item)
}

// appendTo appends a line to a file of DIR; on disk when it returns.
func (b *copying) appendTo(name string, lines ...[]byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, err := privateFile(filepath.Join(b.dir, name))
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for _, l := range lines {
		_, _ = w.Write(l) // the error is Flush's
		_ = w.WriteByte('\n')
	}
	if err := errors.Join(w.Flush(), f.Sync(), f.Close()); err != nil {
		return exit.Errorf(exit.IOErr, "%w", err)
	}
	return nil
}

func chatFile(ref string) string { return filepath.Join("chats", ref+".jsonl") }

// exec runs a command and reads its answer, which must be of a type.
func (b *copying) exec(ctx context.Context, cmd, typ string, into any) error {
	resp, err := b.link.Exec(ctx, cmd)
	if err != nil {
		return err
	}
	var kind struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(resp, &kind); err != nil || kind.Type != typ {
		return exit.Errorf(exit.Failed, "the host answers %s with %q", cmd, kind.Type)
	}
	return json.Unmarshal(resp, into)
}

// pass copies what is new in every chat.
func (b *copying) pass(ctx context.Context) error {
	var me struct {
		User api.User `json:"user"`
	}
	if err := b.exec(ctx, "/user", "activeUser", &me); err != nil {
		return err
	}
	var list struct {
		Chats []struct {
			Info struct {
				Type    string `json:"type"`
				Contact struct {
					ID int64 `json:"contactId"`
				} `json:"contact"`
				Group struct {
					ID int64 `json:"groupId"`
				} `json:"groupInfo"`
			} `json:"chatInfo"`
		} `json:"chats"`
	}
	if err := b.exec(ctx, fmt.Sprintf("/_get chats %d pcc=off", me.User.UserID), "apiChats", &list); err != nil {
		return err
	}
	for _, chat := range list.Chats {
		ref := ""
		switch chat.Info.Type {
		case "direct":
			ref = "@" + strconv.FormatInt(chat.Info.Contact.ID, 10)
		case "group":
			ref = "#" + strconv.FormatInt(chat.Info.Group.ID, 10)
		default:
			continue
		}
		if err := b.chat(ctx, me.User.UserID, ref); err != nil {
			return err
		}
	}
	return nil
}

// page is how many items are asked for at once.
const page = 100

// chat copies the new items of one chat, page by page.
func (b *copying) chat(ctx context.Context, user api.UserID, ref string) error {
	for {
		var r struct {
			Chat struct {
				Items []json.RawMessage `json:"chatItems"`
			} `json:"chat"`
		}
		after := b.state.Chats[ref]
		if err := b.exec(ctx, fmt.Sprintf("/_get chat %s after=%d count=%d", ref, after, page), "apiChat", &r); err != nil {
			return err
		}
		lines := make([][]byte, 0, len(r.Chat.Items))
		for _, raw := range r.Chat.Items {
			var item copiedItem
			if err := json.Unmarshal(raw, &item); err != nil {
				return exit.Errorf(exit.DataErr, "an item of the host's: %w", err)
			}
			if item.Meta.ID <= after {
				continue
			}
			lines = append(lines, raw)
			b.state.Chats[ref] = max(b.state.Chats[ref], item.Meta.ID)
			b.file(ctx, user, item)
		}
		if len(lines) == 0 {
			return nil
		}
		if err := b.appendTo(chatFile(ref), lines...); err != nil {
			return err
		}
		b.items += len(lines)
		if err := b.save(); err != nil {
			return err
		}
	}
}

// copiedItem is what a backup looks at in an item.
type copiedItem struct {
	Meta struct {
		ID int64 `json:"itemId"`
	} `json:"meta"`
	Dir struct {
		Type string `json:"type"`
	} `json:"chatDir"`
	File *struct {
		ID     int64           `json:"fileId"`
		Source *api.CryptoFile `json:"fileSource"`
	} `json:"file"`
}

// file copies an item's file, if there is one; a backup goes on without it.
func (b *copying) file(ctx context.Context, user api.UserID, item copiedItem) {
	if item.File == nil || item.File.Source == nil {
		return
	}
	sent := item.Dir.Type == "directSnd" || item.Dir.Type == "groupSnd"
	name, err := b.link.Get(ctx, remote.RemoteFile{UserID: user, FileID: item.File.ID, Sent: sent, FileSource: *item.File.Source},
		remote.Folder{Dir: filepath.Join(b.dir, "files", strconv.FormatInt(item.File.ID, 10))})
	if err != nil {
		b.e.log.Warn("a file was not copied", "file", item.File.ID, "err", err)
		return
	}
	b.e.log.Debug("copied a file", "name", name)
	b.files++
}
