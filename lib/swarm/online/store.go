package online

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/p2p"
	"github.com/simplexkit/simplexkit/lib/swarm"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/peer"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

// store is the node's conversations for the engine.
type store struct{ *Online }

func (s store) Allow(ctx context.Context, conv commit.ObjectID, dev ident.DeviceID) error {
	st, err := s.node.Standing(ctx, conv, dev)
	if err != nil {
		return err
	}
	switch st {
	case swarm.Welcome:
		return nil
	case swarm.Ignored:
		return peer.ErrIgnored
	case swarm.Barred:
		return peer.ErrBanned
	}
	return peer.ErrUnknown
}

func (s store) Members(ctx context.Context, conv commit.ObjectID) ([]ident.DeviceID, error) {
	certs, err := s.node.Peers(ctx, conv)
	if err != nil {
		return nil, err
	}
	var out []ident.DeviceID
	for _, c := range certs {
		if _, known := s.devs.Peer(c.DeviceID()); !known {
			if _, _, err := s.devs.Add(c.PublicKey()); err != nil {
				return nil, err
			}
		}
		out = append(out, c.DeviceID())
	}
	return out, nil
}

func (s store) Head(ctx context.Context, conv commit.ObjectID) (commit.ObjectID, error) {
	return s.node.Head(ctx, conv)
}

func (s store) Has(ctx context.Context, conv, c commit.ObjectID) (bool, error) {
	return s.node.Has(ctx, conv, c)
}

func (s store) Serve(ctx context.Context, conv commit.ObjectID, _ ident.DeviceID, rw peer.Stream) error {
	head, err := s.node.Head(ctx, conv)
	if err == nil {
		err = s.node.Serve(ctx, conv, rw)
	}
	if err == nil { // who fetches knows what we wrote, if it is that we leave
		err = s.node.Heard(ctx, conv, head)
	}
	return err
}

func (s store) Fetch(ctx context.Context, conv commit.ObjectID, dev ident.DeviceID, rw peer.Stream) (peer.Fetched, error) {
	head, diverged, err := s.node.Fetch(ctx, conv, dev, rw)
	if errors.Is(err, repo.ErrRefused) {
		err = fmt.Errorf("%w: %w", peer.ErrRefused, err)
	}
	if err == nil {
		s.changed(conv)
	}
	return peer.Fetched{Head: head, Diverged: diverged}, err
}

func (s store) Merge(ctx context.Context, conv commit.ObjectID) (commit.ObjectID, error) {
	head, err := s.node.Merge(ctx, conv)
	if err == nil && !head.IsZero() {
		s.changed(conv)
	}
	return head, err
}

// changed is told that members may have changed.
func (o *Online) changed(conv commit.ObjectID) {
	o.engine.Changed(conv)
	ctx, cancel := context.WithTimeout(context.Background(), stepTime)
	defer cancel()
	if err := o.bar(ctx); err != nil {
		o.log.Warn("bans are to be looked up again", "err", err)
	}
	o.host.Recheck()
	o.kick()
}

// inbox takes what is not history.
type inbox struct{ *Online }

func (i inbox) Invited(ctx context.Context, from ident.DeviceID, in peer.Invite) error {
	u, err := i.node.Whose(ctx, from)
	if err != nil {
		return err
	}
	mode, err := strconv.Atoi(in.Metadata["mode"])
	if err != nil {
		mode = int(commit.OneToOne) // what has no mode is between two
	}
	p, _ := i.devs.Peer(from)
	_, err = i.node.Request(ctx, &swarm.Invitation{Conv: in.Conversation, From: u, Devices: []string{from.String()},
		Peer: p.String(), Title: in.Metadata["title"], Mode: mode})
	i.tried("copy "+in.Conversation.String(), nil) // there is somebody to copy from now
	i.kick()
	return err
}

func (i inbox) InviteWanted(ctx context.Context, from ident.DeviceID, conv commit.ObjectID) error {
	st, err := i.node.Standing(ctx, conv, from)
	if err != nil || st != swarm.Welcome {
		return err
	}
	in, err := i.node.Invitation(ctx, conv)
	if err != nil {
		return err
	}
	return i.engine.Invite(ctx, from, peer.Invite{Conversation: conv, Metadata: map[string]string{"title": in.Title, "mode": strconv.Itoa(in.Mode)}})
}

func (i inbox) Typing(ctx context.Context, from ident.DeviceID, conv commit.ObjectID, active bool) error {
	return i.node.Typed(ctx, from, conv, active)
}

