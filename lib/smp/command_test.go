package smp

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/wire"
)

func TestCheckCommand(t *testing.T) {
	// What each command answers with authorization and entity, with
	// authorization only, with entity only, and without both.
	const (
		none     = ""
		noAuth   = "CMD NO_AUTH"
		hasAuth  = "CMD HAS_AUTH"
		noEntity = "CMD NO_ENTITY"
	)
	usual := [4]string{none, noAuth, noAuth, noAuth}
	entity := [4]string{hasAuth, noEntity, none, noEntity}
	nothing := [4]string{hasAuth, hasAuth, hasAuth, none}
	for _, row := range []struct {
		commands []Command
		want     [4]string
	}{
		{[]Command{NEW{}}, [4]string{hasAuth, none, noAuth, noAuth}},
		{[]Command{SEND{}}, [4]string{none, noEntity, none, noEntity}},
		{[]Command{LGET{}, PFWD{}}, entity},
		{[]Command{PING{}, PRXY{}, RFWD{}}, nothing},
		{[]Command{SUB{}, SUBS{}, KEY{}, RKEY{}, LSET{}, LDEL{}, NKEY{}, NDEL{}, GET{}, ACK{}, OFF{}, DEL{}, QUE{},
			SKEY{}, LKEY{}, NSUB{}, NSUBS{}}, usual},
	} {
		for _, c := range row.commands {
			for i, in := range []struct {
				auth   bool
				entity EntityID
			}{{true, "e"}, {true, ""}, {false, "e"}, {false, ""}} {
				got := ""
				if err := CheckCommand(c, in.auth, in.entity); err != nil {
					got = err.String()
				}
				if got != row.want[i] {
					t.Errorf("%s with %+v: %q, want %q", c.Tag(), in, got, row.want[i])
				}
			}
		}
	}
}

func TestCheckMessage(t *testing.T) {
	for _, row := range []struct {
		m             Message
		with, without error
	}{
		{IDS{}, nil, nil}, {ERR{ErrAuth}, nil, nil},
		{PONG{}, ErrHasAuth, nil}, {PKEY{}, ErrHasAuth, nil}, {RRES{}, ErrHasAuth, nil},
		{OK{}, nil, ErrNoEntity}, {MSG{}, nil, ErrNoEntity}, {END{}, nil, ErrNoEntity}, {PRES{}, nil, ErrNoEntity},
	} {
		for entity, want := range map[EntityID]error{"e": row.with, "": row.without} {
			if got := CheckMessage(row.m, entity); (got == nil) != (want == nil) || want != nil && !errors.Is(got, want) {
				t.Errorf("%s, entity %q: %v, want %v", row.m.Tag(), entity, got, want)
			}
		}
	}
}

func TestServiceRoles(t *testing.T) {
	for c, want := range map[Command]ServiceRole{
		SUB{}: RoleMessaging, SUBS{}: RoleMessaging, LGET{}: RoleMessaging,
		NSUB{}: RoleNotifier, NSUBS{}: RoleNotifier, PING{}: 0,
	} {
		if role, ok := c.Party().ServiceRole(); role != want || ok != (want != 0) {
			t.Errorf("%s: role %q, %v, want %q", c.Tag(), role, ok, want)
		}
	}
	if role, _ := (RFWD{}).Party().ServiceRole(); role != RoleProxy {
		t.Errorf("RFWD: role %q", role)
	}
}

func TestErrorsAreValues(t *testing.T) {
	wrapped := fmt.Errorf("doing: %w", &Error{Type: TypeCmd, Cmd: CmdSyntax})
	if !errors.Is(wrapped, ErrSyntax) || errors.Is(wrapped, ErrUnknown) || errors.Is(wrapped, ErrAuth) {
		t.Error("errors.Is does not tell errors by their details")
	}
	if got := ErrSyntax.Error(); got != "smp: CMD SYNTAX" {
		t.Errorf("text %q", got)
	}
	if err := fmt.Errorf("doing: %w", ErrHandshakeIdentity); !errors.Is(err, ErrHandshakeIdentity) || errors.Is(err, ErrHandshakeParse) {
		t.Error("errors.Is does not tell transport errors")
	}
	for _, e := range []*Error{
		ProxyProtocolError(ErrQuota), ProxyBrokerError(BrokerError{Type: BrokerTimeout}),
		ProxyBrokerError(BrokerError{Type: BrokerTransport, Transport: &ErrHandshakeBadAuth}),
		ProxyBrokerError(BrokerError{Type: BrokerResponse, Text: strings.Repeat("é", 300)}),
		BlockedError(BlockingInfo{Reason: BlockedSpam}), StoreError("disk"), ErrProxyBasicAuth, ErrProxyNoSession,
	} {
		m, err := ParseMessage(18, AppendMessage(nil, 18, ERR{e}))
		if err != nil {
			t.Errorf("%v: %v", e, err)
			continue
		}
		got := m.(ERR).Err
		if e.Proxy != nil && e.Proxy.Broker != nil && e.Proxy.Broker.Type == BrokerResponse {
			if n := len([]rune(got.Proxy.Broker.Text)); n != wire.MaxShort {
				t.Errorf("text of %d characters", n)
			}
		} else if !errors.Is(got, e) {
			t.Errorf("%v comes back as %v", e, got)
		}
		j, err := json.Marshal(e)
		var back *Error
		if err != nil || json.Unmarshal(j, &back) != nil || !errors.Is(back, e) {
			t.Errorf("%v in JSON is %s: %v", e, j, err)
		}
	}
	for _, j := range []string{`{"type":"PROXY"}`, `{"type":"BLOCKED"}`, `{"type":"PROXY","proxyErr":{"type":"BROKER"}}`} {
		if err := json.Unmarshal([]byte(j), new(Error)); err == nil {
			t.Errorf("%s is taken", j)
		}
	}
}

func TestMaxBody(t *testing.T) {
	for v, want := range map[wire.Version]int{6: 16088, 7: 16088, 8: 16064, 10: 16064, 11: 16048, 18: 16048} {
		if got := MaxBody(v); got != want {
			t.Errorf("v%d: %d, want %d", v, got, want)
		}
		item, err := (&Params{Version: v, SessionID: make([]byte, 32)}).
			EncodeCommand("012345678901234567890123", "012345678901234567890123", SEND{Body: make([]byte, want)}, Credentials{})
		if err != nil || len(item)-1 > MaxBatch {
			t.Errorf("v%d: %d bytes do not fit a block: %v", v, len(item), err)
		}
	}
}

func TestSecretsInAddressErrors(t *testing.T) {
	_, err := ParseAuthServer("smp://AQID:hidden word@host")
	if err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("%v", err)
	}
}
