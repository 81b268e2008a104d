// Package remotedb keeps the pairings of package remote in SQLite, as the
// component "remote" of a profile's database or of a controller's own.
package remotedb

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/remote"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/xrcp"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the component's, for [store.DB.Migrate].
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic("remotedb: unreachable: the folder is embedded: " + err.Error())
	}
	return store.Migrations{Component: "remote", FS: sub}
}

// Sealed are the columns that are sealed in an encrypted database.
func Sealed() store.Columns { return sealed }

var sealed = store.Columns{
	{Name: "remote_ctrls.doc", Row: []string{"ctrl_id"}},
	{Name: "remote_commands.name", Row: []string{"ctrl_id"}, Token: true},
	{Name: "remote_commands.result", Row: []string{"ctrl_id", "name"}},
	{Name: "remote_hosts.doc", Row: []string{"host_id"}},
}

// DB is the part of a database with the pairings. It holds nothing of its own:
// close the [store.DB].
type DB struct{ db *store.DB }

var (
	_ remote.HostStore = (*DB)(nil)
	_ remote.DeskStore = (*DB)(nil)
)

// Open migrates db and returns its part.
func Open(ctx context.Context, db *store.DB) (*DB, error) {
	if err := db.Migrate(ctx, Migrations()); err != nil {
		return nil, err
	}
	return &DB{db}, nil
}

// ctrlDoc is remote.KnownCtrl as it is stored.
type ctrlDoc struct {
	Pairing   []byte       `json:"pairing"`
	Name      string       `json:"name"`
	Alias     string       `json:"alias,omitempty"`
	Users     []api.UserID `json:"users,omitempty"`
	PairedAt  time.Time    `json:"pairedAt,omitzero"`
	LastAt    time.Time    `json:"lastAt,omitzero"`
	ExpiresAt time.Time    `json:"expiresAt,omitzero"`
	// Invitation is of the last session.
	Invitation string `json:"invitation,omitempty"`
}

// hostDoc is remote.KnownHost as it is stored.
type hostDoc struct {
	Pairing   []byte          `json:"pairing"`
	Name      string          `json:"name"`
	Alias     string          `json:"alias,omitempty"`
	StorePath string          `json:"storePath,omitempty"`
	Bind      *api.RemoteAddr `json:"bind,omitempty"`
	Port      uint16          `json:"port,omitempty"`
	Listen    string          `json:"listen,omitempty"`
	PairedAt  time.Time       `json:"pairedAt,omitzero"`
	LastAt    time.Time       `json:"lastAt,omitzero"`
	ExpiresAt time.Time       `json:"expiresAt,omitzero"`
}

var (
	listCtrls  = `SELECT ctrl_id, ` + sealed.Open("remote_ctrls.doc") + ` FROM remote_ctrls ORDER BY ctrl_id`
	insertCtrl = `INSERT INTO remote_ctrls (ctrl_id, doc) VALUES (?1, ` + sealed.Seal("remote_ctrls.doc", "?2", "?1") + `)`
	updateCtrl = `UPDATE remote_ctrls SET doc = ` + sealed.Seal("remote_ctrls.doc", "?2", "?1") + ` WHERE ctrl_id = ?1`

	listHosts  = `SELECT host_id, seq, ` + sealed.Open("remote_hosts.doc") + ` FROM remote_hosts ORDER BY host_id`
	insertHost = `INSERT INTO remote_hosts (host_id, seq, doc) VALUES (?1, ?3, ` + sealed.Seal("remote_hosts.doc", "?2", "?1") + `)`
	updateHost = `UPDATE remote_hosts SET seq = max(seq, ?3), doc = ` + sealed.Seal("remote_hosts.doc", "?2", "?1") + ` WHERE host_id = ?1`

	commandName   = sealed.Seal("remote_commands.name", "?2", "?1")
	findCommand   = `SELECT ` + sealed.Open("remote_commands.result") + ` FROM remote_commands WHERE ctrl_id = ?1 AND name = ` + commandName
	insertCommand = `INSERT INTO remote_commands (ctrl_id, name) VALUES (?1, ` + commandName + `)`
	trimCommands  = `DELETE FROM remote_commands WHERE ctrl_id = ?1 AND command_id <=
		(SELECT max(command_id) FROM remote_commands WHERE ctrl_id = ?1) - ?2`
	finishCommand = `UPDATE remote_commands SET result = ` + sealed.Seal("remote_commands.result", "?3", "?1", commandName) +
		` WHERE ctrl_id = ?1 AND name = ` + commandName
)

// put inserts a row when id is 0, and returns its number, or updates it.
func (d *DB) put(ctx context.Context, id int64, table, insert, update string, doc any, more ...any) (int64, error) {
	b, err := json.Marshal(doc)
	if err != nil {
		return 0, fmt.Errorf("remotedb: writing %s: %w", table, err)
	}
	err = d.db.Update(ctx, func(tx *sql.Tx) error {
		if id == 0 {
			next := `SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = ?), 0) + 1`
			if err := tx.QueryRowContext(ctx, next, table).Scan(&id); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, insert, append([]any{id, string(b)}, more...)...)
			return err
		}
		return found(tx.ExecContext(ctx, update, append([]any{id, string(b)}, more...)...))
	})
	if err != nil && !errors.Is(err, remote.ErrNotFound) {
		err = fmt.Errorf("remotedb: writing %s: %w", table, err)
	}
	return id, err
}

// found is remote.ErrNotFound where no row was changed.
func found(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err == nil && n == 0 {
		err = remote.ErrNotFound
	}
	return err
}

