// Package swarmdb keeps the index of the conversations' repositories in SQLite:
// the implementation of [repo.Index] on the engine of lib/store.
//
// Nothing in it is the only copy: it is read from the repositories again if the
// file is lost. So the file is its own, apart from what must not be lost, and a
// commit to it does not wait for the disk. A power cut may take the latest
// updates; then the index is behind and catches up.
package swarmdb

import (
	"context"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

//go:embed migrations/*.sql
var migrations embed.FS

// DB is an open index.
type DB struct{ db *store.DB }

var _ repo.Index = (*DB)(nil)

// Open opens or makes an index in the file at path. The errors are those of
// [store.Open] and of its Migrate; after store.ErrCorrupt the file may be
// removed.
func Open(ctx context.Context, path string) (*DB, error) {
	db, err := store.Open(ctx, path, store.Options{Synchronous: store.Normal})
	if err != nil {
		return nil, fmt.Errorf("swarmdb: %w", err)
	}
	dir, err := fs.Sub(migrations, "migrations")
	if err == nil {
		err = db.Migrate(ctx, store.Migrations{Component: "swarm_index", FS: dir})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("swarmdb: %w", err), db.Close())
	}
	return &DB{db}, nil
}

// Close waits for calls under way and closes the file.
func (s *DB) Close() error { return s.db.Close() }

func (s *DB) view(ctx context.Context, what string, fn func(tx *sql.Tx) error) error {
	if err := s.db.View(ctx, fn); err != nil {
		return fmt.Errorf("swarmdb: %s: %w", what, err)
	}
	return nil
}

func (s *DB) update(ctx context.Context, what string, fn func(tx *sql.Tx) error) error {
	if err := s.db.Update(ctx, fn); err != nil {
		return fmt.Errorf("swarmdb: %s: %w", what, err)
	}
	return nil
}

// convNum is the number of a conversation; add makes one.
func convNum(tx *sql.Tx, conv commit.ObjectID) (num int64, err error) {
	const find = `SELECT num FROM swarm_convs WHERE id = ?`
	if err = tx.QueryRow(find, conv[:]).Scan(&num); !errors.Is(err, sql.ErrNoRows) {
		return num, err
	}
	if _, err = tx.Exec(`INSERT INTO swarm_convs (id) VALUES (?)`, conv[:]); err != nil {
		return 0, err
	}
	return num, tx.QueryRow(find, conv[:]).Scan(&num)
}

func packDevice(device string) []byte {
	if b, err := hex.DecodeString(device); err == nil && len(b) == 32 && strings.ToLower(device) == device {
		return b
	}
	return append([]byte{0}, device...)
}

func unpackDevice(b []byte) string {
	if len(b) == 32 {
		return hex.EncodeToString(b)
	}
	return strings.TrimPrefix(string(b), "\x00")
}

// Add implements [repo.Index].
func (s *DB) Add(ctx context.Context, conv commit.ObjectID, commits []repo.Meta) error {
	return s.update(ctx, "add", func(tx *sql.Tx) error {
		num, err := convNum(tx, conv)
		if err != nil {
			return err
		}
		for len(commits) > 0 {
			n := 1
			if len(commits) >= atOnce {
				n = atOnce
			}
			if err := insert(tx, num, commits[:n]); err != nil {
				return err
			}
			commits = commits[n:]
		}
		return nil
	})
}

// atOnce is how many rows one statement inserts, if there are many.
const atOnce = 64

var (
	insertOne  = insertText(1)
	insertMany = insertText(atOnce)
)

func insertText(n int) string {
	return `INSERT INTO swarm_commits (conv, id, tree, parents, device, time, gen) VALUES ` +
		strings.Repeat(`(?, ?, ?, ?, ?, ?, ?), `, n-1) + `(?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
}

func insert(tx *sql.Tx, conv int64, commits []repo.Meta) error {
	text := insertOne
	if len(commits) > 1 {
		text = insertMany
	}
	args := make([]any, 0, 7*len(commits))
	for i := range commits {
		m := &commits[i]
		parents := make([]byte, 0, 20*len(m.Parents))
		for _, p := range m.Parents {
			parents = append(parents, p[:]...)
		}
		args = append(args, conv, m.ID[:], m.Tree[:], parents, packDevice(m.Device), m.Time, m.Gen)
	}
	_, err := tx.Exec(text, args...)
	return err
}

// Commits implements [repo.Index].
func (s *DB) Commits(ctx context.Context, conv commit.ObjectID, ids []commit.ObjectID) (out []repo.Meta, err error) {
	err = s.view(ctx, "commits", func(tx *sql.Tx) error {
		for _, id := range ids {
			found, err := query(tx, `WHERE c.conv = (SELECT num FROM swarm_convs WHERE id = ?) AND c.id = ?`, conv[:], id[:])
			if err != nil {
				return err
			}
			out = append(out, found...)
		}
		return nil
	})
	return out, err
}

// Behind implements [repo.Index].
func (s *DB) Behind(ctx context.Context, conv, id commit.ObjectID, n int) (out []repo.Meta, err error) {
	err = s.view(ctx, "behind", func(tx *sql.Tx) error {
		var cn, num int64
		err := tx.QueryRow(`SELECT conv, num FROM swarm_commits WHERE conv = (SELECT num FROM swarm_convs WHERE id = ?) AND id = ?`, conv[:], id[:]).Scan(&cn, &num)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		// Numbers of other conversations may lie between: those are left out.
		out, err = query(tx, `WHERE c.num BETWEEN ? AND ? AND c.conv = ? ORDER BY c.num DESC`, num-int64(n)+1, num, cn)
		return err
	})
	return out, err
}

const columns = `SELECT c.id, c.tree, c.parents, c.device, c.time, c.gen FROM swarm_commits c `

func query(tx *sql.Tx, where string, args ...any) (out []repo.Meta, err error) {
	rows, err := tx.Query(columns+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var m repo.Meta
		var id, tree, parents, device sql.RawBytes
		if err := rows.Scan(&id, &tree, &parents, &device, &m.Time, &m.Gen); err != nil {
			return nil, err
		}
		copy(m.ID[:], id)
		copy(m.Tree[:], tree)
		for ; len(parents) >= len(m.ID); parents = parents[len(m.ID):] {
			m.Parents = append(m.Parents, commit.ObjectID(parents[:len(m.ID)]))
		}
		m.Device = unpackDevice(device)
		out = append(out, m)
	}
	return out, rows.Err()
}
