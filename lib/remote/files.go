package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xrcp"
)

// partPrefix begins the names of files that are not whole yet.
const partPrefix = ".pair-"

// DefaultMaxFile is the size of the largest file that a host takes, in bytes.
const DefaultMaxFile = 1 << 30

// Folder is a folder of files, given and taken by their names alone.
type Folder struct {
	Dir string
	Max int64 // bytes of one file; 0 is [DefaultMaxFile]
}

// Clean removes what is left of files that did not become whole.
func (f Folder) Clean() error {
	left, err := filepath.Glob(filepath.Join(f.Dir, partPrefix+"*"))
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// fileName makes a name that somebody else chose into one of ours: the last
// part of a path, without what a terminal or a shell would stumble over.
func fileName(wish string) (string, error) {
	name := path.Base(strings.ReplaceAll(wish, `\`, "/"))
	name = strings.TrimLeft(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == '/' || r == unicode.ReplacementChar {
			return '_'
		}
		return r
	}, name), ".")
	if len(name) > 200 {
		ext := path.Ext(name)
		if len(ext) > 20 {
			ext = ""
		}
		name = strings.ToValidUTF8(name[:200-len(ext)], "") + ext
	}
	if name == "" || name == "/" {
		return "", fmt.Errorf("%w: name of a file", xrcp.ErrMessage)
	}
	return name, nil
}

// newFile is a file on its way into a folder.
type newFile struct {
	*os.File
	dir, name string
}

// Create makes room for a file of that size.
func (f Folder) Create(wish string, size int64) (*newFile, error) {
	name, err := fileName(wish)
	if err != nil {
		return nil, err
	}
	limit := f.Max
	if limit == 0 {
		limit = DefaultMaxFile
	}
	if size > limit {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are taken", xrcp.ErrFileSize, size, limit)
	}
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("remote: folder of files: %w", err)
	}
	tmp, err := os.CreateTemp(f.Dir, partPrefix+"*")
	if err != nil {
		return nil, fmt.Errorf("remote: storing a file: %w", err)
	}
	return &newFile{File: tmp, dir: f.Dir, name: name}, nil
}

// Commit gives the file its name, or one like it that is free.
func (n *newFile) Commit() (string, error) {
	err := errors.Join(n.Sync(), n.Close())
	ext := path.Ext(n.name)
	stem := strings.TrimSuffix(n.name, ext)
	for i := 0; err == nil && i < 10000; i++ {
		name := n.name
		if i > 0 {
			name = stem + "_" + strconv.Itoa(i) + ext
		}
		err = os.Link(n.File.Name(), filepath.Join(n.dir, name)) // never over another
		if err == nil {
			return name, errors.Join(os.Remove(n.File.Name()), syncDir(n.dir))
		}
		if errors.Is(err, fs.ErrExist) {
			err = nil
		}
	}
	return "", errors.Join(fmt.Errorf("remote: storing a file: %w", err), os.Remove(n.File.Name()))
}

// Abort removes what was written.
func (n *newFile) Abort() error { return errors.Join(n.Close(), os.Remove(n.File.Name())) }

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}

// RemoteFile is what a controller asks for.
type RemoteFile struct {
	UserID     api.UserID     `json:"userId"`
	FileID     int64          `json:"fileId"`
	Sent       bool           `json:"sent"`
	FileSource api.CryptoFile `json:"fileSource"`
}

// ParseRemoteFile reads a file's JSON; all members must be there.
func ParseRemoteFile(b []byte) (f RemoteFile, err error) {
	var in struct {
		UserID     *api.UserID     `json:"userId"`
		FileID     *int64          `json:"fileId"`
		Sent       *bool           `json:"sent"`
		FileSource *api.CryptoFile `json:"fileSource"`
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return f, fmt.Errorf("%w: %v", xrcp.ErrMessage, err)
	}
	if in.UserID == nil || in.FileID == nil || in.Sent == nil || in.FileSource == nil {
		return f, fmt.Errorf("%w: members of a file are not there", xrcp.ErrMessage)
	}
	return RemoteFile{*in.UserID, *in.FileID, *in.Sent, *in.FileSource}, nil
}

// Open opens a file by its name: never one of another folder, whatever links
// lead there.
func (f Folder) Open(name string) (io.ReadSeekCloser, error) {
	if name == "" || strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") {
		return nil, fmt.Errorf("%w: not a name of a file here", xrcp.ErrNoFile)
	}
	root, err := os.OpenRoot(f.Dir)
	if err != nil {
		return nil, fmt.Errorf("%w: no folder of files", xrcp.ErrNoFile)
	}
	defer func() { _ = root.Close() }()
	if st, err := root.Lstat(name); err != nil || !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: of that name", xrcp.ErrNoFile)
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("remote: %w", err)
	}
	return file, nil
}
