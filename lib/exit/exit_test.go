package exit_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/simplexkit/simplexkit/lib/exit"
)

func TestCode(t *testing.T) {
	cause := errors.New("disk full")
	coded := exit.Errorf(exit.IOErr, "write: %w", cause).WithHint("free %d bytes", 5)
	for _, c := range []struct {
		err  error
		code int
		hint string
	}{
		{nil, 0, ""},
		{cause, exit.Failed, ""},
		{coded, exit.IOErr, "free 5 bytes"},
		{fmt.Errorf("outer: %w", coded), exit.IOErr, "free 5 bytes"},
		{&exit.Error{Code: exit.TempFail, Err: coded}, exit.TempFail, "free 5 bytes"},
		{exit.Wrap(exit.Usage, coded), exit.IOErr, "free 5 bytes"},
		{exit.Wrap(exit.Usage, cause), exit.Usage, ""},
		{exit.Wrap(exit.Usage, nil), 0, ""},
	} {
		if got := exit.Code(c.err); got != c.code {
			t.Errorf("Code(%v) = %d, want %d", c.err, got, c.code)
		}
		if got := exit.Hint(c.err); got != c.hint {
			t.Errorf("Hint(%v) = %q, want %q", c.err, got, c.hint)
		}
	}
	if !errors.Is(coded, cause) {
		t.Error("cause is lost")
	}
	if w := (&exit.Error{Code: exit.NoPerm}).Error(); w != "no_perm" {
		t.Errorf("text of a bare code: %q", w)
	}
	if w := exit.Name(99); w != "failed" {
		t.Errorf("Name(99) = %q", w)
	}
}
