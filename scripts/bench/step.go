package main

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/crypto/sntrup"
)

// stepRows are the ratchet's dear steps and the KEM.
func stepRows() []row {
	rows := []row{{
		name: "ratchet_step", unit: "messages/s, each in the other direction than the one before", round: 5 * time.Second,
		floorIs: "2 X448 agreements",
		open:    func(context.Context, *options) (*sides, error) { return openStep(false, agreements) },
	}, {
		name: "ratchet_step_pq", unit: "messages/s, each in the other direction, with the KEM", round: 5 * time.Second,
		floorIs: "sntrup761: a key made, a secret encapsulated and decapsulated",
		open:    func(context.Context, *options) (*sides, error) { return openStep(true, kemOnce) },
	}, {
		name: "ratchet_skipped_512", unit: "skipped messages/s, when the last of 512 comes first", round: 5 * time.Second,
		floorIs: "the same of 16",
		open:    func(context.Context, *options) (*sides, error) { return openSkipped(512, 16) },
	}}
	for _, k := range []struct {
		name string
		op   func(*kem) error
	}{{"sntrup_keygen", (*kem).generate}, {"sntrup_encap", (*kem).encapsulate}, {"sntrup_decap", (*kem).decapsulate}} {
		rows = append(rows, row{
			name: k.name, unit: "1/s", round: 3 * time.Second, floorIs: "an X448 agreement",
			open: func(context.Context, *options) (*sides, error) { return openKEM(k.op) },
		})
	}
	return rows
}

// kem is a key with a ciphertext for it.
type kem struct {
	sk *sntrup.SecretKey
	ct *sntrup.Ciphertext
}

func (k *kem) generate() (err error) {
	k.sk, err = sntrup.GenerateKey(rand.Reader)
	return err
}

func (k *kem) encapsulate() (err error) {
	k.ct, _, err = k.sk.Public().Encapsulate(rand.Reader)
	return err
}

func (k *kem) decapsulate() error {
	if len(k.sk.Decapsulate(k.ct)) == 0 {
		return errors.New("no secret")
	}
	return nil
}

func newKEM() (*kem, error) {
	k := new(kem)
	if err := k.generate(); err != nil {
		return nil, err
	}
	return k, k.encapsulate()
}

func openKEM(op func(*kem) error) (*sides, error) {
	k, err := newKEM()
	if err != nil {
		return nil, err
	}
	floor, err := agreement()
	if err != nil {
		return nil, err
	}
	return &sides{
		ours: func(_ context.Context, d time.Duration) (float64, error) {
			return repeat(d, func() error { return op(k) })
		},
		floor: func(_ context.Context, d time.Duration) (float64, error) { return repeat(d, floor) },
		close: nothing,
	}, nil
}

func nothing() error { return nil }

// agreement is one X448 agreement.
func agreement() (func() error, error) {
	own, other := key.GenerateX448(), key.GenerateX448().Public()
	return func() error {
		_, err := own.DH(other)
		return err
	}, nil
}

func agreements() (func() error, error) {
	one, err := agreement()
	return func() error {
		if err := one(); err != nil {
			return err
		}
		return one()
	}, err
}

func kemOnce() (func() error, error) {
	k := new(kem)
	return func() error {
		if err := k.generate(); err != nil {
			return err
		}
		if err := k.encapsulate(); err != nil {
			return err
		}
		return k.decapsulate()
	}, nil
}

// openStep is a conversation in which the parties take turns.
func openStep(pq bool, floor func() (func() error, error)) (*sides, error) {
	from, to, err := agreed(ratchet.PQSupport(pq))
	if err != nil {
		return nil, err
	}
	other, err := floor()
	if err != nil {
		return nil, err
	}
	msg := make([]byte, shortBody)
	turn := func() error {
		next, sealed, err := from.Encrypt(msg, shortBody+2, sendOptions(pq))
		if err != nil {
			return err
		}
		got, err := to.Decrypt(nil, sealed)
		if err != nil {
			return err
		}
		from, to = got.Next, next
		return nil
	}
	for range 4 { // until both have the other's keys, those of the KEM too
		if err := turn(); err != nil {
			return nil, err
		}
	}
	if pq && !bool(from.PQEnabled()) {
		return nil, errors.New("the KEM is not in use")
	}
	return &sides{
		ours:  func(_ context.Context, d time.Duration) (float64, error) { return repeat(d, turn) },
		floor: func(_ context.Context, d time.Duration) (float64, error) { return repeat(d, other) },
		close: nothing,
	}, nil
}

func sendOptions(pq bool) ratchet.SendOptions {
	if pq {
		return ratchet.SendOptions{PQ: ratchet.PQEnable}
	}
	return ratchet.SendOptions{}
}

// openSkipped compares large and small gaps, by the skipped message.
func openSkipped(large, small int) (*sides, error) {
	decrypt := func(gap int) (func(context.Context, time.Duration) (float64, error), error) {
		from, to, err := agreed(false)
		if err != nil {
			return nil, err
		}
		var sealed []byte
		for range gap {
			if from, sealed, err = from.Encrypt(nil, shortBody, ratchet.SendOptions{}); err != nil {
				return nil, err
			}
		}
		return func(_ context.Context, d time.Duration) (float64, error) {
			n, err := repeat(d, func() error {
				_, err := to.Decrypt(nil, sealed) // states do not change
				return err
			})
			return n * float64(gap-1), err
		}, nil
	}
	ours, err := decrypt(large)
	if err != nil {
		return nil, err
	}
	floor, err := decrypt(small)
	if err != nil {
		return nil, err
	}
	return &sides{ours: ours, floor: floor, close: nothing}, nil
}
