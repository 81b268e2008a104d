// Package compose says what a commit of each kind writes: its message, and the
// files that it puts and deletes. What it makes, a member that verifies strictly
// accepts; with the exception of Elevate and Demote a daemon does too.
//
// A [Draft] is a plan on top of a tree. Make turns it into signed objects.
package compose

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// ErrImpossible is wrapped by the error for what the tree does not allow: a
// vote about nobody, a ban of somebody who is not there.
var ErrImpossible = errors.New("not possible")

// Draft is what a commit says and changes.
type Draft struct {
	Message commit.Message
	Put     map[string][]byte
	Delete  []string
	// Moves are files that go elsewhere as they are, from and to.
	Moves [][2]string
}

// At is a place in a history to write on: the tree of a head.
type At struct {
	Trees *commit.Trees
	Tree  commit.ObjectID
}

func (a At) has(ctx context.Context, path string) (bool, error) {
	_, ok, err := a.Trees.Lookup(ctx, a.Tree, path)
	return ok, err
}

// Initial begins a conversation. Between two, other is whom it is with.
func Initial(d *ident.Device, mode commit.Scope, other ident.URI) Draft {
	out := Draft{Message: commit.NewInitial(mode, other), Put: map[string][]byte{
		commit.AdminPath(d.URI()): d.AccountPEM(),
	}}
	if mode == commit.OneToOne {
		out.Put[commit.InvitedPath(other)] = nil
	}
	return out
}

// Message is a text, a reply, a reaction, an edit, a file, a call or anything
// else that changes no file.
func Message(m commit.Message) Draft { return Draft{Message: m} }

// Profile sets what the conversation says of itself.
func Profile(p commit.Profile) (Draft, error) {
	b, err := p.AppendBinary(nil)
	return Draft{Message: commit.NewProfile(), Put: map[string][]byte{commit.ProfilePath: b}}, err
}

// Add invites an account.
func Add(who ident.URI) Draft {
	return Draft{Message: commit.NewMember(commit.Add, who.String()), Put: map[string][]byte{commit.InvitedPath(who): nil}}
}

// Join makes the invited account of the device a member.
func Join(d *ident.Device) Draft {
	return Draft{Message: commit.NewMember(commit.Join, d.URI().String()),
		Put:    map[string][]byte{commit.MemberPath(d.URI()): d.AccountPEM()},
		Delete: []string{commit.InvitedPath(d.URI())}}
}

// Leave takes the device's account out, with all its devices.
func Leave(ctx context.Context, at At, d *ident.Device) (Draft, error) {
	out := Draft{Message: commit.NewMember(commit.Remove, d.URI().String())}
	for _, kind := range []commit.Kind{commit.Admins, commit.Members} {
		p := kind.File(d.URI().String())
		if ok, err := at.has(ctx, p); err != nil {
			return out, err
		} else if ok {
			out.Delete = append(out.Delete, p)
		}
	}
	if out.Delete == nil {
		return out, fmt.Errorf("compose: leave: %v is no member: %w", d.URI(), ErrImpossible)
	}
	devices, err := at.devices(ctx, d.URI())
	out.Delete = append(out.Delete, devices...)
	return out, err
}

// devices is the paths of an account's devices.
func (a At) devices(ctx context.Context, u ident.URI) ([]string, error) {
	entries, err := a.Trees.List(ctx, a.Tree, string(commit.Devices))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		b, err := a.Trees.Blob(ctx, e.ID)
		if err != nil {
			return nil, err
		}
		c, err := ident.ParseCertificate(b)
		if err != nil {
			continue
		}
		if issuer, ok := c.Issuer(); ok && issuer == u {
			out = append(out, "devices/"+e.Name)
		}
	}
	return out, nil
}

// RemoveDevice takes a device of the writer's own account out. With crl, a list
// of the account that names the device's certificate, it cannot come back.
func RemoveDevice(device ident.DeviceID, crl []byte) Draft {
	out := Draft{Message: commit.NewMember(commit.Remove, device.String()), Delete: []string{commit.DevicePath(device)}}
	if crl != nil {
		out.Put = map[string][]byte{"CRLs/" + device.String(): crl}
	}
	return out
}

