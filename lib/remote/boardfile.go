package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/wire"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcpctl"
)

// session is that with a host, or the error to answer with.
func (b *Board) session(h *KnownHost) (*Attached, *api.ChatError) {
	d := b.running(h.ID)
	if d == nil {
		return nil, hostError(h.ID, "missing", nil)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.session == nil {
		return nil, hostError(h.ID, "inactive", nil)
	}
	return d.session, nil
}

// store is "/store remote file ID [encrypt=on|off] PATH".
func (b *Board) store(ctx context.Context, h *KnownHost, rest string) api.Response {
	seal := strings.HasPrefix(rest, "encrypt=on ")
	path := strings.TrimPrefix(strings.TrimPrefix(rest, "encrypt=on "), "encrypt=off ")
	a, refused := b.session(h)
	if refused != nil {
		return errorAnswer(refused)
	}
	var f io.ReadSeekCloser
	f, err := os.Open(path)
	if err != nil {
		return exception(fmt.Errorf("%s: openBinaryFile: %w", path, errors.Unwrap(err)))
	}
	defer func() { _ = f.Close() }()
	source := &api.CryptoFile{}
	if seal {
		sealed, keys, err := sealCopy(b.cfg.Dir, f)
		if err != nil {
			return exception(err)
		}
		defer func() { _ = sealed.Close() }()
		f, source.CryptoArgs = sealed, keys
	}
	if source.FilePath, err = a.StoreFile(ctx, filepath.Base(path), f); err != nil {
		return errorAnswer(remoteError(h.ID, err))
	}
	return api.Response{Type: "remoteFileStored", Remote: &api.Remote{RemoteHostID: h.ID, RemoteFileSource: source}}
}

// sealCopy is a file sealed as SimpleX Chat seals files on its devices: a
// stream with the tag last. The copy has no name.
func sealCopy(dir string, r io.Reader) (_ *os.File, _ *api.CryptoFileArgs, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	f, err := os.CreateTemp(dir, partPrefix+"*")
	if err != nil {
		return nil, nil, err
	}
	err = os.Remove(f.Name())
	k, n := box.RandomKey(), box.NewNonce()
	s, piece, out := k.NewStream(n), make([]byte, 64<<10), []byte(nil)
	for err == nil {
		var m int
		m, err = io.ReadFull(r, piece)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			out, err = s.Tag(s.Seal(out[:0], piece[:m])), nil
			_, err = f.Write(out)
			break
		}
		if err == nil {
			out = s.Seal(out[:0], piece[:m])
			_, err = f.Write(out)
		}
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, &api.CryptoFileArgs{FileKey: wire.Base64(k.Raw()), FileNonce: wire.Base64(n[:])}, nil
}

// get is "/get remote file ID JSON".
func (b *Board) get(ctx context.Context, h *KnownHost, rest string) api.Response {
	file, err := ParseRemoteFile([]byte(rest))
	if err != nil {
		return errorAnswer(parseFail)
	}
	a, refused := b.session(h)
	if refused != nil {
		return errorAnswer(refused)
	}
	if _, err := a.Fetch(ctx, file, Folder{Dir: filepath.Join(b.cfg.Dir, h.StorePath)}); err != nil {
		return errorAnswer(remoteError(h.ID, err))
	}
	return api.Response{Type: "cmdOk"}
}

// remoteError is an error of a session with a host.
func remoteError(id api.RemoteHostID, err error) *api.ChatError {
	var p *xrcp.ProtocolError
	if errors.As(err, &p) {
		return hostError(id, "protocolError", p)
	}
	if errors.Is(err, xrcpctl.ErrLost) {
		return hostError(id, "missing", nil)
	}
	return hostError(id, "protocolError", xrcp.AsProtocolError(err))
}
