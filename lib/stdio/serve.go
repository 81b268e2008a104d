package stdio

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
)

// MaxLine is the longest line, without its end.
const MaxLine = 4 << 20

// Core is what is served; [chat.Core] has it.
type Core interface {
	Exec(ctx context.Context, cmd string) api.Response
	Call(ctx context.Context, method string, params json.RawMessage) (any, error)
	Recv(ctx context.Context, p api.RecvParams, line func(api.RecvLine) error) (lastSeq int64, err error)
	LastSeq(ctx context.Context) (int64, error)
	NextEvents(ctx context.Context, after int64, limit int) ([]chat.Event, error)
}

var _ Core = (*chat.Core)(nil)

// Options is how a session is served.
type Options struct {
	// Hello writes the hello line first, as simplexd does on its socket.
	Hello bool
	// Version and Profile are said in the hello line.
	Version, Profile string
	// NoEvents writes no events until the client subscribes. Otherwise those
	// that happen from now on are written, as the bot API does.
	NoEvents bool
	// MaxLag is how far, in events, a subscriber may fall behind before it is
	// told that it lagged and gets no more; 0 is 100000.
	MaxLag int64
	// Log may be nil.
	Log *slog.Logger
}

// Serve serves one session and returns when it is over: at the end of input
// once outstanding requests are answered (nil), when writing fails, or when
// ctx ends, which needs rw's reads to end too: if rw is an io.Closer, Serve
// closes it then.
func Serve(ctx context.Context, rw io.ReadWriter, core Core, o Options) error {
	return nil
}