// Subject is whom a vote is about: where it stands and where it would go.
type Subject struct {
	Action   commit.Action
	Kind     commit.Kind
	Who      string
	From, To string
}

// Find looks where somebody stands for a vote: an account or, to ban and unban,
// a device.
func Find(ctx context.Context, at At, a commit.Action, who string) (Subject, error) {
	for _, kind := range []commit.Kind{commit.Admins, commit.Members, commit.Invited, commit.Devices} {
		s := Subject{Action: a, Kind: kind, Who: who, From: kind.File(who)}
		switch {
		case a == commit.Ban:
			s.To = kind.Banned(who)
		case a == commit.Unban:
			s.From, s.To = kind.Banned(who), kind.File(who)
		case a == commit.Elevate && kind == commit.Members:
			s.To = commit.Admins.File(who)
		case a == commit.Demote && kind == commit.Admins:
			s.To = commit.Members.File(who)
		default:
			continue
		}
		if ok, err := at.has(ctx, s.From); err != nil || ok {
			return s, err
		}
	}
	return Subject{}, fmt.Errorf("compose: %s: %s is not there: %w", a, who, ErrImpossible)
}

// Vote casts the vote of a voter. There is nothing to do, which is ok = false,
// if it was cast before.
func Vote(ctx context.Context, at At, s Subject, voter ident.URI) (d Draft, ok bool, err error) {
	v := commit.Vote{Action: s.Action, Kind: s.Kind, Who: s.Who, Voter: voter.String()}
	cast, err := at.has(ctx, v.Path())
	return Draft{Message: commit.NewVote(s.Who), Put: map[string][]byte{v.Path(): nil}}, !cast, err
}

// Count is the votes cast about s by admins, and the admins.
func Count(ctx context.Context, at At, s Subject) (votes, admins int, err error) {
	dir := commit.Vote{Action: s.Action, Kind: s.Kind, Who: s.Who}.Dir()
	entries, err := at.Trees.List(ctx, at.Tree, string(commit.Admins))
	if err != nil {
		return 0, 0, err
	}
	for _, e := range entries {
		uri := strings.TrimSuffix(e.Name, ".crt")
		banned := false
		for _, kind := range []commit.Kind{commit.Members, commit.Admins, commit.Invited} {
			b, err := at.has(ctx, kind.Banned(uri))
			if err != nil {
				return 0, 0, err
			}
			banned = banned || b
		}
		if banned {
			continue
		}
		admins++
		ok, err := at.has(ctx, dir+"/"+uri)
		if err != nil {
			return 0, 0, err
		}
		if ok {
			votes++
		}
	}
	return votes, admins, nil
}

// Resolve carries out what was voted: more than half of the admins have to have
// voted so. ok is false if they have not yet. An admin's own Demote needs no
// vote.
func Resolve(ctx context.Context, at At, s Subject, by ident.URI) (d Draft, ok bool, err error) {
	votes, admins, err := Count(ctx, at, s)
	alone := s.Action == commit.Demote && s.Who == by.String()
	if err != nil || 2*votes <= admins && !alone || s.Action == commit.Demote && admins < 2 {
		return Draft{}, false, err
	}
	d = Draft{Message: commit.NewMember(s.Action, s.Who), Moves: [][2]string{{s.From, s.To}}}
	dir := commit.Vote{Action: s.Action, Kind: s.Kind, Who: s.Who}.Dir()
	list, err := at.Trees.List(ctx, at.Tree, dir)
	if err != nil {
		return Draft{}, false, err
	}
	for _, e := range list {
		d.Delete = append(d.Delete, dir+"/"+e.Name)
	}
	if u, err := ident.ParseURI(s.Who); err == nil && s.Action == commit.Ban {
		devices, err := at.devices(ctx, u)
		if err != nil {
			return Draft{}, false, err
		}
		d.Delete = append(d.Delete, devices...)
	}
	return d, true, nil
}

