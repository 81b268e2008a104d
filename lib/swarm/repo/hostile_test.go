package repo_test

import (
	"errors"
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

func asRefusal(t *testing.T, err error) *repo.Refusal {
	t.Helper()
	var why *repo.Refusal
	if !errors.As(err, &why) || !errors.Is(err, repo.ErrRefused) {
		t.Fatalf("not refused: %v", err)
	}
	return why
}
