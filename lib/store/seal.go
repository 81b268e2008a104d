package store

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// A sealed value is
//
//	version  1 byte   1
//	kind     1 byte   'b' a BLOB, 't' a TEXT; 'B', 'T' the same as tokens
//	nonce   24 bytes  random; of a token, from the value itself
//	box               the value, sealed with XChaCha20-Poly1305
//
// with the associated data
//
//	context, version, kind, column, row identity...
//
// each with its length and type before it, so that a value opens in the
// column and the row where it was put, and nowhere else.
const (
	sealVersion  = 1
	sealOverhead = 2 + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead
	sealContext  = "simplexkit sealed value"
)

var (
	errTampered = errors.New(tamperedText)
	errNotOpen  = errors.New(lockedText)
)

// What SQL functions report: SQLite hands their errors on as text, in which
// the kind is found again.
const (
	tamperedText = "sealed value does not open"
	lockedText   = "database is locked with a key"
)

// sealer seals values with a database's data key.
type sealer struct {
	random, token cipher.AEAD
	nonce         []byte // key that makes a token's nonce
}

func newSealer(dataKey []byte) (*sealer, error) {
	s := new(sealer)
	for _, k := range []struct {
		use string
		set func(key []byte) error
	}{
		{"values", func(key []byte) (err error) { s.random, err = chacha20poly1305.NewX(key); return err }},
		{"tokens", func(key []byte) (err error) { s.token, err = chacha20poly1305.NewX(key); return err }},
		{"token nonces", func(key []byte) error { s.nonce = append(s.nonce, key...); return nil }},
	} {
		key, err := hkdf.Key(sha512.New, dataKey, nil, "simplexkit store "+k.use, chacha20poly1305.KeySize)
		if err == nil {
			err = k.set(key)
		}
		clear(key)
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// seal seals a TEXT (string) or a BLOB ([]byte); NULL (nil) stays NULL. Equal
// values give equal tokens within the same column and row identity.
func (s *sealer) seal(column string, v any, token bool, row []any) (any, error) {
	var plain []byte
	out := append(make([]byte, 0, sealOverhead+64), sealVersion)
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []byte:
		if v == nil {
			return nil, nil
		}
		plain, out = v, append(out, 'b')
	case string:
		plain, out = []byte(v), append(out, 't')
	default:
		return nil, fmt.Errorf("seal %s: a %T", column, v)
	}
	aead, nonce := s.random, make([]byte, chacha20poly1305.NonceSizeX)
	if token {
		aead = s.token
		out[1] -= 'a' - 'A'
	}
	ad, err := associated(out, column, row)
	if err != nil {
		return nil, err
	}
	if token {
		mac := hmac.New(sha256.New, s.nonce)
		mac.Write(lengthed(nil, 'a', ad))
		mac.Write(plain)
		copy(nonce, mac.Sum(nil))
	} else {
		rand.Read(nonce) // never fails
	}
	return aead.Seal(append(out, nonce...), nonce, plain, ad), nil
}

// open opens what seal made.
func (s *sealer) open(column string, v any, row []any) (any, error) {
	b, ok := v.([]byte)
	if v == nil || ok && b == nil {
		return nil, nil
	}
	if len(b) < sealOverhead || b[0] != sealVersion {
		return nil, errTampered
	}
	ad, err := associated(b[:2], column, row)
	if err != nil {
		return nil, err
	}
	var aead cipher.AEAD
	switch b[1] {
	case 'b', 't':
		aead = s.random
	case 'B', 'T':
		aead = s.token
	default:
		return nil, errTampered
	}
	nonce, box := b[2:2+chacha20poly1305.NonceSizeX], b[2+chacha20poly1305.NonceSizeX:]
	plain, err := aead.Open(make([]byte, 0, len(box)), nonce, box, ad)
	if err != nil {
		return nil, errTampered
	}
	if b[1] == 't' || b[1] == 'T' {
		return string(plain), nil
	}
	return plain, nil
}

// associated is what a sealed value is bound to.
func associated(header []byte, column string, row []any) ([]byte, error) {
	ad := make([]byte, 0, 128)
	ad = append(ad, sealContext...)
	ad = append(ad, header...)
	ad = lengthed(ad, 'c', column)
	for _, v := range row {
		switch v := v.(type) {
		case int64:
			ad = append(ad, 'i')
			ad = binary.BigEndian.AppendUint64(ad, uint64(v))
		case string:
			ad = lengthed(ad, 't', v)
		case []byte:
			if v == nil {
				return nil, fmt.Errorf("seal %s: row identity is NULL", column)
			}
			ad = lengthed(ad, 'b', v)
		default:
			return nil, fmt.Errorf("seal %s: row identity is a %T", column, v)
		}
	}
	return ad, nil
}

func lengthed[T string | []byte](b []byte, kind byte, v T) []byte {
	b = append(b, kind)
	b = binary.BigEndian.AppendUint64(b, uint64(len(v)))
	return append(b, v...)
}
