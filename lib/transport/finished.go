package transport

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"

	tls "github.com/simplexkit/simplexkit/lib/transport/gotls"
)

// Record and message types of RFC 8446.
const (
	recordHandshake   = 22
	recordApplication = 23
	recordHeader      = 5
	messageFinished   = 20
	messageHeader     = 4
)

// maxMessage is more than crypto/tls accepts of one handshake message.
const maxMessage = 1 << 18

// keyLog takes the client's handshake traffic secret out of what crypto/tls
// writes to Config.KeyLogWriter and drops the rest.
type keyLog struct{ secret []byte }

// Write takes lines "LABEL client_random secret", one a call.
func (l *keyLog) Write(line []byte) (int, error) {
	f := bytes.Fields(line)
	if len(f) == 3 && string(f[0]) == "CLIENT_HANDSHAKE_TRAFFIC_SECRET" {
		l.wipe()
		l.secret = make([]byte, hex.DecodedLen(len(f[2])))
		if _, err := hex.Decode(l.secret, f[2]); err != nil {
			l.wipe()
			return 0, errors.New("transport: key log: not hex")
		}
	}
	return len(line), nil
}

func (l *keyLog) wipe() {
	clear(l.secret)
	l.secret = nil
}

// suite13 is what a suite of TLS 1.3 is made of.
type suite13 struct {
	hash   func() hash.Hash
	keyLen int
	aead   func(key []byte) (cipher.AEAD, error)
}

func gcm(key []byte) (cipher.AEAD, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}

// The AES suites are never used; they stand here so that the test of this
// file covers other peers.
var suites13 = map[uint16]suite13{
	tls.TLS_CHACHA20_POLY1305_SHA256: {sha256.New, 32, chacha20poly1305.New},
	tls.TLS_AES_128_GCM_SHA256:       {sha256.New, 16, gcm},
	tls.TLS_AES_256_GCM_SHA384:       {sha512.New384, 32, gcm},
}

// expandLabel is HKDF-Expand-Label of RFC 8446 with an empty context.
func expandLabel(h func() hash.Hash, secret []byte, label string, n int) ([]byte, error) {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(append(info, byte(len(label))), label...)
	return hkdf.Expand(h, secret, string(append(info, 0)), n)
}

// flight opens the client's handshake records of TLS 1.3.
type flight struct {
	aead cipher.AEAD
	iv   []byte
	seq  uint64
}

func newFlight(suite uint16, secret []byte) (*flight, error) {
	s, ok := suites13[suite]
	if !ok || len(secret) == 0 {
		return nil, errors.New("no traffic secret")
	}
	k, err := expandLabel(s.hash, secret, "key", s.keyLen)
	if err != nil {
		return nil, err
	}
	defer clear(k)
	iv, err := expandLabel(s.hash, secret, "iv", 12)
	if err != nil {
		return nil, err
	}
	aead, err := s.aead(k)
	return &flight{aead: aead, iv: iv}, err
}

// open returns the inner type and plain text of one record.
func (f *flight) open(header, body []byte) (typ byte, plain []byte, err error) {
	nonce := make([]byte, len(f.iv))
	binary.BigEndian.PutUint64(nonce[len(nonce)-8:], f.seq)
	for i := range nonce {
		nonce[i] ^= f.iv[i]
	}
	f.seq++
	plain, err = f.aead.Open(nil, nonce, body, header)
	if err != nil {
		return 0, nil, err
	}
	plain = bytes.TrimRight(plain, "\x00")
	if len(plain) == 0 {
		return 0, nil, errors.New("record without a type")
	}
	return plain[len(plain)-1], plain[:len(plain)-1], nil
}

// clientFinished is the verify_data of the client's Finished message in a
// recording of what the client sent. Hellos in the clear and the dummy
// ChangeCipherSpec come first; after a HelloRetryRequest there are two hellos.
// Certificate and CertificateVerify may precede Finished, cut into records
// anyhow. What follows it is not looked at.
func clientFinished(suite uint16, secret, recording []byte) ([]byte, error) {
	f, err := newFlight(suite, secret)
	if err != nil {
		return nil, fmt.Errorf("transport: session identifier: %w", err)
	}
	var messages []byte
	for len(recording) >= recordHeader {
		n := recordHeader + int(binary.BigEndian.Uint16(recording[3:]))
		if len(recording) < n {
			break
		}
		header, body := recording[:recordHeader], recording[recordHeader:n]
		recording = recording[n:]
		if header[0] != recordApplication {
			continue
		}
		typ, plain, err := f.open(header, body)
		if err != nil {
			return nil, fmt.Errorf("transport: session identifier: record %d: %w", f.seq, err)
		}
		if typ != recordHandshake {
			continue
		}
		messages = append(messages, plain...)
		v, rest, err := findFinished(messages)
		if v != nil || err != nil {
			return v, err
		}
		messages = rest
	}
	return nil, errors.New("transport: session identifier: no Finished message")
}

// findFinished skips whole messages; v is nil if Finished has not come, and
// rest is what is left of an unfinished message.
func findFinished(b []byte) (v, rest []byte, err error) {
	for len(b) >= messageHeader {
		n := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		if n > maxMessage {
			return nil, nil, fmt.Errorf("transport: session identifier: message of %d bytes", n)
		}
		if len(b) < messageHeader+n {
			break
		}
		if b[0] == messageFinished {
			return bytes.Clone(b[messageHeader : messageHeader+n]), nil, nil
		}
		b = b[messageHeader+n:]
	}
	return nil, b, nil
}
