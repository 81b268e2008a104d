package transport_test

import (
	"io"
	"testing"

	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/transport/transporttest"
)

func TestStreamAfterBlocks(t *testing.T) {
	client, server := transporttest.Pair(t, transport.ClientConfig{}, transport.ServerConfig{})
	done := make(chan error, 1)
	go func() {
		err := client.WriteBlock([]byte("block"))
		if err == nil {
			_, err = client.Stream().Write([]byte("stream"))
		}
		done <- err
	}()
	if b, err := server.ReadBlock(); err != nil || string(b.Payload()) != "block" {
		t.Fatal(err)
	}
	got := make([]byte, 6)
	if _, err := io.ReadFull(server.Stream(), got); err != nil || string(got) != "stream" {
		t.Errorf("%q, %v", got, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := server.Stream().Close(); err != nil {
		t.Error(err)
	}
	if _, err := client.Stream().Read(got); err != io.EOF {
		t.Error(err)
	}
}
