package testworld

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// simPair is a connected pair on a new network.
func simPair(t *testing.T, n *Network) (client, server net.Conn) {
	t.Helper()
	l, err := n.Listen("relay:1")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn)
	go func() {
		c, _ := l.Accept()
		accepted <- c
	}()
	if client, err = n.Dial(t.Context(), "tcp", "relay:1"); err != nil {
		t.Fatal(err)
	}
	server = <-accepted
	l.Close()
	return client, server
}

func TestNetworkCarriesBytesInOrderWithDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := simPair(t, NewNetwork(1, time.Second))
		start := time.Now()
		var want []byte
		go func() {
			for i := range 100 {
				if _, err := client.Write(bytes.Repeat([]byte{byte(i)}, 9000)); err != nil {
					t.Error(err)
				}
			}
			client.Close()
		}()
		for i := range 100 {
			want = append(want, bytes.Repeat([]byte{byte(i)}, 9000)...)
		}
		got, err := io.ReadAll(server)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
		}
		if time.Since(start) == 0 {
			t.Error("no delay")
		}
	})
}

func TestNetworkFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(2, 0)
		client, server := simPair(t, n)
		n.Cut()
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read after cut: %v", err)
		}
		if _, err := client.Write([]byte{1}); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write after cut: %v", err)
		}

		client, server = simPair(t, n)
		n.HalfOpen()
		if _, err := client.Write([]byte{1}); err != nil {
			t.Errorf("write when half-open: %v", err)
		}
		client.Close()
		if err := server.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read when half-open: %v", err)
		}

		n.SetDown(true)
		if _, err := n.Dial(t.Context(), "tcp", "relay:1"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial when down: %v", err)
		}
	})
}

func TestNetworkHasRoomForSomeBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := simPair(t, NewNetwork(3, 0))
		if err := client.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		var err error
		written := 0
		for err == nil {
			var k int
			k, err = client.Write(make([]byte, 16<<10))
			written += k
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || written < pipeRoom || written > 2*pipeRoom {
			t.Errorf("%d bytes, %v", written, err)
		}
	})
}
