package chat

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"unicode"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
)

// Security codes: two people who see the same code know that nobody stands
// between them.

var verifySyntax = []syntax{
	{"/_get code ", func(a *args) runner { return securityCode(a.ref(), "") }},
	{"/code ", func(a *args) runner { a.lit("@"); return securityCode(ref{}, a.name()) }},
	{"/_verify code ", func(a *args) runner { return verifyCode(a.ref(), "", a.code()) }},
	{"/verify ", func(a *args) runner { a.lit("@"); return verifyCode(ref{}, a.name(), a.code()) }},
}

// code is " CODE", with spaces in it or without, or nothing.
func (a *args) code() string {
	if !a.lit(" ") {
		return ""
	}
	c := digits(a.some())
	if strings.IndexFunc(c, func(r rune) bool { return r < '0' || r > '9' }) >= 0 {
		a.fail()
	}
	return c
}

func digits(code string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, code)
}

// codeOf is a digest as people compare it: a number in groups of five digits.
func codeOf(digest [32]byte) string {
	number := new(big.Int).SetBytes(digest[:]).String()
	var groups []string
	for len(number) > 5 {
		groups, number = append(groups, number[:5]), number[5:]
	}
	return strings.Join(append(groups, number), " ")
}

// connOf finds the connection of a contact.
func connOf(ctx context.Context, c *Core, r ref, name string) (conn *Conn, err error) {
	_, err = withRef(r, name, func(w *work, u *User, ct *Contact) (api.Response, error) {
		if ct.ConnID != 0 {
			var err error
			if conn, err = w.Conn(ct.ConnID); err == nil || !errors.Is(err, ErrNotFound) {
				return api.Response{}, err
			}
		}
		v, err := contactView(w, u, ct)
		if err == nil {
			err = coreError(api.ErrorType{Type: "contactNotActive", Contact: v})
		}
		return api.Response{}, err
	})(ctx, c)
	return conn, err
}

// withCode gives fn a contact's connection with its code, which may have
// become another since it was compared.
func withCode(r ref, name string, fn func(w *work, u *User, ct *Contact, cn *Conn, code string) (api.Response, error)) runner {
	return func(ctx context.Context, c *Core) (resp api.Response, err error) {
		conn, err := connOf(ctx, c, r, name)
		if err != nil {
			return resp, err
		}
		digest, err := c.cfg.Agent.SecurityDigest(ctx, conn.AgentID)
		if err != nil {
			return resp, err
		}
		code := codeOf(digest)
		err = c.onConn(ctx, conn.AgentID, func(w *work, cn *Conn, u *User) error {
			ct, err := w.Contact(cn.ContactID)
			if err != nil {
				return err
			}
			if cn.Code != nil && digits(cn.Code.SecurityCode) != digits(code) {
				cn.Code = nil
			}
			resp, err = fn(w, u, ct, cn, code)
			return err
		})
		return resp, err
	}
}

func securityCode(r ref, name string) runner {
	return withCode(r, name, func(w *work, u *User, ct *Contact, cn *Conn, code string) (api.Response, error) {
		if err := w.PutConn(cn); err != nil {
			return api.Response{}, err
		}
		v, err := contactView(w, u, ct)
		return api.Response{Type: "contactCode", User: userView(u), Contact: v, ConnectionCode: code}, err
	})
}

// verifyCode compares a code, and keeps that it was the right one; without a
// code it forgets so.
func verifyCode(r ref, name, said string) runner {
	return withCode(r, name, func(w *work, u *User, _ *Contact, cn *Conn, code string) (api.Response, error) {
		same := said == digits(code)
		switch {
		case same:
			cn.Code = &api.SecurityCode{SecurityCode: code, VerifiedAt: w.now}
		case said == "":
			cn.Code = nil
		}
		return api.Response{Type: "connectionVerified", User: userView(u), Verified: &same, ExpectedCode: code}, w.PutConn(cn)
	})
}

// codeReset tells that what was compared holds no longer: the connection has
// another ratchet.
func (w *work) codeReset(u *User, ct *Contact, cn *Conn) error {
	if cn.Code == nil {
		return nil
	}
	cn.Code = nil
	if err := w.PutConn(cn); err != nil {
		return err
	}
	v, err := contactView(w, u, ct)
	if err != nil {
		return err
	}
	if _, err := w.emit(api.Response{Type: "contactVerificationReset", User: userView(u), Contact: v}); err != nil {
		return err
	}
	it, err := w.notice(u, ct, false, "security code changed",
		api.CIContent{Type: "rcvConnEvent", RcvConnEvent: json.RawMessage(`{"type":"verificationCodeReset"}`)})
	if err != nil {
		return err
	}
	_, err = w.emitNew(u, ct, it)
	return err
}

// ratchetReplaced tells whether a state of re-synchronising means that there
// is another ratchet.
func ratchetReplaced(s agent.SyncState) bool { return s == agent.SyncAgreed || s == agent.SyncOK }
