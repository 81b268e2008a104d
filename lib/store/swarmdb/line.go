package swarmdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

// Head implements [repo.Index].
func (s *DB) Head(ctx context.Context, conv commit.ObjectID) (head commit.ObjectID, n int, err error) {
	err = s.view(ctx, "head", func(tx *sql.Tx) error {
		var id []byte
		err := tx.QueryRow(`SELECT head, coalesce((SELECT at + 1 FROM swarm_line WHERE conv = swarm_convs.num ORDER BY at DESC LIMIT 1), 0)
			FROM swarm_convs WHERE id = ?`, conv[:]).Scan(&id, &n)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		copy(head[:], id)
		return err
	})
	return head, n, err
}

// Place implements [repo.Index].
func (s *DB) Place(ctx context.Context, conv commit.ObjectID, keep int, newer []repo.Place, head commit.ObjectID) error {
	return s.update(ctx, "place", func(tx *sql.Tx) error {
		num, err := convNum(tx, conv)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM swarm_line WHERE conv = ? AND at >= ?`, num, keep); err != nil {
			return err
		}
		for i := 0; i < len(newer); {
			n := 1
			if len(newer)-i >= atOnce {
				n = atOnce
			}
			if err := place(tx, num, keep+i, newer[i:i+n]); err != nil {
				return err
			}
			i += n
		}
		_, err = tx.Exec(`UPDATE swarm_convs SET head = ? WHERE num = ?`, head[:], num)
		return err
	})
}

// Extend implements [repo.Index].
func (s *DB) Extend(ctx context.Context, conv commit.ObjectID, m repo.Meta) (ok bool, err error) {
	if len(m.Parents) != 1 {
		return false, nil
	}
	err = s.update(ctx, "extend", func(tx *sql.Tx) error {
		var num int64
		err := tx.QueryRow(`UPDATE swarm_convs SET head = ? WHERE id = ? AND head = ? RETURNING num`, m.ID[:], conv[:], m.Parents[0][:]).Scan(&num)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := insert(tx, num, []repo.Meta{m}); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO swarm_line (conv, at, num, cut) VALUES (?1,
			(SELECT at + 1 FROM swarm_line WHERE conv = ?1 ORDER BY at DESC LIMIT 1),
			(SELECT num FROM swarm_commits WHERE conv = ?1 AND id = ?2), 1)`, num, m.ID[:])
		ok = err == nil
		return err
	})
	return ok && err == nil, err
}

var (
	placeOne  = placeText(1)
	placeMany = placeText(atOnce)
)

func placeText(n int) string {
	const row = `(?, ?, (SELECT num FROM swarm_commits WHERE conv = ? AND id = ?), ?)`
	return `INSERT INTO swarm_line (conv, at, num, cut) VALUES ` + strings.Repeat(row+`, `, n-1) + row
}

// place puts commits in line; one that is not in the index is an error, since
// num may not be null.
func place(tx *sql.Tx, conv int64, at int, places []repo.Place) error {
	text := placeOne
	if len(places) > 1 {
		text = placeMany
	}
	args := make([]any, 0, 5*len(places))
	for i := range places {
		args = append(args, conv, at+i, conv, places[i].ID[:], places[i].Cut)
	}
	if _, err := tx.Exec(text, args...); err != nil {
		return fmt.Errorf("at %d: %w", at, err)
	}
	return nil
}

// Position implements [repo.Index].
func (s *DB) Position(ctx context.Context, conv, id commit.ObjectID) (at int, cut bool, err error) {
	err = s.view(ctx, "position", func(tx *sql.Tx) error {
		err := tx.QueryRow(`SELECT l.at, l.cut FROM swarm_commits c JOIN swarm_line l ON l.num = c.num
			WHERE c.conv = (SELECT num FROM swarm_convs WHERE id = ?) AND c.id = ?`, conv[:], id[:]).Scan(&at, &cut)
		if errors.Is(err, sql.ErrNoRows) {
			at = -1
			return nil
		}
		return err
	})
	return at, cut, err
}

// Line implements [repo.Index].
func (s *DB) Line(ctx context.Context, conv commit.ObjectID, from, n int) (out []repo.Meta, err error) {
	err = s.view(ctx, "line", func(tx *sql.Tx) error {
		out, err = query(tx, `JOIN swarm_line l ON l.num = c.num
			WHERE l.conv = (SELECT num FROM swarm_convs WHERE id = ?) AND l.at <= ? ORDER BY l.at DESC LIMIT ?`, conv[:], from, n)
		return err
	})
	return out, err
}

// Clear implements [repo.Index].
func (s *DB) Clear(ctx context.Context, conv commit.ObjectID) error {
	return s.update(ctx, "clear", func(tx *sql.Tx) error {
		_, err := tx.Exec(`DELETE FROM swarm_convs WHERE id = ?`, conv[:])
		return err
	})
}
