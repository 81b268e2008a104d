package box_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// crypto.json is about three packages; wire, key and box are all checked here,
// so that no case of it is left out.
func TestVectorsCrypto(t *testing.T) {
	vectors.Load(t, "crypto.json").Dispatch(t, map[string]func(*testing.T, vectors.Case){
		"key/*":                           keyEncodings,
		"key_decode_edge":                 keyEdge,
		"dh/*":                            agreement,
		"sign/*":                          signature,
		"hash":                            hashes,
		"cert_chain":                      certChain,
		"pad":                             pad,
		"base64url":                       base64Text,
		"base64url_decode_edge":           base64Edge,
		"primitive_encoding":              primitive,
		"crypto_box_padded":               sealed,
		"crypto_box_no_pad":               sealed,
		"secret_box_padded":               sealed,
		"secret_box_no_pad":               sealed,
		"secret_box_decrypt_edge":         openEdge,
		"cb_nonce_from_bytes":             nonces,
		"cb_authenticator":                authenticator,
		"hkdf_sha512":                     derived,
		"sb_chain":                        chains,
		"aes256_gcm_16_byte_iv":           gcm,
		"aes256_gcm_12_byte_iv_no_pad":    gcm,
		"lazy_secret_box":                 stream,
		"lazy_secret_box_no_pad_tag_last": stream,
		"kem_hybrid_box":                  hybrid,
	})
}

func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s\ngot  %x\nwant %x", what, got, want)
	}
}

// refusal tells whether the reference refuses, and checks that we do.
func refusal(t *testing.T, err error, want error, l vectors.Large) bool {
	t.Helper()
	if l.Refused == "" {
		if err != nil {
			t.Fatal(err)
		}
		return false
	}
	if !errors.Is(err, want) {
		t.Errorf("got %v, the reference %s", err, l.Refused)
	}
	return true
}

func boxKey(t *testing.T, raw []byte) *box.Key {
	t.Helper()
	k, err := box.NewKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func x25519(t *testing.T, k vectors.PrivateKey) *key.X25519Private {
	t.Helper()
	p, err := key.ParsePrivate(k.DER)
	if err != nil {
		t.Fatal(err)
	}
	return p.(*key.X25519Private)
}

// shared is the key of two parties, made by each of them.
func shared(t *testing.T, a, b vectors.PrivateKey) *box.Key {
	t.Helper()
	one, err1 := box.SharedKey(x25519(t, b).Public(), x25519(t, a))
	two, err2 := box.SharedKey(x25519(t, a).Public(), x25519(t, b))
	if err1 != nil || err2 != nil || !one.Equal(two) {
		t.Fatal("the parties do not agree", err1, err2)
	}
	return one
}

func sealed(t *testing.T, c vectors.Case) {
	var v struct {
		Key, Nonce, Message vectors.Hex
		DHSecret            vectors.Hex         `json:"dh_secret"`
		Private1            *vectors.PrivateKey `json:"private_1"`
		Private2            *vectors.PrivateKey `json:"private_2"`
		Size                *int                `json:"padded_length"`
		Encrypted           vectors.Large
	}
	c.Decode(t, &v)
	var k *box.Key
	if v.Private1 != nil {
		k = shared(t, *v.Private1, *v.Private2)
		if v.DHSecret != nil {
			same(t, "secret", k.Raw(), v.DHSecret)
		}
	} else {
		k = boxKey(t, v.Key)
	}
	n := box.Nonce(v.Nonce)
	if v.Size == nil {
		same(t, "box", k.Seal(nil, n, v.Message), v.Encrypted.Bytes)
		got, err := k.Open(nil, n, v.Encrypted.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "opened", got, v.Message)
		return
	}
	got, err := k.SealPadded([]byte("x"), n, v.Message, *v.Size)
	if refusal(t, err, wire.ErrPadSize, v.Encrypted) {
		return
	}
	if err := v.Encrypted.Check(got[1:]); err != nil {
		t.Error(err)
	}
	msg, err := k.OpenPadded(n, got[1:])
	if err != nil {
		t.Fatal(err)
	}
	same(t, "opened", msg, v.Message)
}

func openEdge(t *testing.T, c vectors.Case) {
	var v struct {
		Key, Nonce, Packet vectors.Hex
		Decrypted          vectors.Large
		NoUnpad            vectors.Large `json:"decrypted_no_unpad"`
	}
	c.Decode(t, &v)
	k, n := boxKey(t, v.Key), box.Nonce(v.Nonce)
	plain, err := k.Open(nil, n, v.Packet)
	if !refusal(t, err, box.ErrOpen, v.NoUnpad) {
		same(t, "without unpadding", plain, v.NoUnpad.Bytes)
	}
	msg, err := k.OpenPadded(n, v.Packet)
	want := box.ErrOpen
	if v.NoUnpad.Refused == "" {
		want = wire.ErrUnpad
	}
	if !refusal(t, err, want, v.Decrypted) {
		same(t, "message", msg, v.Decrypted.Bytes)
	}
}

func nonces(t *testing.T, c vectors.Case) {
	var v struct {
		Input, Nonce vectors.Hex
		Reversed     vectors.Hex `json:"reversed_nonce"`
	}
	c.Decode(t, &v)
	n := box.NonceFrom(v.Input)
	r := n.Reverse()
	same(t, "nonce", n[:], v.Nonce)
	same(t, "reversed", r[:], v.Reversed)
}

func authenticator(t *testing.T, c vectors.Case) {
	var v struct {
		Server         vectors.PrivateKey `json:"server_private"`
		Client         vectors.PrivateKey `json:"client_private"`
		Nonce, Message vectors.Hex
		Authenticator  vectors.Hex
		Verified       bool
		WithExtraByte  bool `json:"verified_for_message_with_extra_byte"`
	}
	c.Decode(t, &v)
	k := shared(t, v.Server, v.Client)
	same(t, "authenticator", k.Authenticate(v.Nonce, v.Message), v.Authenticator)
	if k.VerifyAuthenticator(v.Nonce, v.Message, v.Authenticator) != v.Verified {
		t.Error("not verified as by the reference")
	}
	if k.VerifyAuthenticator(v.Nonce, append(v.Message, 0), v.Authenticator) != v.WithExtraByte {
		t.Error("another message is not verified as by the reference")
	}
}

func derived(t *testing.T, c vectors.Case) {
	var v struct {
		Salt, IKM, Output vectors.Hex
		Info              string
		Length            int
	}
	c.Decode(t, &v)
	same(t, "output", box.HKDF(v.Salt, v.IKM, v.Info, v.Length), v.Output)
}

func chains(t *testing.T, c vectors.Case) {
	type step struct {
		Key   vectors.Hex `json:"secretbox_key"`
		Nonce vectors.Hex
	}
	var v struct {
		Salt   vectors.Hex `json:"salt_session_id"`
		Secret vectors.Hex
		First  []step `json:"chain_1_steps"`
		Second []step `json:"chain_2_steps"`
	}
	c.Decode(t, &v)
	first, second := box.ChainInit(v.Salt, v.Secret)
	for chain, steps := range map[*box.Chain][]step{first: v.First, second: v.Second} {
		for _, s := range steps {
			k, n := chain.Next()
			same(t, "key", k.Raw(), s.Key)
			same(t, "nonce", n[:], s.Nonce)
		}
	}
}

func gcm(t *testing.T, c vectors.Case) {
	var v struct {
		Key, Message vectors.Hex
		IV16         vectors.Hex `json:"iv_16_bytes"`
		IV12         vectors.Hex `json:"iv_12_bytes"`
		AD           vectors.Hex `json:"associated_data"`
		Size         *int        `json:"padded_length"`
		Result       struct {
			Tag        vectors.Hex `json:"auth_tag"`
			Ciphertext vectors.Hex
			Error      string
		}
	}
	c.Decode(t, &v)
	k, iv, msg := boxKey(t, v.Key), append(v.IV16, v.IV12...), []byte(v.Message)
	if v.Size != nil {
		padded, err := wire.Pad(nil, msg, *v.Size)
		if refusal(t, err, wire.ErrPadSize, vectors.Large{Refused: v.Result.Error}) {
			return
		}
		msg = padded
	}
	want := append(v.Result.Tag, v.Result.Ciphertext...)
	same(t, "sealed", k.SealGCM(nil, iv, v.AD, msg), want)
	got, err := k.OpenGCM(nil, iv, v.AD, want)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "opened", got, msg)
	want[0] ^= 1
	if _, err := k.OpenGCM(nil, iv, v.AD, want); !errors.Is(err, box.ErrOpen) {
		t.Errorf("damaged: %v", err)
	}
}

