package peer

import (
	"context"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// maxHello is the size of a Hello.
const maxHello = 64 << 10

// Hello is how a device that is in no history yet says whose it is. That the
// certificate is the device's is for the receiver to check; the device itself
// is proved by the connection.
type Hello struct {
	Chain string   `json:"chain"` // PEM: device, account
	Name  string   `json:"name,omitempty"`
	Addrs []string `json:"addrs,omitempty"`
}

// Hello exchanges hellos with a device.
func (e *Engine) Hello(ctx context.Context, dev ident.DeviceID) error {
	if e.cfg.Hello == nil {
		return ErrUnknown
	}
	s, done, err := e.open(ctx, dev, protoHello, exchangeTime)
	if err != nil {
		return err
	}
	defer done()
	if err := writeJSON(s, e.cfg.Hello()); err != nil {
		return err
	}
	if _, err := readAnswer(s); err != nil {
		return err
	}
	var h Hello
	if err := readJSON(s, maxHello, &h); err != nil {
		return err
	}
	return e.cfg.Met(ctx, dev, h)
}

func (e *Engine) serveHello(ctx context.Context, from ident.DeviceID, s Stream) error {
	s.SetEnd(time.Now().Add(exchangeTime))
	if e.cfg.Hello == nil || !e.flow(from).take(20) {
		return errBusy
	}
	var h Hello
	if err := readJSON(s, maxHello, &h); err != nil {
		return err
	}
	if err := e.cfg.Met(ctx, from, h); err != nil {
		return refuse(s, err)
	}
	if err := writeJSON(s, answer{}); err != nil {
		return err
	}
	return writeJSON(s, e.cfg.Hello())
}