// Who is the writer of a commit and its time.
type Who struct {
	Device *ident.Device
	Name   string
	Time   time.Time
}

func (w Who) person() commit.Person {
	id := w.Device.ID().String()
	return commit.Person{Name: commit.AuthorName(w.Name, id), Email: id, Time: w.Time.Unix(), Zone: "+0000"}
}

// Make writes a draft on top of parent, whose tree at is; the zero parent
// begins a conversation. The writer's device certificate is put in if it is not
// there. It returns the new objects, the commit last.
func Make(ctx context.Context, at At, parent commit.ObjectID, d Draft, w Who) ([]commit.Object, error) {
	changes, out, err := d.changes(ctx, at, w)
	if err != nil {
		return nil, err
	}
	tree, made, err := at.Trees.Apply(ctx, at.Tree, changes)
	if err != nil {
		return nil, err
	}
	msg, err := d.Message.AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	c := &commit.Commit{Tree: tree, Author: w.person(), Committer: w.person(), Message: msg}
	if !parent.IsZero() {
		c.Parents = []commit.ObjectID{parent}
	}
	o, err := c.Sign(w.Device)
	return append(append(out, made...), o), err
}

func (d Draft) changes(ctx context.Context, at At, w Who) (changes []commit.Change, blobs []commit.Object, err error) {
	put := func(path string, data []byte) {
		b := commit.Object{Type: commit.TypeBlob, Data: data}
		blobs = append(blobs, b)
		changes = append(changes, commit.Change{Path: path, New: commit.Value{Mode: commit.ModeFile, ID: b.ID()}})
	}
	for path, data := range d.Put {
		put(path, data)
	}
	for _, m := range d.Moves {
		id, ok, err := at.Trees.File(ctx, at.Tree, m[0])
		if err != nil || !ok {
			return nil, nil, fmt.Errorf("compose: no file %s: %w", m[0], errors.Join(err, ErrImpossible))
		}
		changes = append(changes, commit.Change{Path: m[0]}, commit.Change{Path: m[1], New: commit.Value{Mode: commit.ModeFile, ID: id}})
	}
	own := commit.DevicePath(w.Device.ID())
	gone := d.Message.Type() == commit.TypeMember && d.Message.Action() == commit.Remove
	if ok, err := at.has(ctx, own); err != nil {
		return nil, nil, err
	} else if !ok && !gone {
		put(own, w.Device.Cert.PEM())
	}
	for _, p := range d.Delete {
		changes = append(changes, commit.Change{Path: p})
	}
	return changes, blobs, nil
}

// Merge makes the merge of theirs into ours, as [commit.Merge] has it: bases are
// the best common ancestors. It returns the new objects, the commit last, and
// the conflicts that were decided.
func Merge(ctx context.Context, trees *commit.Trees, objects commit.Objects, ours, theirs commit.ObjectID, bases []commit.ObjectID, w Who) ([]commit.Object, []commit.Conflict, error) {
	m := commit.Merge{Ours: commit.Side{Head: ours}, Theirs: commit.Side{Head: theirs}}
	for _, r := range []struct {
		id   commit.ObjectID
		tree *commit.ObjectID
	}{{ours, &m.Ours.Tree}, {theirs, &m.Theirs.Tree}} {
		c, err := commit.ReadCommit(ctx, objects, r.id)
		if err != nil {
			return nil, nil, err
		}
		*r.tree = c.Tree
	}
	for _, b := range bases {
		c, err := commit.ReadCommit(ctx, objects, b)
		if err != nil {
			return nil, nil, err
		}
		m.Bases = append(m.Bases, c.Tree)
	}
	tree, made, conflicts, err := m.Run(ctx, trees)
	if err != nil {
		return nil, nil, err
	}
	c := &commit.Commit{Tree: tree, Parents: []commit.ObjectID{ours, theirs},
		Author: w.person(), Committer: w.person(), Message: commit.MergeMessage(theirs)}
	o, err := c.Sign(w.Device)
	return append(made, o), conflicts, err
}