// message is one that may be given by the rule alone.
func message(l vectors.Large) []byte {
	if l.Bytes == nil {
		return vectors.Seeded(nil, l.Length)
	}
	return l.Bytes
}

func stream(t *testing.T, c vectors.Case) {
	var v struct {
		Key, Nonce vectors.Hex
		Message    ruled
		Size       *int          `json:"padded_length"`
		Padded     vectors.Large `json:"padded_8_byte_length_prefix"`
		TagFirst   vectors.Large `json:"encrypted_tag_first"`
		TagLast    vectors.Large `json:"encrypted_tag_last"`
		Encrypted  vectors.Large
	}
	c.Decode(t, &v)
	k, n, plain := boxKey(t, v.Key), box.Nonce(v.Nonce), message(vectors.Large(v.Message))
	tagLast := v.Encrypted
	if v.Size != nil {
		padded, err := wire.PadLong(nil, plain, *v.Size)
		if refusal(t, err, wire.ErrPadSize, v.TagFirst) {
			return
		}
		if v.Padded.Bytes != nil {
			same(t, "padded", padded, v.Padded.Bytes)
		}
		if err := v.TagFirst.Check(k.Seal(nil, n, padded)); err != nil {
			t.Error("tag first:", err)
		}
		msg, err := wire.UnpadLong(padded)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "unpadded", msg, plain)
		plain, tagLast = padded, v.TagLast
	}
	got := k.SealTail(nil, n, plain)
	if err := tagLast.Check(got); err != nil {
		t.Error("tag last:", err)
	}
	opened, err := k.OpenTail(nil, n, got)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "opened", opened, plain)
}

func hybrid(t *testing.T, c vectors.Case) {
	var v struct {
		Private1       vectors.PrivateKey `json:"private_1"`
		Private2       vectors.PrivateKey `json:"private_2"`
		DHSecret       vectors.Hex        `json:"dh_secret"`
		KEM            vectors.Hex        `json:"kem_shared_key"`
		Secret         vectors.Hex        `json:"hybrid_secret_sha3_256"`
		Nonce, Message vectors.Hex
		Size           int `json:"padded_length"`
		Encrypted      vectors.Hex
		TagLast        vectors.Hex `json:"lazy_encrypted_tag_last"`
	}
	c.Decode(t, &v)
	dh := shared(t, v.Private1, v.Private2).Raw()
	same(t, "DH secret", dh, v.DHSecret)
	k, n := box.HybridKey(dh, v.KEM), box.Nonce(v.Nonce)
	same(t, "hybrid secret", k.Raw(), v.Secret)
	got, err := k.SealPadded(nil, n, v.Message, v.Size)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "box", got, v.Encrypted)
	padded, err := wire.PadLong(nil, v.Message, v.Size)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "tag last", k.SealTail(nil, n, padded), v.TagLast)
}
