package stdio

import (
	"context"
	"encoding/json"
	"io"

	"github.com/simplexkit/simplexkit/lib/api"
)

// Client is the other side of a session. Safe for concurrent use.
type Client struct {
}

// NewClient makes a client over rw, which it closes with Close if rw is an
// io.Closer. [Client.Run] must run for calls to return.
func NewClient(rw io.ReadWriter) *Client { return &Client{} }

// Run reads until the session ends and returns why; nil at the end of input.
func (c *Client) Run(ctx context.Context) error { return nil }

// Exec executes a bot API command.
func (c *Client) Exec(ctx context.Context, cmd string) (api.Response, error) {
	return api.Response{}, nil
}

// Call executes a structured method and reads its result into result, which
// may be nil. The error is an [*api.Error] when the other side refused.
func (c *Client) Call(ctx context.Context, method string, params, result any) error { return nil }

// Recv is the method "recv": it calls line for every message.
func (c *Client) Recv(ctx context.Context, p api.RecvParams, line func(api.RecvLine) error) error {
	return nil
}

// Subscribe is the method "subscribe": it calls event for every event until
// ctx or the session ends.
func (c *Client) Subscribe(ctx context.Context, p api.SubscribeParams, event func(api.Reply) error) error {
	return nil
}

// Raw sends a line as it is and returns the line that answers it.
func (c *Client) Raw(ctx context.Context, line []byte) (json.RawMessage, error) { return nil, nil }

// Close ends the session: requests under way fail.
func (c *Client) Close() error { return nil }
