package verify_test

import (
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/swarmtest"
	"github.com/simplexkit/simplexkit/lib/swarm/verify"
)

// check judges a repository as one that is fetched by somebody who has local.
func check(t *testing.T, r *swarmtest.Repo, mode verify.Mode, local *commit.ObjectID) *verify.Reason {
	t.Helper()
	opt := verify.Options{Mode: mode}
	if local != nil {
		opt.Local = *local
	}
	_, err := verify.History(t.Context(), r.Objects, r.Head, opt)
	reason, ok := verify.AsReason(err)
	if err != nil && !ok {
		t.Fatal(err)
	}
	return reason
}

// same tells whether a reason is the one of the notes, which list files in
// their own way.
func same(r *verify.Reason, want string) bool {
	code := string(r.Code)
	if r.Merge {
		code = "merge: " + code
	}
	if !strings.HasPrefix(want, code) {
		return false
	}
	named := strings.Contains(want, ": file ") || strings.Contains(want, ": adds ") || strings.Contains(want, "{")
	return !named || strings.Contains(want, r.Detail)
}

func TestStrictVectors(t *testing.T) {
	for _, c := range swarmtest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			r := check(t, swarmtest.Load(t, c.Name), verify.Strict, c.Local)
			switch {
			case c.Strict == "valid":
				if r != nil {
					t.Fatal(r)
				}
			case c.Strict != "invalid":
				t.Fatalf("unknown verdict %q", c.Strict)
			case r == nil:
				t.Fatalf("accepted, want %s", c.Reason)
			default:
				if !strings.HasPrefix(r.Commit.String(), c.Commit) || !same(r, c.Reason) {
					t.Fatalf("%s %s, want %s %s", r.Commit.String()[:8], r.Text(), c.Commit, c.Reason)
				}
			}
		})
	}
}

func TestDaemonVectors(t *testing.T) {
	for _, c := range swarmtest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			repo := swarmtest.Load(t, c.Name)
			r := check(t, repo, verify.Daemon2026, c.Local)
			if (r == nil) != (c.Daemon2026 == "valid") {
				t.Errorf("2026: %v, want %s", r, c.Daemon2026)
			}
			r = check(t, repo, verify.Daemon2023, c.Local)
			switch c.Daemon2023 {
			case "accepted":
				if r != nil {
					t.Errorf("2023: %v, want accepted", r)
				}
			case "rejected":
				if r == nil || r.Code == verify.Threw {
					t.Errorf("2023: %v, want rejected", r)
				}
			case "threw":
				if r == nil || r.Code != verify.Threw {
					t.Errorf("2023: %v, want an error raised", r)
				}
			case "-":
			default:
				t.Errorf("unknown verdict %q", c.Daemon2023)
			}
		})
	}
}

// What daemons hold is valid in their eyes, and in ours unless the notes say
// otherwise.
func TestRealVectors(t *testing.T) {
	for _, real := range swarmtest.Reals(t) {
		t.Run(real.Name, func(t *testing.T) {
			repo := swarmtest.Load(t, real.Name)
			r := check(t, repo, verify.Strict, nil)
			switch {
			case real.Refused == "" && r != nil:
				t.Error(r)
			case real.Refused != "" && (r == nil || !strings.Contains(real.Refused, r.Commit.String()[:8])):
				t.Errorf("%v, want %s", r, real.Refused)
			}
			if real.Refused != "" {
				return
			}
			for _, mode := range []verify.Mode{verify.Daemon2023, verify.Daemon2026} {
				if r := check(t, repo, mode, nil); r != nil {
					t.Errorf("%v: %v", mode, r)
				}
			}
		})
	}
}
