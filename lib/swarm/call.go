package swarm

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

// MethodPrefix is how the names of the API's methods begin that are ours.
const MethodPrefix = "swarm."

// Call executes a method and returns a value of package api, or an [*api.Error].
func (n *Node) Call(ctx context.Context, method string, params json.RawMessage) (any, error) {
	m, ok := methods[strings.TrimPrefix(method, MethodPrefix)]
	if !ok {
		return nil, &api.Error{Type: "error", Code: api.CodeUsage, Message: "there is no method " + method}
	}
	var p api.SwarmParams
	if len(params) > 0 {
		if err := json.Unmarshal(params, &p); err != nil {
			return nil, &api.Error{Type: "error", Code: api.CodeUsage, Message: "parameters: " + err.Error()}
		}
	}
	v, err := m(ctx, n, &p)
	if err != nil {
		return nil, apiError(err)
	}
	return v, nil
}

func apiError(err error) error {
	var done *api.Error
	if errors.As(err, &done) {
		return done
	}
	e := &api.Error{Type: "error", Code: api.CodeInternal, Message: strings.TrimPrefix(err.Error(), "swarm: ")}
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		e.Code = api.CodeUsage
	case errors.Is(err, ErrNoAccount):
		e.Code, e.Message = api.CodeNotFound, "the profile has no account of the swarm; simplexd swarm account init makes one"
	case errors.Is(err, ErrNotFound), errors.Is(err, fs.ErrNotExist), errors.Is(err, repo.ErrNotFound):
		e.Code = api.CodeNotFound
	case errors.Is(err, ErrExists), errors.Is(err, fs.ErrExist):
		e.Code = api.CodeExists
	case errors.Is(err, ErrRights), errors.Is(err, fs.ErrPermission):
		e.Code = api.CodeRefused
	case errors.Is(err, ErrState):
		e.Code = api.CodeUsage
	case errors.Is(err, errArchive), errors.Is(err, ErrInvitation), errors.Is(err, commit.ErrMalformed),
		errors.Is(err, repo.ErrRefused), errors.Is(err, repo.ErrDamaged):
		e.Code = api.CodeData
	case errors.Is(err, errOffline):
		e.Code = api.CodeUnavailable
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e.Code = api.CodeTimeout
	case errors.Is(err, os.ErrDeadlineExceeded):
		e.Code = api.CodeTimeout
	}
	return e
}

// errOffline is returned by what needs the network when there is none.
var errOffline = errors.New("swarm: the network is not on; simplexd serve runs it")

func (n *Node) online() (Network, error) {
	if net := n.network(); net != nil {
		return net, nil
	}
	return nil, errOffline
}

type method func(ctx context.Context, n *Node, p *api.SwarmParams) (any, error)

// in makes a method of a function on a conversation.
func in(fn func(ctx context.Context, n *Node, c *conv, p *api.SwarmParams) (any, error)) method {
	return func(ctx context.Context, n *Node, p *api.SwarmParams) (any, error) {
		c, err := n.find(ctx, p.Conv)
		if err != nil {
			return nil, err
		}
		return fn(ctx, n, c, p)
	}
}

// on makes a method of a function on a message.
func on(fn func(ctx context.Context, n *Node, c *conv, id commit.ObjectID, p *api.SwarmParams) (commit.ObjectID, error)) method {
	return in(func(ctx context.Context, n *Node, c *conv, p *api.SwarmParams) (any, error) {
		id, err := n.findCommit(ctx, c, p.Commit)
		if err != nil {
			return nil, err
		}
		id, err = fn(ctx, n, c, id, p)
		return wrote(c.id, id, err)
	})
}

func wrote(conv, id commit.ObjectID, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	r := &api.SwarmSent{Type: "swarmSent", Conv: conv.String()}
	if !id.IsZero() {
		r.Commit = id.String()
	}
	return r, nil
}

// voting makes the method of an action that admins vote on.
func voting(action commit.Action) method {
	return in(func(ctx context.Context, n *Node, c *conv, p *api.SwarmParams) (any, error) {
		id, err := n.Vote(ctx, c, action, strings.ToLower(p.Who), true)
		if net := n.network(); net != nil && err == nil {
			net.Recheck()
		}
		return wrote(c.id, id, err)
	})
}

// votable is what admins vote on.
var votable = []commit.Action{commit.Ban, commit.Unban, commit.Elevate, commit.Demote}

var methods map[string]method

func init() {
	methods = accountMethods()
	maps.Copy(methods, messageMethods())
}

