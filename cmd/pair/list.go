package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/cmd/simplexd/attach"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/remote"
)

// A pairing is a host of this machine's list or, where --home names a profile,
// a controller of it, in one line.
type pairing struct {
	Type string `json:"type"` // "host" or "ctrl"
	ID   int64  `json:"id"`
	api.Attached
	Listen string `json:"listen,omitempty"`
	Seq    int64  `json:"seq,omitempty"`
}

func hostLine(h *remote.KnownHost) pairing {
	p := pairing{Type: "host", ID: int64(h.ID), Listen: h.Listen, Seq: max(0, h.Seq)}
	p.Name, p.State, p.PairedAt, p.LastAt, p.ExpiresAt = h.Label(), "known", h.PairedAt, h.LastAt, h.ExpiresAt
	p.Own = h.Pairing.CA.Fingerprint().String()
	if h.Pairing.Host != nil {
		p.Identity = h.Pairing.Host.Fingerprint.String()
	}
	return p
}

// pairings changes and lists pairings, of either kind.
type pairings interface {
	list(ctx context.Context) ([]pairing, error)
	set(ctx context.Context, p pairing, name *string, expires *time.Time) error
	forget(ctx context.Context, p pairing) error
}

type hosts struct{ *own }

func (h hosts) list(ctx context.Context) (out []pairing, err error) {
	all, err := h.Hosts(ctx)
	for _, k := range all {
		out = append(out, hostLine(k))
	}
	return out, err
}

func (h hosts) set(ctx context.Context, p pairing, name *string, expires *time.Time) error {
	k, err := h.Desk.Host(ctx, api.RemoteHostID(p.ID))
	if err != nil {
		return err
	}
	if name != nil {
		k.Alias = *name
	}
	if expires != nil {
		k.ExpiresAt = *expires
	}
	return h.Put(ctx, k)
}

func (h hosts) forget(ctx context.Context, p pairing) error {
	return h.Forget(ctx, api.RemoteHostID(p.ID))
}

type ctrls struct{ *attach.Session }

func (c ctrls) list(ctx context.Context) (out []pairing, err error) {
	var r api.AttachedResult
	err = c.Call(ctx, "remoteList", nil, &r)
	for _, a := range r.Ctrls {
		out = append(out, pairing{Type: "ctrl", ID: int64(a.Ctrl), Attached: a})
	}
	return out, err
}

func (c ctrls) set(ctx context.Context, p pairing, name *string, expires *time.Time) error {
	return c.Call(ctx, "remoteSet", api.RemoteSessionParams{Ctrl: p.Ctrl, Name: name, ExpiresAt: expires}, nil)
}

func (c ctrls) forget(ctx context.Context, p pairing) error {
	return c.Call(ctx, "remoteForget", api.RemoteSessionParams{Ctrl: p.Ctrl}, nil)
}

// withPairings runs fn with the hosts or, with --home, the controllers.
func (e *env) withPairings(c *ucli.Context, fn func(context.Context, pairings) error) error {
	ctx, cancel := e.limit(c.Context, 30*time.Second)
	defer cancel()
	if e.home != "" {
		return e.withProfile(ctx, func(ctx context.Context, s *attach.Session) error { return fn(ctx, ctrls{s}) })
	}
	return e.withOwn(ctx, func(o *own) error { return fn(ctx, hosts{o}) })
}

// withPairing runs fn with the one of that name.
func (e *env) withPairing(c *ucli.Context, fn func(context.Context, pairings, pairing) error) error {
	name := c.Args().First()
	return e.withPairings(c, func(ctx context.Context, ps pairings) error {
		all, err := ps.list(ctx)
		if err != nil {
			return err
		}
		var found []pairing
		for _, p := range all {
			if strconv.FormatInt(p.ID, 10) == name {
				return fn(ctx, ps, p)
			}
			if p.Name == name {
				found = append(found, p)
			}
		}
		if len(found) == 1 {
			return fn(ctx, ps, found[0])
		}
		if len(found) > 1 {
			return exit.Errorf(exit.NoUser, "%d pairings have the name %q", len(found), name).WithHint("use the number that pair ls shows")
		}
		return exit.Errorf(exit.NoUser, "no pairing %q", name).WithHint("pair ls lists the hosts; pair ls --home DIR the controllers of a profile")
	})
}

var listCodes = []int{exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.NoUser, exit.IOErr, exit.TempFail, exit.NoPerm}

func stamp(t time.Time, zero string) string {
	if t.IsZero() {
		return zero
	}
	return t.UTC().Format(time.RFC3339)
}

func lsCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "ls",
		Usage: "list the known hosts or, with --home, the controllers of a profile",
		CustomHelpTemplate: cli.Help([]string{
			"pair ls",
			"pair ls --home ~/bot --json",
		}, listCodes...),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 0 {
				return exit.Errorf(exit.Usage, "ls takes no arguments")
			}
			return e.withPairings(c, func(ctx context.Context, ps pairings) error {
				all, err := ps.list(ctx)
				if err != nil {
					return err
				}
				for _, p := range all {
					err := e.result(p, "%d %s %s, last %s, ends %s", p.ID, printable(p.Name), p.State, stamp(p.LastAt, "never"), stamp(p.ExpiresAt, "never"))
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func one(name string) error {
	return exit.Errorf(exit.Usage, "%s takes one HOST or, with --home, one CONTROLLER", name)
}

func showCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "show",
		Usage:     "show all of a pairing but its keys",
		ArgsUsage: "NAME",
		CustomHelpTemplate: cli.Help([]string{
			"pair show phone",
			"pair show 1 --home ~/bot",
		}, listCodes...),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 1 {
				return one("show")
			}
			return e.withPairing(c, func(_ context.Context, _ pairings, p pairing) error {
				var b strings.Builder
				fmt.Fprintf(&b, "number:   %d\nname:     %s\nstate:    %s\nidentity: %s\nours:     %s\npaired:   %s\nlast:     %s\nends:     %s",
					p.ID, printable(p.Name), p.State, p.Identity, p.Own, stamp(p.PairedAt, "never"), stamp(p.LastAt, "never"), stamp(p.ExpiresAt, "never"))
				if p.Road != "" {
					fmt.Fprintf(&b, "\nroad:     %s %s", p.Road, p.Peer)
				}
				if p.Listen != "" {
					fmt.Fprintf(&b, "\nlistens:  %s", printable(p.Listen))
				}
				for _, u := range p.Users {
					fmt.Fprintf(&b, "\nprofile:  %d", u)
				}
				return e.result(p, "%s", b.String())
			})
		},
	}
}

func verifyCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "verify",
		Usage:     "compare a pairing with the other side's",
		ArgsUsage: "NAME [CODE]",
		Description: "Prints a code that the other side prints too, with pair verify --home DIR there or\n" +
			"here, as long as both know each other. With the other side's CODE it compares: the\n" +
			"exit code is 77 if they differ.",
		CustomHelpTemplate: cli.Help([]string{
			"pair verify phone",
			"pair verify 1 --home ~/bot",
		}, listCodes...),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 1 && c.NArg() != 2 {
				return one("verify")
			}
			return e.withPairing(c, func(_ context.Context, _ pairings, p pairing) error {
				host, ctrl := p.Identity, p.Own
				if p.Type == "ctrl" {
					host, ctrl = ctrl, host
				}
				if host == "" || ctrl == "" {
					return exit.Errorf(exit.NoUser, "the pairing with %s was never finished", printable(p.Name))
				}
				code := remote.PairingCode(ctrl, host)
				if c.NArg() == 2 && !sameCode(c.Args().Get(1), code) {
					return exit.Errorf(exit.NoPerm, "the other side's code is another one: it is not the one paired with").
						WithHint("pair forget, and pair again")
				}
				return e.result(map[string]string{"type": "pairingCode", "code": code}, "%s", code)
			})
		},
	}
}

func sameCode(a, b string) bool {
	return strings.Join(strings.Fields(a), "") == strings.Join(strings.Fields(b), "")
}

func renameCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:               "rename",
		Usage:              "call a host, or a controller, by another name",
		ArgsUsage:          "NAME NEW-NAME",
		CustomHelpTemplate: cli.Help([]string{"pair rename 1 phone"}, listCodes...),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 2 {
				return exit.Errorf(exit.Usage, "rename takes a NAME and a NEW-NAME")
			}
			name := c.Args().Get(1)
			return e.withPairing(c, func(ctx context.Context, ps pairings, p pairing) error { return ps.set(ctx, p, &name, nil) })
		},
	}
}

func expireCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "expire",
		Usage:     "say when a pairing ends",
		ArgsUsage: "NAME TIME|never",
		Description: "TIME is from now, such as 12h or 30d. When it is over, a session ends, and the\n" +
			"other side is a stranger.",
		CustomHelpTemplate: cli.Help([]string{
			"pair expire phone 30d",
			"pair expire 1 never --home ~/bot",
		}, listCodes...),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 2 {
				return exit.Errorf(exit.Usage, "expire takes a NAME and a TIME, or never")
			}
			var at time.Time
			if text := c.Args().Get(1); text != "never" {
				d, err := lifetime(text)
				if err != nil {
					return err
				}
				at = time.Now().Add(d)
			}
			return e.withPairing(c, func(ctx context.Context, ps pairings, p pairing) error { return ps.set(ctx, p, nil, &at) })
		},
	}
}

func forgetCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "forget",
		Usage:     "end a pairing: the other side is a stranger again",
		ArgsUsage: "NAME",
		Description: "Its keys are deleted, and a session of a profile's ends. The other side is not\n" +
			"told; it finds out when it tries again.",
		CustomHelpTemplate: cli.Help([]string{
			"pair forget phone",
			"pair forget 1 --home ~/bot",
		}, listCodes...),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 1 {
				return one("forget")
			}
			return e.withPairing(c, func(ctx context.Context, ps pairings, p pairing) error { return ps.forget(ctx, p) })
		},
	}
}
