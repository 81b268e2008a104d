package pgtest_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/store/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStart(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	a, b := s.NewDatabase(t), s.NewDatabase(t)
	s.Exec(t, a, `CREATE TABLE one (n int)`)
	s.Exec(t, b, `CREATE TABLE one (n int)`)
	s.Exec(t, a, `INSERT INTO one VALUES (1)`)
}