// PutCtrl implements remote.HostStore.
func (d *DB) PutCtrl(ctx context.Context, c *remote.KnownCtrl) error {
	record, err := c.Pairing.AppendBinary(nil)
	if err != nil {
		return fmt.Errorf("remotedb: writing a pairing: %w", err)
	}
	defer clear(record)
	doc := ctrlDoc{record, c.Name, c.Alias, c.Users, c.PairedAt.UTC(), c.LastAt.UTC(), c.ExpiresAt.UTC(), c.Invitation}
	id, err := d.put(ctx, int64(c.ID), "remote_ctrls", insertCtrl, updateCtrl, doc)
	if err == nil {
		c.ID = api.RemoteCtrlID(id)
	}
	return err
}

// Ctrls implements remote.HostStore.
func (d *DB) Ctrls(ctx context.Context) (out []*remote.KnownCtrl, err error) {
	err = d.each(ctx, listCtrls, func(rows *sql.Rows) error {
		c := &remote.KnownCtrl{}
		var text []byte
		var doc ctrlDoc
		if err := rows.Scan(&c.ID, &text); err != nil {
			return err
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			return err
		}
		defer clear(doc.Pairing)
		if c.Pairing, err = xrcp.ParseControllerPairing(doc.Pairing); err != nil {
			return err
		}
		c.Name, c.Alias, c.Users, c.PairedAt, c.LastAt, c.ExpiresAt = doc.Name, doc.Alias, doc.Users, doc.PairedAt, doc.LastAt, doc.ExpiresAt
		c.Invitation = doc.Invitation
		out = append(out, c)
		return nil
	})
	return out, err
}

func (d *DB) each(ctx context.Context, query string, row func(*sql.Rows) error) error {
	err := d.db.View(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, query)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			if err := row(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("remotedb: reading pairings: %w", err)
	}
	return nil
}

// DeleteCtrl implements remote.HostStore.
func (d *DB) DeleteCtrl(ctx context.Context, id api.RemoteCtrlID) error {
	return d.delete(ctx, `DELETE FROM remote_ctrls WHERE ctrl_id = ?`, int64(id))
}

func (d *DB) delete(ctx context.Context, query string, id int64) error {
	err := d.db.Update(ctx, func(tx *sql.Tx) error { return found(tx.ExecContext(ctx, query, id)) })
	if err != nil && !errors.Is(err, remote.ErrNotFound) {
		err = fmt.Errorf("remotedb: deleting a pairing: %w", err)
	}
	return err
}

// Begin implements remote.HostStore.
func (d *DB) Begin(ctx context.Context, id api.RemoteCtrlID, command string, keep int) (o remote.Outcome, err error) {
	err = d.db.Update(ctx, func(tx *sql.Tx) error {
		o = remote.Outcome{}
		err := tx.QueryRowContext(ctx, findCommand, id, command).Scan(&o.Result)
		if err == nil {
			o.Known = true
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if _, err := tx.ExecContext(ctx, insertCommand, id, command); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, trimCommands, id, keep)
		return err
	})
	if err != nil {
		err = fmt.Errorf("remotedb: noting a command: %w", err)
	}
	return o, err
}

// Finish implements remote.HostStore.
func (d *DB) Finish(ctx context.Context, id api.RemoteCtrlID, command string, result []byte) error {
	err := d.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, finishCommand, id, command, string(result))
		return err
	})
	if err != nil {
		err = fmt.Errorf("remotedb: noting an answer: %w", err)
	}
	return err
}

// PutHost implements remote.DeskStore.
func (d *DB) PutHost(ctx context.Context, h *remote.KnownHost) error {
	record, err := h.Pairing.AppendBinary(nil)
	if err != nil {
		return fmt.Errorf("remotedb: writing a pairing: %w", err)
	}
	defer clear(record)
	doc := hostDoc{record, h.Name, h.Alias, h.StorePath, h.Bind, h.Port, h.Listen, h.PairedAt.UTC(), h.LastAt.UTC(), h.ExpiresAt.UTC()}
	id, err := d.put(ctx, int64(h.ID), "remote_hosts", insertHost, updateHost, doc, h.Seq)
	if err == nil {
		h.ID = api.RemoteHostID(id)
	}
	return err
}

// Hosts implements remote.DeskStore.
func (d *DB) Hosts(ctx context.Context) (out []*remote.KnownHost, err error) {
	err = d.each(ctx, listHosts, func(rows *sql.Rows) error {
		h := &remote.KnownHost{}
		var text []byte
		var doc hostDoc
		if err := rows.Scan(&h.ID, &h.Seq, &text); err != nil {
			return err
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			return err
		}
		defer clear(doc.Pairing)
		if h.Pairing, err = xrcp.ParseHostPairing(doc.Pairing); err != nil {
			return err
		}
		h.Name, h.Alias, h.StorePath, h.Bind, h.Port, h.Listen = doc.Name, doc.Alias, doc.StorePath, doc.Bind, doc.Port, doc.Listen
		h.PairedAt, h.LastAt, h.ExpiresAt = doc.PairedAt, doc.LastAt, doc.ExpiresAt
		out = append(out, h)
		return nil
	})
	return out, err
}

// DeleteHost implements remote.DeskStore.
func (d *DB) DeleteHost(ctx context.Context, id api.RemoteHostID) error {
	return d.delete(ctx, `DELETE FROM remote_hosts WHERE host_id = ?`, int64(id))
}

// PutSeq implements remote.DeskStore.
func (d *DB) PutSeq(ctx context.Context, id api.RemoteHostID, seq int64) error {
	err := d.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE remote_hosts SET seq = ?2 WHERE host_id = ?1`, id, seq)
		return err
	})
	if err != nil {
		err = fmt.Errorf("remotedb: noting an event: %w", err)
	}
	return err
}
