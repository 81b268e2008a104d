package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/transport"
)

// serveEcho is the floor of the relay's rows: the same TLS, the same blocks,
// and nothing between them. A block's first byte says how many blocks it is
// answered with, so that the traffic of a message is exactly repeated.
func serveEcho(ctx context.Context, address string) error {
	ca, err := transport.GenerateCA("bench", time.Now())
	if err != nil {
		return err
	}
	cred, err := ca.GenerateLeaf("bench", time.Now())
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	id := cred.Chain.Identity()
	fmt.Printf("%s %x\n", l.Addr(), id)
	cfg := &transport.ServerConfig{Credential: cred}
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		sock, err := l.Accept()
		if err != nil {
			return nil // by ctx
		}
		conns.Go(func() { echo(ctx, sock, cfg) })
	}
}

func echo(ctx context.Context, sock net.Conn, cfg *transport.ServerConfig) {
	c, err := transport.Server(ctx, sock, cfg)
	if err != nil {
		return
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Abort() })()
	for {
		b, err := c.ReadBlock()
		if err != nil {
			return
		}
		for range b.Payload()[0] {
			if err := c.WriteBlock(b.Payload()); err != nil {
				return
			}
		}
		b.Release()
	}
}

// echoServer is a process that runs serveEcho.
type echoServer struct {
	cmd     *exec.Cmd
	address string
	id      []byte
}

func startEcho() (*echoServer, error) {
	args := cores("0", os.Args[0], "-echo", "127.0.0.1:0")
	s := &echoServer{cmd: exec.Command(args[0], args[1:]...)}
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("echo: %w", err)
	}
	address, id, _ := strings.Cut(strings.TrimSpace(line), " ")
	s.address = address
	s.id, err = hex.DecodeString(id)
	return s, err
}

func (s *echoServer) close() error {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	return nil
}

// dial connects to the echo.
func (s *echoServer) dial(ctx context.Context) (*transport.Conn, error) {
	sock, err := new(net.Dialer).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, err
	}
	return transport.Client(ctx, sock, transport.ClientConfig{Fingerprint: s.id})
}

// exchange does what a message costs in blocks: SEND in, OK and MSG out; ACK
// in, OK out.
func exchange(c *transport.Conn, block []byte) error {
	return exchangeAs(c, block, []byte{2, 1})
}

// exchangeAs sends a block for each of counts, which is answered by so many.
func exchangeAs(c *transport.Conn, block []byte, counts []byte) error {
	for _, answers := range counts {
		block[0] = answers
		if err := c.WriteBlock(block); err != nil {
			return err
		}
		for range answers {
			b, err := c.ReadBlock()
			if err != nil {
				return err
			}
			b.Release()
		}
	}
	return nil
}
