package ratchet

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/sntrup"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// ParamsURI are the inviter's E2E parameters in a connection link, offered at
// a range of versions.
type ParamsURI struct {
	Versions   wire.VersionRange
	Key1, Key2 key.X448Public
	KEM        *KEMParams // nil without; in a link always a proposal
}

// At takes the parameters at version v, which the caller has found with
// Versions.Compatible.
func (u ParamsURI) At(v wire.Version) Params {
	p := Params{Version: v, Key1: u.Key1, Key2: u.Key2, KEM: u.KEM}
	if v < VersionPQ {
		p.KEM = nil
	}
	return p
}

// Equal compares all fields.
func (u ParamsURI) Equal(o ParamsURI) bool {
	return u.Versions == o.Versions && u.Key1 == o.Key1 && u.Key2 == o.Key2 && u.KEM.equal(o.KEM)
}

// Append appends the binary form: two word16 versions, two short SPKIs, maybe
// KEM parameters at every version.
func (u ParamsURI) Append(b []byte) []byte {
	b = u.Versions.Append(b)
	b = wire.AppendShort(b, u.Key1.AppendSPKI(nil))
	b = wire.AppendShort(b, u.Key2.AppendSPKI(nil))
	return appendKEM(b, u.KEM)
}

// ReadParamsURI reads the binary form out of a longer one. The grammar has
// accepted KEMs too, which a link must not have: nothing was proposed yet to
// whoever opens it.
func ReadParamsURI(d *wire.Decoder) ParamsURI {
	return ParamsURI{Versions: d.VersionRange(), Key1: readX448(d), Key2: readX448(d), KEM: readKEM(d)}
}

// ParseParamsURIBinary parses the binary form. The error wraps [ErrParams].
func ParseParamsURIBinary(b []byte) (ParamsURI, error) {
	d := wire.NewDecoder(b)
	u := ReadParamsURI(d)
	if err := d.Done(); err != nil {
		return ParamsURI{}, fmt.Errorf("%w: %v", ErrParams, err)
	}
	return u, nil
}

// String is the text form, not escaped for a place inside a longer query:
//
//	v=2-3&x3dh=KEY1,KEY2&kem_key=KEY
//
// The KEM key is left out if no version of the range knows it.
func (u ParamsURI) String() string {
	s := "v=" + u.Versions.String() + "&x3dh=" +
		wire.Base64(u.Key1.AppendSPKI(nil)) + "," + wire.Base64(u.Key2.AppendSPKI(nil))
	if u.KEM == nil || u.Versions.Max < VersionPQ {
		return s
	}
	if u.KEM.Ciphertext != nil {
		s += "&kem_ct=" + wire.Base64(u.KEM.Ciphertext[:])
	}
	return s + "&kem_key=" + wire.Base64(u.KEM.Key[:])
}

// ParseParamsURI parses the text form. Unknown parameters are skipped; of
// repeated ones the first counts. The error wraps [ErrParams].
func ParseParamsURI(s string) (ParamsURI, error) {
	q, err := queryOf(s)
	if err != nil {
		return ParamsURI{}, err
	}
	u := ParamsURI{}
	if u.Versions, err = wire.ParseVersionRange(q["v"]); err != nil {
		return ParamsURI{}, fmt.Errorf("%w: %v", ErrParams, err)
	}
	k1, k2, _ := strings.Cut(q["x3dh"], ",")
	if u.Key1, err = x448Text(k1); err != nil {
		return ParamsURI{}, err
	}
	if u.Key2, err = x448Text(k2); err != nil {
		return ParamsURI{}, err
	}
	if u.Versions.Max >= VersionPQ {
		u.KEM, err = kemText(q)
	}
	if err != nil {
		return ParamsURI{}, err
	}
	return u, nil
}

func kemText(q map[string]string) (*KEMParams, error) {
	text, ok := q["kem_key"]
	if !ok {
		return nil, nil
	}
	raw, err := wire.ParseBase64(text)
	if err != nil {
		return nil, fmt.Errorf("%w: kem_key: %v", ErrParams, err)
	}
	k := new(KEMParams)
	if k.Key, err = sntrup.ParsePublicKey(raw); err != nil {
		return nil, fmt.Errorf("%w: kem_key: %v", ErrParams, err)
	}
	if text, ok = q["kem_ct"]; !ok {
		return k, nil
	}
	if raw, err = wire.ParseBase64(text); err != nil {
		return nil, fmt.Errorf("%w: kem_ct: %v", ErrParams, err)
	}
	if k.Ciphertext, err = sntrup.ParseCiphertext(raw); err != nil {
		return nil, fmt.Errorf("%w: kem_ct: %v", ErrParams, err)
	}
	return k, nil
}

func x448Text(s string) (key.X448Public, error) {
	der, err := wire.ParseBase64(s)
	if err != nil {
		return key.X448Public{}, fmt.Errorf("%w: x3dh: %v", ErrParams, err)
	}
	k, err := key.ParseX448(der)
	if err != nil {
		return key.X448Public{}, fmt.Errorf("%w: x3dh: %v", ErrParams, err)
	}
	return k, nil
}

func queryOf(s string) (map[string]string, error) {
	q := make(map[string]string)
	for part := range strings.SplitSeq(s, "&") {
		name, value, _ := strings.Cut(part, "=")
		value, err := url.QueryUnescape(value)
		if err != nil {
			return nil, fmt.Errorf("%w: %q", ErrParams, name)
		}
		if _, again := q[name]; !again {
			q[name] = value
		}
	}
	return q, nil
}
