package online

import (
	"context"
	"time"

	"github.com/simplexkit/simplexkit/lib/p2p"
	"github.com/simplexkit/simplexkit/lib/swarm"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/peer"
)

// siblings is what the devices of our account share.
type siblings struct{ *Online }

func (s siblings) Same(dev ident.DeviceID) bool {
	ctx, cancel := context.WithTimeout(context.Background(), stepTime)
	defer cancel()
	ok, err := s.node.Sibling(ctx, dev)
	return ok && err == nil
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func (s siblings) State(ctx context.Context, _ ident.DeviceID) (*peer.State, error) {
	shared, err := s.node.Shared(ctx)
	if err != nil {
		return nil, err
	}
	out := &peer.State{Devices: []peer.DeviceInfo{{Chain: []byte(s.hello().Chain)}}}
	for _, c := range shared {
		switch c.State {
		case swarm.Invited, swarm.Declined, swarm.Blocked:
			r := peer.Request{ID: c.ID, Received: millis(c.Created), Metadata: map[string]string{"title": c.Title}}
			r.From, _ = ident.ParseURI(c.From)
			if c.State != swarm.Invited {
				r.Declined = millis(c.Changed)
			}
			if c.State == swarm.Blocked {
				out.Contacts = append(out.Contacts, peer.Contact{URI: r.From, Removed: millis(c.Changed), Banned: true, Conversation: c.ID})
			}
			out.Requests = append(out.Requests, r)
		default:
			i := peer.ConvInfo{ID: c.ID, Created: millis(c.Created), Mode: int(c.Mode)}
			switch c.State {
			case swarm.Left:
				i.Removed = millis(c.Changed)
			case swarm.Removed:
				i.Removed, i.Erased = millis(c.Changed), millis(c.Changed)
			}
			out.Conversations = append(out.Conversations, i)
		}
		if len(c.Preferences) > 0 {
			out.Preferences = append(out.Preferences, peer.Preferences{ID: c.ID, Changed: millis(c.PreferencesChanged), Values: c.Preferences})
		}
		if !c.Read.IsZero() {
			out.Displayed = append(out.Displayed, peer.Displayed{ID: c.ID, Commit: c.Read})
		}
	}
	return out, nil
}

func (s siblings) Merge(ctx context.Context, from ident.DeviceID, st *peer.State) error {
	byID := map[commit.ObjectID]*swarm.Shared{}
	of := func(id commit.ObjectID) *swarm.Shared {
		if byID[id] == nil {
			byID[id] = &swarm.Shared{ID: id}
		}
		return byID[id]
	}
	for _, c := range st.Conversations {
		v := of(c.ID)
		v.State, v.Created, v.Changed, v.Mode = swarm.Member, time.UnixMilli(c.Created), time.UnixMilli(c.Created), commit.Scope(c.Mode)
		if c.Removed > 0 {
			v.State, v.Changed = swarm.Left, time.UnixMilli(c.Removed)
		}
	}
	for _, r := range st.Requests {
		v := of(r.ID)
		v.State, v.Created, v.Changed, v.From, v.Title = swarm.Invited, time.UnixMilli(r.Received), time.UnixMilli(r.Received), r.From.String(), r.Metadata["title"]
		if r.Declined > 0 {
			v.State, v.Changed = swarm.Declined, time.UnixMilli(r.Declined)
		}
	}
	for _, c := range st.Contacts {
		if c.Banned {
			of(c.Conversation).State = swarm.Blocked
		}
	}
	for _, p := range st.Preferences {
		v := of(p.ID)
		v.Preferences, v.PreferencesChanged = p.Values, time.UnixMilli(p.Changed)
	}
	for _, d := range st.Displayed {
		of(d.ID).Read = d.Commit
	}
	for _, v := range byID {
		if err := s.node.TakeShared(ctx, from, v); err != nil {
			return err
		}
	}
	s.kick()
	return nil
}

// syncSiblings agrees with our other devices that are connected, when
// something has changed here or they have just come.
func (o *Online) syncSiblings(ctx context.Context) error {
	list, err := o.node.DevicesOf(ctx, o.device.URI())
	if err != nil {
		return err
	}
	version, err := o.node.Version(ctx)
	if err != nil {
		return err
	}
	for _, dev := range list {
		what := "sync " + dev.String()
		if dev == o.device.ID() || !o.due(what) {
			continue
		}
		if o.devs.Road(dev) == p2p.None {
			// Our own devices are worth a try.
			if o.due("reach " + dev.String()) {
				o.tried("reach "+dev.String(), o.short(ctx, func(ctx context.Context) error { return o.reach(ctx, dev) }))
			}
			continue
		}
		if o.agreed(dev, version) {
			continue
		}
		err := o.short(ctx, func(ctx context.Context) error { return o.engine.SyncWith(ctx, dev) })
		o.tried(what, err)
		if err == nil {
			// What came with it is no reason to begin again.
			if version, err = o.node.Version(ctx); err != nil {
				return err
			}
			o.agree(dev, version)
		}
	}
	return nil
}

func (o *Online) agreed(dev ident.DeviceID, version string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.synced[dev] == version
}

func (o *Online) agree(dev ident.DeviceID, version string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.synced[dev] = version
}
