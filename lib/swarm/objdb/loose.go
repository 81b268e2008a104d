package objdb

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zlib"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/pack"
)

// ErrDamaged: a file of an object is not what git would have written.
var ErrDamaged = errors.New("damaged object")

// maxLoose bounds what is read of one file.
const maxLoose = 1 << 30

func looseHeader(t commit.Type, size int) []byte {
	return append(strconv.AppendInt([]byte(t.String()+" "), int64(size), 10), 0)
}

// deflateLoose is the content of an object's file.
func deflateLoose(o commit.Object) []byte {
	return pack.Deflate(nil, append(looseHeader(o.Type, len(o.Data)), o.Data...), pack.Fast)
}

// ReadLoose reads an object that is a file of its own.
func (db *DB) ReadLoose(id commit.ObjectID) (commit.Type, []byte, error) { return db.readLoose(id) }

// Prune removes single files of objects for which keep is false.
func (db *DB) Prune(ctx context.Context, keep func(commit.ObjectID) bool) error {
	return db.Loose(ctx, func(id commit.ObjectID) error {
		if keep(id) {
			return nil
		}
		return ignoreGone(os.Remove(db.path(id)))
	})
}

func (db *DB) readLoose(id commit.ObjectID) (commit.Type, []byte, error) {
	f, err := os.Open(db.path(id))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil, fmt.Errorf("objdb: %v: %w", id, commit.ErrNotFound)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("objdb: %w", err)
	}
	defer f.Close()
	t, b, err := inflateLoose(f)
	if err != nil {
		return 0, nil, fmt.Errorf("objdb: %v: %w", id, err)
	}
	return t, b, nil
}

func inflateLoose(r io.Reader) (commit.Type, []byte, error) {
	z, err := zlib.NewReader(r)
	if err != nil {
		return 0, nil, fmt.Errorf("%v: %w", err, ErrDamaged)
	}
	defer z.Close()
	b := bufio.NewReaderSize(z, 512)
	word, err := b.ReadSlice(0)
	if err != nil {
		return 0, nil, fmt.Errorf("header: %v: %w", err, ErrDamaged)
	}
	name, size, _ := strings.Cut(string(word[:len(word)-1]), " ")
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil || n < 0 || n > maxLoose {
		return 0, nil, fmt.Errorf("header %q: %w", word, ErrDamaged)
	}
	t, ok := typeOf(name)
	if !ok {
		return 0, nil, fmt.Errorf("header %q: %w", word, ErrDamaged)
	}
	out := bytes.NewBuffer(make([]byte, 0, min(n, 1<<20)))
	if _, err := io.CopyN(out, b, n); err != nil {
		return 0, nil, fmt.Errorf("%v: %w", err, ErrDamaged)
	}
	if _, err := b.ReadByte(); err != io.EOF {
		return 0, nil, fmt.Errorf("longer than its header says: %w", ErrDamaged)
	}
	return t, out.Bytes(), nil
}

func typeOf(name string) (commit.Type, bool) {
	for t := commit.TypeCommit; t <= commit.TypeTag; t++ {
		if t.String() == name {
			return t, true
		}
	}
	return 0, false
}

// Loose calls fn for each object that is a file of its own.
func (db *DB) Loose(ctx context.Context, fn func(id commit.ObjectID) error) error {
	for i := range 256 {
		name := hex.EncodeToString([]byte{byte(i)})
		files, err := os.ReadDir(filepath.Join(db.dir, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("objdb: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, f := range files {
			id, err := commit.ParseObjectID(name + f.Name())
			if err != nil {
				continue // what a crash left behind
			}
			if err := fn(id); err != nil {
				return err
			}
		}
	}
	return nil
}
