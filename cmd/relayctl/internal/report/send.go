package report

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"time"
)

// Notify sends text to a contact, @name, by way of simplexd, which must have
// a profile. The message is on its standard input, so that no other user of
// the machine sees it.
func Notify(ctx context.Context, program, to, text string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "send", to)
	var said bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(text), &said
	err := cmd.Run()
	if first, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n"); err != nil && first != "" {
		return fmt.Errorf("notify %s: %w: %s", to, err, first)
	} else if err != nil {
		return fmt.Errorf("notify %s: %w", to, err)
	}
	return nil
}

// CheckURL tells whether Ping can use it. The error does not quote it: such
// addresses are secrets.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("not an address of http or https")
	}
	return nil
}

// Ping asks for a URL, which tells the service there that the check has run.
func Ping(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return errors.New("ping: not a URL")
	}
	req.Header.Set("User-Agent", "relayctl")
	res, err := http.DefaultClient.Do(req)
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the other part is the address
	}
	if err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // what it says does not matter
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("ping: answered %s", res.Status)
	}
	return nil
}
