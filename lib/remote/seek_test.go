package remote_test

import (
	"testing"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/remote"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
	"github.com/simplexkit/simplexkit/lib/xrcp"
)

// TestAddressChanged has a controller lose its session and be somewhere else:
// its host gets the next invitation by the relay that the first one told of,
// with no announcement and no link.
func TestAddressChanged(t *testing.T) {
	w := newWorld(t)
	relay := smptest.Start(t)
	server := smp.AuthServer{ServerAddr: relay.Addr}
	// Port 9 is where nobody is any more.
	o := remote.OfferOptions{Via: []carrier.Name{carrier.TCP, carrier.SMP}, Relay: &server, Port: 9, Keep: true}
	offer, accept := w.offer(o)
	station := offer.Station()
	t.Cleanup(func() { _ = station.Close() })
	a, err := w.call("remoteConnect", api.RemoteConnectParams{Link: offer.Invitation().String()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.call("remoteVerify", api.RemoteSessionParams{Session: a.Session, Code: a.Code}); err != nil {
		t.Fatal(err)
	}
	s, err := accept()
	if err != nil {
		t.Fatal(err)
	}
	w.serve()
	if err := s.Close(); err != nil {
		t.Log(err)
	}
	o.Host, o.On, o.Port = w.knownHost(), station, 0
	_, accept = w.offer(o)
	if s, err = accept(); err != nil {
		t.Fatal(err)
	}
	if r := send(t, s, "/x"); r.Error != nil {
		t.Errorf("%s", r.Error)
	}
	// Where it is now, and by which roads, is what is remembered.
	w.until("the invitation is stored", func() bool {
		inv, err := xrcp.ParseInvitation(w.knownCtrl().Invitation)
		return err == nil && inv.Port == station.Port() && inv.Hint(xrcp.HintSMP) != "" && inv.Hint(xrcp.HintVia) != ""
	})
	if len(w.own.hosts) != 1 || len(w.store.ctrls) != 1 {
		t.Error("another pairing was made")
	}
}

func (w *world) knownHost() *remote.KnownHost {
	w.t.Helper()
	all, err := w.desk.Hosts(w.ctx)
	if err != nil || len(all) != 1 {
		w.t.Fatal(err, len(all))
	}
	return all[0]
}

func (w *world) knownCtrl() *remote.KnownCtrl {
	w.t.Helper()
	all, err := w.store.Ctrls(w.ctx)
	if err != nil || len(all) != 1 {
		w.t.Fatal(err, len(all))
	}
	return all[0]
}

// TestControllerRestarts has a controller end and begin again where it was: the
// host, which hears no announcement, asks there. Forgetting it forgets its place
// in the event log.
func TestControllerRestarts(t *testing.T) {
	w := newWorld(t)
	via := []carrier.Name{carrier.TCP, carrier.DTLS}
	offer, accept := w.offer(remote.OfferOptions{Via: via})
	_, port := offer.Address()
	a, err := w.call("remoteConnect", api.RemoteConnectParams{Link: offer.Invitation().String()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.call("remoteVerify", api.RemoteSessionParams{Session: a.Session, Code: a.Code}); err != nil {
		t.Fatal(err)
	}
	s, err := accept()
	if err != nil {
		t.Fatal(err)
	}
	w.serve()
	if err := s.Close(); err != nil {
		t.Log(err)
	}
	again, err := w.desk.Offer(w.ctx, remote.OfferOptions{Via: via, Host: w.knownHost(), Bind: "127.0.0.1", Addr: "127.0.0.1", Ports: []uint16{port}})
	if err != nil {
		t.Fatal(err)
	}
	if s, err = again.Accept(w.ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if r := send(t, s, "/x"); r.Error != nil {
		t.Errorf("%s", r.Error)
	}
	known := w.knownCtrl()
	if _, err := w.call("remoteForget", api.RemoteSessionParams{Ctrl: known.ID}); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	w.until("its place in the event log is forgotten", func() bool {
		w.profile.mu.Lock()
		defer w.profile.mu.Unlock()
		return len(w.profile.dropped) > 0
	})
}