func accountMethods() map[string]method {
	return map[string]method{
		"accountInit": func(ctx context.Context, n *Node, p *api.SwarmParams) (any, error) {
			return n.InitAccount(ctx, p.Title)
		},
		"account": func(ctx context.Context, n *Node, _ *api.SwarmParams) (any, error) { return n.Account(ctx) },
		"accountExport": func(ctx context.Context, n *Node, p *api.SwarmParams) (any, error) {
			if err := n.Export(ctx, p.Archive, p.Passphrase); err != nil {
				return nil, err
			}
			return n.Account(ctx)
		},
		"accountImport": func(ctx context.Context, n *Node, p *api.SwarmParams) (any, error) {
			return n.Import(ctx, p.Archive, p.Passphrase)
		},
		"deviceAdd": callDeviceAdd, "deviceRevoke": callRevoke, "deviceJoin": callDeviceJoin,
		"new": callNew, "list": callList(false), "requests": callList(true), "invite": callInvite,
		"accept": callAccept, "decline": callDecline(false), "block": callDecline(true),
	}
}

func messageMethods() map[string]method {
	return map[string]method{
		"send": in(callSend), "edit": on(func(ctx context.Context, n *Node, c *conv, id commit.ObjectID, p *api.SwarmParams) (commit.ObjectID, error) {
			if p.Text == "" {
				return id, usagef("the text is empty")
			}
			return n.Edit(ctx, c, id, p.Text)
		}),
		"delete": on(func(ctx context.Context, n *Node, c *conv, id commit.ObjectID, _ *api.SwarmParams) (commit.ObjectID, error) {
			return n.Edit(ctx, c, id, "")
		}),
		"react": on(func(ctx context.Context, n *Node, c *conv, id commit.ObjectID, p *api.SwarmParams) (commit.ObjectID, error) {
			id, _, err := n.original(ctx, c, id)
			if err != nil {
				return id, err
			}
			return n.Say(ctx, c, p.Idem, commit.NewReaction(id, p.Text))
		}),
		"fileSend": in(callFileSend), "fileGet": in(callFileGet), "typing": in(callTyping), "read": in(callRead),
		"log": in(callLog), "since": in(callSince), "members": in(func(ctx context.Context, n *Node, c *conv, _ *api.SwarmParams) (any, error) { return n.Roster(ctx, c) }),
		"ban": voting(commit.Ban), "unban": voting(commit.Unban), "promote": voting(commit.Elevate), "demote": voting(commit.Demote),
		"vote": in(func(ctx context.Context, n *Node, c *conv, p *api.SwarmParams) (any, error) {
			action := commit.Action(p.Text)
			if !slices.Contains(votable, action) {
				return nil, usagef("there is no vote to %q; ban, unban, elevate and demote are there", p.Text)
			}
			id, err := n.Vote(ctx, c, action, strings.ToLower(p.Who), false)
			return wrote(c.id, id, err)
		}),
		"leave": callGo(false), "remove": callGo(true), "profile": in(callProfile), "profileSet": in(callProfileSet),
		"preferences": in(callPreferences), "status": callStatus, "verify": callVerify, "fsck": in(callFsck), "doctor": callDoctor,
		"gc": in(func(ctx context.Context, _ *Node, c *conv, _ *api.SwarmParams) (any, error) {
			_, err := c.repo.GC(ctx)
			return wrote(c.id, commit.ObjectID{}, err)
		}),
	}
}

func callNew(ctx context.Context, n *Node, p *api.SwarmParams) (any, error) {
	mode, err := commit.ParseScope(p.Mode)
	if err != nil || mode == commit.Document {
		return nil, usagef("there is no mode %q", p.Mode)
	}
	var other ident.URI
	if mode == commit.OneToOne {
		if other, err = ident.ParseURI(strings.ToLower(p.Who)); err != nil {
			return nil, usagef("a conversation of two needs the other's URI: %v", err)
		}
	} else if p.Who != "" {
		return nil, usagef("only a conversation of two is begun with somebody")
	}
	profile := commit.Profile{Title: p.Title}
	if p.Description != nil {
		profile.Description = *p.Description
	}
	id, err := n.New(ctx, mode, other, profile)
	if err != nil {
		return nil, err
	}
	if p.Sealed {
		if err := n.edit(ctx, id, func(r *convRecord) error { r.Sealed = true; return nil }); err != nil {
			return nil, err
		}
	}
	c, err := n.open(ctx, id)
	if err != nil {
		return nil, err
	}
	if net := n.network(); net != nil {
		net.Announce(id, id)
	}
	if mode == commit.OneToOne {
		if _, err := n.Invite(ctx, c, other); err != nil {
			return nil, err
		}
	}
	r, err := n.record(ctx, id)
	if err != nil {
		return nil, err
	}
	return n.summary(ctx, r)
}

