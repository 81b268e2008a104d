package store

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"
)

// KDF is the cost of making a key from a passphrase with Argon2id.
type KDF struct {
	Time    uint32 // passes
	Memory  uint32 // KiB
	Threads uint8
}

// DefaultKDF is the second recommended option of RFC 9106.
var DefaultKDF = KDF{Time: 3, Memory: 64 << 10, Threads: 4}

// What a file may ask of the machine that opens it.
const (
	maxKDFTime   = 1 << 10
	maxKDFMemory = 4 << 20 // KiB
)

// Secret is what a database's data key is wrapped with: a passphrase or a
// random key. It formats as the word secret.
type Secret struct {
	b   []byte
	raw bool
	kdf KDF
}

// Passphrase takes a copy of p. The zero KDF is [DefaultKDF]; it matters only
// where the secret is new, for the database remembers it.
func Passphrase(p []byte, k KDF) *Secret {
	if k == (KDF{}) {
		k = DefaultKDF
	}
	return &Secret{b: append([]byte(nil), p...), kdf: k}
}

// RawKey takes a copy of 32 random bytes, which need no stretching.
func RawKey(k [32]byte) *Secret { return &Secret{b: append([]byte(nil), k[:]...), raw: true} }

// Copy is the same secret, which is wiped by itself.
func (s *Secret) Copy() *Secret {
	return &Secret{b: append([]byte(nil), s.b...), raw: s.raw, kdf: s.kdf}
}

// Wipe overwrites the secret, which opens nothing afterwards.
func (s *Secret) Wipe() {
	if s != nil {
		clear(s.b)
		s.b = nil
	}
}

// Format implements fmt.Formatter.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "secret") }

// keysTable has one row in a database with a key, and is missing in others.
const keysTable = `CREATE TABLE IF NOT EXISTS store_keys (
	key_id  INTEGER PRIMARY KEY CHECK (key_id = 1),
	version INTEGER NOT NULL, -- of this row and of sealed values
	kdf     TEXT    NOT NULL, -- argon2id: from a passphrase, raw: from a random key
	time    INTEGER NOT NULL, -- passes
	memory  INTEGER NOT NULL, -- KiB
	threads INTEGER NOT NULL,
	salt    BLOB    NOT NULL,
	proof   BLOB    NOT NULL, -- of the secret: tells a wrong one from a damaged row
	wrapped BLOB    NOT NULL  -- nonce and data key, sealed with the secret's key
) STRICT`

// wrapping is the row.
type wrapping struct {
	version              int
	kdf                  string
	time, memory, thread uint32
	salt, proof, wrapped []byte
}

const (
	kdfArgon = "argon2id"
	kdfRaw   = "raw"
)

// wrap wraps dataKey for s, with a new salt.
func wrap(dataKey []byte, s *Secret) (*wrapping, error) {
	if len(s.b) == 0 {
		return nil, errors.New("an empty secret protects nothing")
	}
	w := &wrapping{version: sealVersion, kdf: kdfRaw, salt: make([]byte, 16)}
	rand.Read(w.salt)
	if !s.raw {
		w.kdf, w.time, w.memory, w.thread = kdfArgon, s.kdf.Time, s.kdf.Memory, uint32(s.kdf.Threads)
	}
	key, proof, err := w.derive(s)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	w.proof = proof
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce)
	w.wrapped = aead.Seal(nonce, nonce, dataKey, w.associated())
	return w, nil
}