func (i inbox) Read(ctx context.Context, from ident.DeviceID, conv, message commit.ObjectID) error {
	return i.node.ReadBy(ctx, from, conv, message)
}

func (i inbox) Delivered(ctx context.Context, _ ident.DeviceID, conv, c commit.ObjectID) {
	if err := i.node.Heard(ctx, conv, c); err != nil {
		i.log.Warn("what another device has", "err", err)
	}
}

// files gives out the files that are here.
type files struct{ *Online }

type openFile struct {
	*os.File
	size int64
}

func (f openFile) Size() int64 { return f.size }

func (f files) OpenFile(ctx context.Context, conv commit.ObjectID, file string) (peer.File, error) {
	path, err := f.node.FilePath(ctx, conv, file)
	if err != nil {
		return nil, peer.ErrUnknown
	}
	h, err := os.Open(path)
	if err != nil {
		return nil, peer.ErrUnknown
	}
	st, err := h.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return nil, errors.Join(peer.ErrUnknown, h.Close())
	}
	return openFile{h, st.Size()}, nil
}

// partial is a file that comes together beside its place: what is there is a
// line of digits in a second file, so that it goes on after a crash.
type partial struct {
	*os.File
	marks *os.File
	have  []bool
}

func openPartial(path string, parts int) (*partial, error) {
	f, err := os.OpenFile(path+".part", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	m, err := os.OpenFile(path+".have", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	p := &partial{File: f, marks: m, have: make([]bool, parts)}
	b, err := io.ReadAll(io.LimitReader(m, int64(parts)))
	for i := range b {
		p.have[i] = b[i] == '1'
	}
	return p, err
}

func (p *partial) Have() []bool { return p.have }

func (p *partial) Got(part int) error {
	if err := p.Sync(); err != nil {
		return err
	}
	_, err := p.marks.WriteAt([]byte{'1'}, int64(part))
	return err
}

func (p *partial) close() error { return errors.Join(p.marks.Close(), p.File.Close()) }

// Fetch implements [swarm.Network].
func (o *Online) Fetch(ctx context.Context, conv commit.ObjectID, f *api.SwarmFile) error {
	certs, err := o.node.Peers(ctx, conv)
	if err != nil {
		return err
	}
	var sources []ident.DeviceID
	for _, c := range certs { // who is connected first
		if o.devs.Road(c.DeviceID()) != p2p.None {
			sources = append(sources, c.DeviceID())
		}
	}
	for _, c := range certs {
		if o.devs.Road(c.DeviceID()) == p2p.None {
			sources = append(sources, c.DeviceID())
		}
	}
	p, err := openPartial(f.Path, peer.Parts(f.Size))
	if err != nil {
		return err
	}
	err = o.engine.FetchFile(ctx, peer.FileWant{Conversation: conv, File: f.ID, Size: f.Size, SHA3: f.SHA3, Sources: sources}, p, nil)
	if err == nil {
		err = p.Sync()
	}
	err = errors.Join(err, p.close())
	switch {
	case errors.Is(err, peer.ErrDigest): // nothing of it is any use
		return errors.Join(err, os.Remove(f.Path+".part"), os.Remove(f.Path+".have"))
	case err != nil:
		return err
	}
	return errors.Join(os.Rename(f.Path+".part", f.Path), os.Remove(f.Path+".have"))
}

// Peers implements [swarm.Network].
func (o *Online) Peers() []api.SwarmPeer {
	ctx, cancel := context.WithTimeout(context.Background(), stepTime)
	defer cancel()
	active, _, err := o.node.Active(ctx)
	if err != nil {
		return nil
	}
	seen := map[ident.DeviceID]bool{}
	out := []api.SwarmPeer{}
	for _, id := range active {
		st := o.engine.Status(id)
		if st == nil {
			continue
		}
		for _, d := range st.Devices {
			if seen[d.Device] {
				continue
			}
			seen[d.Device] = true
			p := api.SwarmPeer{Device: d.Device.String(), NextTry: d.Retry, Error: d.Reason}
			if d.Road != p2p.None {
				p.Road, p.NextTry, p.Error = d.Road.String(), d.Retry, ""
			}
			if u, err := o.node.Whose(ctx, d.Device); err == nil {
				p.Member = u.String()
			}
			out = append(out, p)
		}
	}
	return out
}

// Neighbors implements [swarm.Network].
func (o *Online) Neighbors(conv commit.ObjectID) []string {
	st := o.engine.Status(conv)
	if st == nil {
		return nil
	}
	var out []string
	for _, d := range st.Devices {
		if d.Neighbour {
			out = append(out, d.Device.String())
		}
	}
	return out
}
