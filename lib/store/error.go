package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	sqlite3 "github.com/mattn/go-sqlite3"
)

type kind string

func (k kind) Error() string { return "store: " + string(k) }

// What can be the matter with a database. Each is found with errors.Is in what
// the functions of this package return; the cause and the path are in the
// *[Error] around it.
var (
	// ErrBusy: another process has been writing for longer than the busy
	// timeout. Trying again later helps.
	ErrBusy error = kind("database is in use by another process")
	// ErrCorrupt: the file is damaged or no database at all. Only a backup
	// helps.
	ErrCorrupt error = kind("database is damaged")
	// ErrFull: no space on the disk. Nothing was written; after space is made
	// the database goes on working.
	ErrFull error = kind("disk is full")
	// ErrReadOnly: the file, its directory or the disk cannot be written.
	ErrReadOnly error = kind("database is not writable")
	// ErrNewerSchema: a later release has migrated the database.
	ErrNewerSchema error = kind("database was written by a newer release")
	// ErrConflict: a row with the same unique or primary key exists.
	ErrConflict error = kind("row exists already")
	// ErrAborted: the transaction ended inside an update, by its own COMMIT
	// or ROLLBACK. All updates of the group are taken back.
	ErrAborted error = kind("transaction ended inside an update")
	// ErrWrongKey: the passphrase or key is not the database's.
	ErrWrongKey error = kind("wrong passphrase or key")
	// ErrLocked: the database is encrypted and was not unlocked.
	ErrLocked error = kind("database is encrypted, and its passphrase or key was not given")
	// ErrNotEncrypted: there is no key to unlock or to change.
	ErrNotEncrypted error = kind("database is not encrypted")
	// ErrClosed: the database was closed.
	ErrClosed error = kind("database is closed")
)

// Error is an error of a database.
type Error struct {
	Path string // of the database file
	Kind error  // one of the errors above, or nil
	Err  error  // the cause
}

func (e *Error) Error() string {
	if k, ok := e.Kind.(kind); ok {
		return fmt.Sprintf("store: %s: %s: %v", e.Path, string(k), e.Err)
	}
	return fmt.Sprintf("store: %s: %v", e.Path, e.Err)
}

// Disk tells whether the disk is to blame: it is full, not writable, or gives
// errors.
func (e *Error) Disk() bool {
	var se sqlite3.Error
	return e.Kind == ErrFull || e.Kind == ErrReadOnly || errors.Is(e.Err, syscall.EIO) ||
		errors.As(e.Err, &se) && se.Code == sqlite3.ErrIoErr
}

// Unwrap gives kind and cause.
func (e *Error) Unwrap() []error {
	if e.Kind == nil {
		return []error{e.Err}
	}
	return []error{e.Kind, e.Err}
}

// IsConflict tells whether err, as an ExecContext inside an update returns it,
// says that a row with the same unique or primary key exists.
func IsConflict(err error) bool { return errors.Is(err, ErrConflict) || kindOf(err) == ErrConflict }

// wrap gives errors of SQLite and of the system path and kind; others, and
// those that have them, stay what they are.
func (db *DB) wrap(err error) error {
	var have *Error
	if err == nil || errors.As(err, &have) {
		return err
	}
	if fromEngine(err) {
		return &Error{Path: db.path, Kind: kindOf(err), Err: err}
	}
	return err
}

// fromEngine tells errors of SQLite and of the disk from those of a caller.
func fromEngine(err error) bool {
	var se sqlite3.Error
	return kindOf(err) != nil || errors.As(err, &se)
}

func interrupted(err error) bool {
	var se sqlite3.Error
	return errors.As(err, &se) && se.Code == sqlite3.ErrInterrupt
}

func kindOf(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return ErrFull
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return ErrReadOnly
	case errors.Is(err, ErrAborted):
		return ErrAborted
	case errors.Is(err, ErrNewerSchema):
		return ErrNewerSchema
	case errors.Is(err, ErrCorrupt):
		return ErrCorrupt
	}
	var se sqlite3.Error
	if !errors.As(err, &se) {
		return nil
	}
	switch se.SystemErrno {
	case syscall.ENOSPC, syscall.EDQUOT:
		return ErrFull
	case syscall.EROFS, syscall.EACCES, syscall.EPERM:
		return ErrReadOnly
	}
	switch se.Code {
	case sqlite3.ErrError:
		switch text := se.Error(); {
		case strings.Contains(text, tamperedText):
			return ErrCorrupt
		case strings.Contains(text, lockedText):
			return ErrLocked
		}
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return ErrBusy
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
		return ErrCorrupt
	case sqlite3.ErrFull:
		return ErrFull
	case sqlite3.ErrReadonly, sqlite3.ErrPerm:
		return ErrReadOnly
	}
	switch se.ExtendedCode {
	case sqlite3.ErrConstraintUnique, sqlite3.ErrConstraintPrimaryKey, sqlite3.ErrConstraintRowID:
		return ErrConflict
	}
	return nil
}