// summary is a conversation in one line.
func (n *Node) summary(ctx context.Context, r *convRecord) (*api.SwarmConv, error) {
	v := &api.SwarmConv{Type: "swarmConversation", Conv: r.ID.String(), Title: r.Title, Mode: r.Mode.String(),
		State: string(r.State), From: r.From, Sealed: r.Sealed, UpdatedAt: r.Changed}
	if r.State != Member && r.State != Left {
		return v, nil
	}
	c, err := n.open(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	s, err := c.at(ctx, commit.ObjectID{})
	if err != nil {
		return nil, err
	}
	p, err := s.profile(ctx)
	if err != nil {
		return nil, err
	}
	v.Title, v.Description, v.Head = p.Title, p.Description, s.id.String()
	for _, dir := range []string{"admins", "members"} {
		who, err := s.names(ctx, dir)
		if err != nil {
			return nil, err
		}
		v.Members += len(who)
	}
	if a, err := n.self(ctx); err == nil {
		if role, err := s.role(ctx, a.device.URI().String()); err == nil && role == "banned" {
			v.State = role
		}
	}
	return v, nil
}

func callList(requests bool) method {
	return func(ctx context.Context, n *Node, _ *api.SwarmParams) (any, error) {
		if _, err := n.self(ctx); err != nil {
			return nil, err
		}
		all, err := n.records(ctx)
		if err != nil {
			return nil, err
		}
		out := &api.SwarmConvs{Type: "swarmConversations", Convs: []api.SwarmConv{}}
		for _, r := range all {
			if r.State == Removed || requests != (r.State == Invited) {
				continue
			}
			v, err := n.summary(ctx, r)
			if err != nil {
				v = &api.SwarmConv{Type: "swarmConversation", Conv: r.ID.String(), Title: r.Title, Mode: r.Mode.String(), State: "damaged"}
			}
			out.Convs = append(out.Convs, *v)
		}
		return out, nil
	}
}

func callInvite(ctx context.Context, n *Node, p *api.SwarmParams) (any, error) {
	c, err := n.find(ctx, p.Conv)
	if err != nil {
		return nil, err
	}
	var who ident.URI
	if p.Who != "" {
		if who, err = ident.ParseURI(strings.ToLower(p.Who)); err != nil {
			return nil, usagef("who is invited: %v", err)
		}
	}
	i, err := n.Invite(ctx, c, who)
	if err != nil {
		return nil, err
	}
	return &api.SwarmParams{Conv: c.id.String(), Who: p.Who, Text: i.String()}, nil
}

func callAccept(ctx context.Context, n *Node, p *api.SwarmParams) (any, error) {
	if _, err := n.self(ctx); err != nil {
		return nil, err
	}
	if strings.HasPrefix(p.Conv, InvitationPrefix) {
		i, err := ParseInvitation(p.Conv)
		if err != nil {
			return nil, err
		}
		if _, err := n.Request(ctx, i); err != nil {
			return nil, err
		}
		p.Conv = i.Conv.String()
	}
	id, err := n.resolve(ctx, p.Conv)
	if err != nil {
		return nil, err
	}
	return wrote(id, commit.ObjectID{}, n.Accept(ctx, id))
}

func callDecline(block bool) method {
	return func(ctx context.Context, n *Node, p *api.SwarmParams) (any, error) {
		id, err := n.resolve(ctx, p.Conv)
		if err != nil {
			return nil, err
		}
		return wrote(id, commit.ObjectID{}, n.Decline(ctx, id, block))
	}
}

func callGo(erase bool) method {
	return func(ctx context.Context, n *Node, p *api.SwarmParams) (any, error) {
		id, err := n.resolve(ctx, p.Conv)
		if err != nil {
			return nil, err
		}
		return wrote(id, commit.ObjectID{}, n.Go(ctx, id, erase))
	}
}

func callSend(ctx context.Context, n *Node, c *conv, p *api.SwarmParams) (any, error) {
	if p.Text == "" {
		return nil, usagef("the message is empty")
	}
	m := commit.NewText(p.Text)
	if p.ReplyTo != "" {
		id, err := n.findCommit(ctx, c, p.ReplyTo)
		if err != nil {
			return nil, err
		}
		if id, _, err = n.original(ctx, c, id); err != nil {
			return nil, err
		}
		m = commit.NewReply(id, p.Text)
	}
	id, err := n.Say(ctx, c, p.Idem, m)
	return wrote(c.id, id, err)
}

func callFileSend(ctx context.Context, n *Node, c *conv, p *api.SwarmParams) (any, error) {
	var to commit.ObjectID
	if p.ReplyTo != "" {
		var err error
		if to, err = n.findCommit(ctx, c, p.ReplyTo); err != nil {
			return nil, err
		}
	}
	id, err := n.Offer(ctx, c, p.File, to)
	return wrote(c.id, id, err)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
