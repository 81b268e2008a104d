package main

import (
	"context"
	"errors"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/lib/exit"
)

func verifyCommand(e *env) *ucli.Command {
	return e.people("verify", "compare the security code with a contact", "NAME [CODE]",
		"Prints the code that the contact must see too, if nobody stands between you: compare it\nwhen you meet, or on the phone. With the contact's CODE it compares, and remembers that\nit was the same; --forget takes that back. Ends with 77 if the codes differ.",
		[]string{"simplexd verify @bob", "simplexd verify @bob 12345 67890 …", "simplexd verify @bob --forget"}, 1, 32, []ucli.Flag{
			&ucli.BoolFlag{Name: "forget", Usage: "forget that the code was compared", EnvVars: []string{"SIMPLEXD_FORGET"}},
		},
		func(ctx context.Context, s *session, c *ucli.Context) error {
			id, err := e.contactID(ctx, s, c.Args().First())
			if err != nil {
				return err
			}
			code := strings.Join(c.Args().Tail(), "")
			if code == "" && !c.Bool("forget") {
				r, err := s.do(ctx, "/_get code @"+id)
				if err != nil {
					return err
				}
				v := verifyLine{Type: "securityCode", Code: r.ConnectionCode, Verified: r.Contact.ActiveConn.ConnectionCode != nil}
				if v.Verified {
					return e.result(v, "%s\nverified %s", v.Code, r.Contact.ActiveConn.ConnectionCode.VerifiedAt.UTC().Format("2006-01-02"))
				}
				return e.result(v, "%s", v.Code)
			}
			r, err := s.do(ctx, strings.TrimRight("/_verify code @"+id+" "+code, " "))
			if err != nil {
				return err
			}
			if code != "" && !*r.Verified {
				return (&exit.Error{Code: exit.NoPerm, Reason: "wrong_code", Err: errWrongCode}).
					WithHint("compare again; if it stays so, somebody may stand between you: connect anew in another way")
			}
			return e.result(verifyLine{Type: "securityCode", Code: r.ExpectedCode, Verified: *r.Verified}, "%s",
				map[bool]string{true: "verified", false: "forgotten"}[*r.Verified])
		})
}

// verifyLine is what verify says in JSON.
type verifyLine struct {
	Type     string `json:"type"` // "securityCode"
	Code     string `json:"code"`
	Verified bool   `json:"verified"`
}

var errWrongCode = errors.New("the contact's security code is another one")
