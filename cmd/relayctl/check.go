package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
)

func checkCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "check",
		Usage:     "send a message through a relay and back; for monitoring",
		ArgsUsage: "smp://FINGERPRINT[:PASSWORD]@HOST[:PORT]",
		Description: "Makes a queue, secures it, sends a message, receives it and deletes the queue.\n" +
			"Exit codes are those of the Monitoring Plugins: 0 OK, 1 WARNING, 2 CRITICAL,\n3 UNKNOWN (wrong arguments).",
		CustomHelpTemplate: cli.Help([]string{
			"relayctl smp check smp://FINGERPRINT@relay.example.org",
			"relayctl smp check --warn 500ms --critical 5s smp://FINGERPRINT@relay.example.org:5223",
		}),
		Flags: []ucli.Flag{
			&ucli.DurationFlag{Name: "warn", Aliases: []string{"w"}, Value: 2 * time.Second, Usage: "`TIME` of the round trip above which it is a warning", EnvVars: []string{"RELAYCTL_WARN"}},
			&ucli.DurationFlag{Name: "critical", Aliases: []string{"C"}, Value: 10 * time.Second, Usage: "`TIME` above which it is critical, also for connecting", EnvVars: []string{"RELAYCTL_CRITICAL"}},
			&ucli.BoolFlag{Name: "quiet-ok", Usage: "print nothing if all is well, for cron"},
		},
		Action: func(c *ucli.Context) error { return runCheck(c, e) },
	}
}

// plugin is a result with its Monitoring Plugins code; the line is on
// standard output already.
type plugin struct {
	code int
	text string
}

func (p *plugin) Error() string { return p.text }
func (p *plugin) ExitCode() int { return p.code }

func runCheck(c *ucli.Context, e *env) error {
	if c.NArg() != 1 {
		return &exit.Error{Code: exit.Unknown, Err: errors.New("give one relay's address")}
	}
	addr, err := smp.ParseAuthServer(c.Args().First())
	if err != nil {
		return &exit.Error{Code: exit.Unknown, Err: err}
	}
	warn, critical := c.Duration("warn"), c.Duration("critical")
	ctx, cancel := context.WithTimeout(c.Context, critical+time.Second)
	defer cancel()
	connect, trip, err := roundTrip(ctx, addr)
	code, word := exit.OK, "OK"
	switch {
	case err != nil || trip > critical || connect > critical:
		code, word = exit.Critical, "CRITICAL"
	case trip > warn:
		code, word = exit.Warning, "WARNING"
	}
	host := addr.Hosts[0]
	if err != nil {
		_ = print(e, "%s relay %s: %v\n", word, host, err)
		return &plugin{code, fmt.Sprintf("relay %s: %v", host, err)}
	}
	if code == exit.OK && c.Bool("quiet-ok") {
		return nil
	}
	if err := print(e, "%s relay %s roundtrip %.3fs | rtt=%.3fs;%g;%g;0 connect=%.3fs;;%g;0\n", word, host,
		trip.Seconds(), trip.Seconds(), warn.Seconds(), critical.Seconds(), connect.Seconds(), critical.Seconds()); err != nil {
		return err
	}
	if code != exit.OK {
		return &plugin{code, fmt.Sprintf("relay %s: roundtrip %.3fs", host, trip.Seconds())}
	}
	return nil
}

// roundTrip times connecting, and a message from SEND to its receipt.
func roundTrip(ctx context.Context, addr smp.AuthServer) (connect, trip time.Duration, err error) {
	msgs := make(chan smp.MSG, 1)
	start := time.Now()
	c, err := smpclient.Dial(ctx, addr.ServerAddr, smpclient.Options{OnMessage: func(_ smp.EntityID, m smp.Message) {
		if msg, ok := m.(smp.MSG); ok {
			select {
			case msgs <- msg:
			default:
			}
		}
	}})
	connect = time.Since(start)
	if err != nil {
		return connect, 0, err
	}
	defer c.Close()
	rcv, dh, snd := key.GenerateX25519(), key.GenerateX25519(), key.GenerateX25519()
	ids, err := c.Create(ctx, rcv, smp.NEW{AuthKey: rcv.PublicKey(), DHKey: dh.Public(), BasicAuth: addr.BasicAuth,
		Queue: &smp.QueueReq{Mode: smp.Messaging}})
	if err != nil {
		return connect, 0, err
	}
	q := smpclient.Queue{ID: ids.RecipientID, Key: rcv}
	defer func() { err = errors.Join(err, c.Delete(context.WithoutCancel(ctx), q)) }()
	if err := c.Secure(ctx, q, snd.PublicKey()); err != nil {
		return connect, 0, err
	}
	shared, err := box.SharedKey(ids.DHKey, dh)
	if err != nil {
		return connect, 0, err
	}
	body := make([]byte, 1024)
	_, _ = rand.Read(body) // crypto/rand.Read never returns an error
	start = time.Now()
	if err := c.Send(ctx, ids.SenderID, snd, smp.SEND{Body: body}); err != nil {
		return connect, 0, err
	}
	select {
	case m := <-msgs:
		got, err := smp.OpenMsg(shared, m)
		if err == nil && !bytes.Equal(got.Body, body) {
			err = errors.New("the message came back changed")
		}
		if err != nil {
			return connect, 0, err
		}
		trip = time.Since(start)
		return connect, trip, c.Ack(ctx, q, m.ID)
	case <-ctx.Done():
		return connect, 0, fmt.Errorf("the message did not come back: %w", ctx.Err())
	case <-c.Done():
		return connect, 0, c.Err()
	}
}
