package agent

import (
	"errors"

	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
)

// decrypt takes a message through the ratchet; the next state is written with
// the turn, also if the message is refused after it has used up a key. err is
// of the store.
func (t *turn) decrypt(b []byte) (before *ratchet.State, d ratchet.Decrypted, refused, err error) {
	err = t.a.cfg.Store.View(t.ctx, func(tx Tx) (err error) {
		if before = t.ratchet; before == nil {
			if before, err = t.loadRatchet(tx); err != nil {
				return err
			}
		}
		keys := &skippedKeys{tx: tx, id: t.ID}
		d, refused = before.Decrypt(keys, b)
		return keys.err
	})
	if notFound(err) {
		err = faulty(CodeProtocol, "message before the ratchet")
	}
	if err != nil {
		return nil, d, nil, err
	}
	if d.Next != nil {
		t.saveRatchet(d.Next)
		if skipped := d.Skipped; !skipped.Empty() {
			t.write(func(tx Tx) error { return tx.ApplySkipped(t.ID, skipped) })
		}
	}
	return before, d, refused, nil
}

// keepRatchet reports a fault of a message that the ratchet has taken.
func (t *turn) keepRatchet(code ErrorCode, err error) error {
	t.emit(ConnError{Err: &Error{Code: code, Detail: err.Error()}})
	return nil
}

// undecryptable tells copies of what was received before from trouble with
// the ratchet.
func (t *turn) undecryptable(err error, encHash []byte) error {
	seen := false
	if err := t.a.cfg.Store.View(t.ctx, func(tx Tx) (err error) {
		seen, err = tx.SeenHash(t.ID, encHash)
		return err
	}); err != nil || seen {
		return err
	}
	e := &Error{Code: CodeDecrypt, Detail: err.Error()}
	if state := syncAfter(err); state != "" && state != t.Sync && (t.Sync == SyncOK || t.Sync == SyncAllowed) {
		t.Sync = state
		t.emit(RatchetSync{State: state, Err: e})
	}
	t.emit(ConnError{Err: e})
	return nil
}

// syncAfter is the state of a ratchet that gave an error.
func syncAfter(err error) SyncState {
	var earlier *ratchet.EarlierError
	var skipped *ratchet.SkippedError
	switch {
	case errors.Is(err, ratchet.ErrBody), errors.As(err, &earlier):
		return SyncAllowed
	case errors.Is(err, ratchet.ErrHeader), errors.As(err, &skipped):
		return SyncRequired
	}
	return ""
}

// skippedKeys is the ratchet's view of the store.
type skippedKeys struct {
	tx  Tx
	id  ConnID
	err error // of the store
}

func (s *skippedKeys) HeaderKeys() (keys []ratchet.HeaderKey, err error) {
	keys, s.err = s.tx.SkippedChains(s.id)
	return keys, s.err
}

func (s *skippedKeys) MessageKey(chain ratchet.HeaderKey, n uint32) (ratchet.MessageKey, bool, error) {
	k, err := s.tx.SkippedKey(s.id, chain, n)
	if notFound(err) {
		return k, false, nil
	}
	s.err = err
	return k, err == nil, err
}

func (t *turn) loadRatchet(tx Tx) (*ratchet.State, error) {
	b, err := tx.Ratchet(t.ID)
	if err != nil {
		return nil, err
	}
	st := new(ratchet.State)
	t.spent = append(t.spent, ratchetState{st, b})
	return st, st.UnmarshalBinary(b)
}

// ratchetState is a state and what it is in the store.
type ratchetState struct {
	state *ratchet.State
	bytes []byte
}

// forget overwrites the keys that the turn had: the next one loads them again,
// and those that were used up are to be nowhere.
func (t *turn) forget() {
	for _, s := range t.spent {
		s.state.Forget(nil)
		clear(s.bytes)
	}
}

// saveRatchet writes the next state with the turn.
func (t *turn) saveRatchet(st *ratchet.State) {
	t.ratchet = st
	b, err := st.AppendBinary(nil) // now: keys that it shares with others may be wiped
	t.spent = append(t.spent, ratchetState{st, b})
	t.write(func(tx Tx) error {
		if err != nil {
			return err
		}
		return tx.PutRatchet(t.ID, b)
	})
}