// unwrap gives the data key, or the kind of what is wrong.
func (w *wrapping) unwrap(s *Secret) (dataKey []byte, err error) {
	key, proof, err := w.derive(s)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	if subtle.ConstantTimeCompare(proof, w.proof) != 1 {
		return nil, ErrWrongKey
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	n := aead.NonceSize()
	if len(w.wrapped) < n {
		return nil, fmt.Errorf("%w: wrapped key is short", ErrCorrupt)
	}
	dataKey, err = aead.Open(nil, w.wrapped[:n], w.wrapped[n:], w.associated())
	if err != nil {
		return nil, fmt.Errorf("%w: wrapped key does not open", ErrCorrupt)
	}
	return dataKey, nil
}

// derive makes the secret's key and the proof of it.
func (w *wrapping) derive(s *Secret) (key, proof []byte, err error) {
	stretched := s.b
	switch {
	case w.kdf == kdfArgon && (w.time < 1 || w.time > maxKDFTime || w.memory > maxKDFMemory || w.thread < 1 || w.thread > 255):
		return nil, nil, fmt.Errorf("%w: cost of the passphrase out of bounds", ErrCorrupt)
	case w.kdf == kdfArgon && !s.raw:
		stretched = argon2.IDKey(s.b, w.salt, w.time, w.memory, uint8(w.thread), 32)
		defer clear(stretched)
	case w.kdf == kdfRaw && s.raw && len(s.b) == 32:
	case w.kdf == kdfArgon, w.kdf == kdfRaw:
		return nil, nil, ErrWrongKey
	default:
		return nil, nil, fmt.Errorf("%w: key is of an unknown kind", ErrCorrupt)
	}
	if key, err = hkdf.Key(sha512.New, stretched, w.salt, "simplexkit store wrap", 32); err != nil {
		return nil, nil, err
	}
	proof, err = hkdf.Key(sha512.New, stretched, w.salt, "simplexkit store proof", 32)
	return key, proof, err
}

// associated binds the wrapped key to how it is made.
func (w *wrapping) associated() []byte {
	b := lengthed([]byte("simplexkit store key"), 'k', w.kdf)
	for _, n := range []uint32{uint32(w.version), w.time, w.memory, w.thread} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return lengthed(b, 's', w.salt)
}

func (w *wrapping) write(tx *sql.Tx) error {
	if _, err := tx.Exec(keysTable); err != nil {
		return err
	}
	_, err := tx.Exec(`INSERT OR REPLACE INTO store_keys (key_id, version, kdf, time, memory, threads, salt, proof, wrapped)
		VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)`, w.version, w.kdf, w.time, w.memory, w.thread, w.salt, w.proof, w.wrapped)
	return err
}

// readWrapping is nil, nil for a database without a key.
func readWrapping(ctx context.Context, db *sql.DB) (*wrapping, error) {
	var n int
	err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE name = 'store_keys'`).Scan(&n)
	if err != nil || n == 0 {
		return nil, err
	}
	w := new(wrapping)
	err = db.QueryRowContext(ctx, `SELECT version, kdf, time, memory, threads, salt, proof, wrapped FROM store_keys`).
		Scan(&w.version, &w.kdf, &w.time, &w.memory, &w.thread, &w.salt, &w.proof, &w.wrapped)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%w: its key is gone", ErrCorrupt)
	}
	if err == nil && w.version > sealVersion {
		err = fmt.Errorf("%w: key of version %d", ErrNewerSchema, w.version)
	}
	return w, err
}

// Encrypted tells whether the database has a key. Without [DB.Unlock] what is
// sealed in it can be neither read nor written: statements that call seal,
// token or unseal fail with [ErrLocked].
func (db *DB) Encrypted() bool { return db.vault.Load() != nil }

// Unlock opens a database's data key. The errors are [ErrWrongKey],
// [ErrNotEncrypted], [ErrCorrupt] and [ErrNewerSchema].
func (db *DB) Unlock(ctx context.Context, s *Secret) error {
	_, sealer, err := db.unwrap(ctx, s)
	if err != nil {
		return db.keyError("unlock", err)
	}
	db.vault.Store(&vault{sealer})
	return nil
}

func (db *DB) unwrap(ctx context.Context, s *Secret) (dataKey []byte, _ *sealer, err error) {
	w, err := readWrapping(ctx, db.r)
	if err != nil {
		return nil, nil, err
	}
	if w == nil {
		return nil, nil, ErrNotEncrypted
	}
	if dataKey, err = w.unwrap(s); err != nil {
		return nil, nil, err
	}
	sealer, err := newSealer(dataKey)
	return dataKey, sealer, err
}

// Protect gives a database that has no key one, which s opens, and unlocks it.
// It is for new databases: what is there already is not sealed, see [Reseal].
func (db *DB) Protect(ctx context.Context, s *Secret) error {
	if db.Encrypted() {
		return db.keyError("protect", errors.New("the database has a key already"))
	}
	dataKey := make([]byte, 32)
	rand.Read(dataKey)
	defer clear(dataKey)
	w, err := wrap(dataKey, s)
	if err != nil {
		return db.keyError("protect", err)
	}
	sealer, err := newSealer(dataKey)
	if err != nil {
		return db.keyError("protect", err)
	}
	if err := db.Update(ctx, w.write); err != nil {
		return db.keyError("protect", err)
	}
	db.vault.Store(&vault{sealer})
	return nil
}

// ChangeSecret wraps the data key anew, for to instead of from, in one
// transaction, and takes the old wrapping off the write-ahead log. Values
// stay sealed with the same data key: an old copy of the file still opens
// with from. The errors are those of Unlock.
func (db *DB) ChangeSecret(ctx context.Context, from, to *Secret) error {
	dataKey, sealer, err := db.unwrap(ctx, from)
	if err != nil {
		return db.keyError("change secret", err)
	}
	defer clear(dataKey)
	w, err := wrap(dataKey, to)
	if err == nil {
		err = db.Update(ctx, w.write)
	}
	if err != nil {
		return db.keyError("change secret", err)
	}
	db.vault.Store(&vault{sealer})
	return db.Checkpoint(ctx)
}

// Checkpoint moves the write-ahead log into the database and empties it, so
// that what was deleted is not there either. It waits for views, and returns
// [ErrBusy] if one lasts longer than the busy timeout.
func (db *DB) Checkpoint(ctx context.Context) error {
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	c := sql.OpenDB(&connector{dsn: db.dsn(true), vault: &db.vault})
	var busy, pages, done int
	err := c.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &done)
	err = errors.Join(err, c.Close())
	if err != nil {
		return fmt.Errorf("store: checkpoint: %w", db.wrap(err))
	}
	if busy != 0 {
		return &Error{Path: db.path, Kind: ErrBusy, Err: errors.New("checkpoint")}
	}
	return nil
}

// keyError gives an error of a key the path and its kind.
func (db *DB) keyError(doing string, err error) error {
	var have *Error
	if errors.As(err, &have) {
		return fmt.Errorf("store: %s: %w", doing, err)
	}
	for _, k := range []error{ErrWrongKey, ErrNotEncrypted, ErrCorrupt, ErrNewerSchema} {
		if errors.Is(err, k) {
			return &Error{Path: db.path, Kind: k, Err: errors.New(doing)}
		}
	}
	return fmt.Errorf("store: %s: %w", doing, db.wrap(err))
}
