package p2p

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-multihash"
	"github.com/multiformats/go-multistream"
)

const (
	// reprovide is how often the host says again where it is.
	reprovide = 30 * time.Minute
	// findTime bounds one question to the DHT.
	findTime = 20 * time.Second
)

// finder is the rendez-vous: a DHT in which devices leave their addresses under
// topics. Only nodes that serve keep records; devices ask.
type finder struct {
	h   *Host
	dht *dht.IpfsDHT // nil if there is no bootstrap node and the host does not serve

	mu     sync.Mutex
	topics map[string]bool // guarded by mu
	poke   chan struct{}
}

func newFinder(h *Host) (*finder, error) {
	f := &finder{h: h, topics: map[string]bool{}, poke: make(chan struct{}, 1)}
	if len(h.bootstrap) == 0 && !h.cfg.Serve {
		return f, nil
	}
	mode := dht.ModeClient
	if h.cfg.Serve {
		mode = dht.ModeServer
	}
	d, err := dht.New(h.host, dht.Mode(mode), dht.ProtocolPrefix("/simplexkit"), dht.BootstrapPeers(h.bootstrap...),
		dht.DisableValues(), dht.RoutingTableRefreshPeriod(time.Hour))
	if err != nil {
		return nil, err
	}
	f.dht = d
	return f, nil
}

func (f *finder) close() {
	if f != nil && f.dht != nil {
		_ = f.dht.Close()
	}
}

// key is where a topic's record lies. Who does not know the topic does not
// learn it from the record.
func key(topic string) (cid.Cid, error) {
	sum := sha256.Sum256([]byte("simplexkit rendez-vous\x00" + topic))
	mh, err := multihash.Encode(sum[:], multihash.SHA2_256)
	if err != nil {
		return cid.Undef, err
	}
	return cid.NewCidV1(cid.Raw, mh), nil
}

// run says again and again under which topics the host is found.
func (f *finder) run(ctx context.Context, moved <-chan struct{}) {
	if f.dht == nil {
		return
	}
	wait := 2 * time.Second
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-moved:
			timer.Stop()
			if !sleep(ctx, 2*time.Second) {
				return
			}
		case <-f.poke:
			timer.Stop()
		case <-timer.C:
		}
		if f.provide(ctx) {
			wait = reprovide
		} else {
			wait = min(2*wait, reprovide)
		}
	}
}

// provide leaves a record for each topic; false if one could not be left.
func (f *finder) provide(ctx context.Context) bool {
	f.mu.Lock()
	topics := make([]string, 0, len(f.topics))
	for t := range f.topics {
		topics = append(topics, t)
	}
	f.mu.Unlock()
	slices.Sort(topics)
	ok := true
	for _, t := range topics {
		k, err := key(t)
		if err != nil {
			continue
		}
		c, cancel := context.WithTimeout(ctx, findTime)
		err = f.dht.Provide(c, k, true)
		cancel()
		if err != nil {
			f.h.log.Debug("rendez-vous: no record left", "err", err)
			ok = false
		}
	}
	return ok
}

func (f *finder) addrs(ctx context.Context, id PeerID) ([]ma.Multiaddr, error) {
	if f.dht == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	// Looking for a peer connects to it, over a relay too, and then waits for a
	// direct road, which need not come.
	met := make(chan struct{})
	defer close(met)
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for f.h.Road(id) == None {
			select {
			case <-tick.C:
			case <-met:
				return
			}
		}
		cancel()
	}()
	info, err := f.dht.FindPeer(ctx, id)
	return info.Addrs, err
}

// Advertise lets the host be found under a topic from now on; Run does it.
func (h *Host) Advertise(topic string) { h.find.set(topic, true) }

// Unadvertise ends an Advertise. Records that are out live on for some hours.
func (h *Host) Unadvertise(topic string) { h.find.set(topic, false) }

func (f *finder) set(topic string, on bool) {
	f.mu.Lock()
	was := f.topics[topic]
	if on {
		f.topics[topic] = true
	} else {
		delete(f.topics, topic)
	}
	f.mu.Unlock()
	if on && !was {
		select {
		case f.poke <- struct{}{}:
		default:
		}
	}
}

// Find asks the rendez-vous for peers under a topic, up to limit, and remembers
// their addresses. What it says is a hint: anyone may leave a record.
func (h *Host) Find(ctx context.Context, topic string, limit int) ([]PeerID, error) {
	if h.find.dht == nil {
		return nil, nil
	}
	k, err := key(topic)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	var out []PeerID
	for info := range h.find.dht.FindProvidersAsync(ctx, k, limit) {
		if info.ID == h.ID() || slices.Contains(out, info.ID) {
			continue
		}
		h.host.Peerstore().AddAddrs(info.ID, info.Addrs[:min(len(info.Addrs), maxAddrs)], lanTTL)
		out = append(out, info.ID)
	}
	return out, nil
}

// isNotSupported tells whether a peer refused all protocols.
func isNotSupported(err error) bool {
	var no multistream.ErrNotSupported[protocol.ID]
	return errors.As(err, &no) || strings.Contains(err.Error(), "protocols not supported")
}
