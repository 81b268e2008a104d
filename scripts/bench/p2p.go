package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha3"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/p2p"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/peer"
)

const p2pFileSize = 64 << 20

// p2pRows compare files from device to device with a bare stream.
func p2pRows() []row {
	return []row{{
		name: "p2p_file", unit: "MB/s", round: 10 * time.Second,
		floorIs: "the same bytes over a bare libp2p stream (TCP, TLS 1.3, yamux) of the same two hosts, on loop-back, digested with SHA3-512 as they come and not stored; more has the stream and the digest alone",
		open:    openP2P,
	}}
}

// p2pWorld is two devices in this process.
type p2pWorld struct {
	hosts   []*p2p.Host
	devs    []ident.DeviceID
	engine  *peer.Engine
	content []byte
	want    peer.FileWant
	dir     string
	stop    func()
	all     sync.WaitGroup
}

func openP2P(ctx context.Context, o *options) (*sides, error) {
	w := &p2pWorld{dir: o.dir, content: make([]byte, p2pFileSize)}
	if _, err := rand.Read(w.content); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(w.dir, "p2p-source"), w.content, 0o600); err != nil {
		return nil, err
	}
	sum := sha3.Sum512(w.content)
	ctx, w.stop = context.WithCancel(ctx)
	if err := w.start(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.want = peer.FileWant{File: "f", Size: p2pFileSize, SHA3: hex.EncodeToString(sum[:]), Sources: w.devs[:1]}
	return &sides{ours: w.file, floor: w.digested, more: w.alone, close: w.close}, nil
}

func (w *p2pWorld) start(ctx context.Context) error {
	var nets []*peer.Devices
	var keys []*rsa.PrivateKey
	for range 2 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return err
		}
		h, err := p2p.Open(p2p.Config{Key: key, Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
		if err != nil {
			return err
		}
		w.hosts = append(w.hosts, h)
		text, err := p2p.DeviceID(&key.PublicKey)
		if err != nil {
			return err
		}
		dev, err := ident.ParseDeviceID(text)
		if err != nil {
			return err
		}
		w.devs, keys = append(w.devs, dev), append(keys, key)
		nets = append(nets, peer.NewDevices(h, dev))
	}
	if _, _, err := nets[1].Add(&keys[0].PublicKey); err != nil {
		return err
	}
	w.hosts[1].AddAddrs(w.hosts[0].ID(), w.hosts[0].Addrs(), time.Hour)
	w.hosts[0].Handle("/bench/bare", func(_ context.Context, s *p2p.Stream) error {
		_, err := s.Write(w.content)
		return err
	})
	for i := range w.hosts {
		st := p2pStore{dir: w.dir}
		e := peer.New(peer.Config{Net: nets[i], Store: st, Inbox: st, Files: st})
		w.all.Go(func() { _ = e.Run(ctx) })
		w.engine = e
	}
	if err := w.hosts[1].Connect(ctx, w.hosts[0].ID()); err != nil {
		return err
	}
	return w.ready(ctx)
}

// ready waits until the file's protocol is served.
func (w *p2pWorld) ready(ctx context.Context) error {
	for end := time.Now().Add(10 * time.Second); ; {
		s, err := w.hosts[1].Open(ctx, w.hosts[0].ID(), "/simplexkit/swarm/file/1")
		if err == nil {
			s.Reset()
			return nil
		}
		if time.Now().After(end) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// file fetches the file, which is checked, into a file.
func (w *p2pWorld) file(ctx context.Context, d time.Duration) (float64, error) {
	return throughput(d, func() error {
		f, err := os.CreateTemp(w.dir, "p2p-got")
		if err != nil {
			return err
		}
		defer os.Remove(f.Name())
		defer f.Close()
		return w.engine.FetchFile(ctx, w.want, p2pFile{f}, nil)
	})
}

// bare copies the same bytes over a stream.
func (w *p2pWorld) bare(ctx context.Context, d time.Duration) (float64, error) {
	buf := make([]byte, 256<<10)
	return throughput(d, func() error {
		s, err := w.hosts[1].Open(ctx, w.hosts[0].ID(), "/bench/bare")
		if err != nil {
			return err
		}
		defer s.Close()
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, s, buf)
		if err == nil && n != p2pFileSize {
			err = io.ErrUnexpectedEOF
		}
		return err
	})
}

// digested copies the same bytes and digests them on the way, one goroutine
// for each.
func (w *p2pWorld) digested(ctx context.Context, d time.Duration) (float64, error) {
	return throughput(d, func() error {
		s, err := w.hosts[1].Open(ctx, w.hosts[0].ID(), "/bench/bare")
		if err != nil {
			return err
		}
		defer s.Close()
		full, free := make(chan []byte, 16), make(chan []byte, 16)
		for range cap(free) {
			free <- make([]byte, 256<<10)
		}
		sum := make(chan []byte)
		go func() {
			h := sha3.New512()
			for b := range full {
				h.Write(b)
				free <- b[:cap(b)]
			}
			sum <- h.Sum(nil)
		}()
		for err == nil {
			b := <-free
			var n int
			n, err = io.ReadFull(s, b)
			full <- b[:n]
		}
		close(full)
		if got := hex.EncodeToString(<-sum); got != w.want.SHA3 {
			return errors.Join(err, peer.ErrDigest)
		}
		return nil
	})
}

// alone are the two parts of the floor by themselves.
func (w *p2pWorld) alone() map[string]float64 {
	const d = time.Second
	bare, err := w.bare(context.Background(), d)
	if err != nil {
		return nil
	}
	digest, err := throughput(d, func() error {
		sha3.Sum512(w.content)
		return nil
	})
	if err != nil {
		return nil
	}
	return map[string]float64{"stream_mb_s": round(bare), "sha3_512_mb_s": round(digest)}
}

// throughput calls fn, which moves the file once, for about d.
func throughput(d time.Duration, fn func() error) (float64, error) {
	start, n := time.Now(), 0
	for n == 0 || time.Since(start) < d {
		if err := fn(); err != nil {
			return 0, err
		}
		n++
	}
	return float64(n) * p2pFileSize / 1e6 / time.Since(start).Seconds(), nil
}

func (w *p2pWorld) close() error {
	w.stop()
	w.all.Wait()
	var err error
	for _, h := range w.hosts {
		err = errors.Join(err, h.Close())
	}
	return err
}

type p2pFile struct{ *os.File }

func (p2pFile) Have() []bool  { return nil }
func (p2pFile) Got(int) error { return nil }

// p2pStore has no conversations; all may have its file.
type p2pStore struct {
	peer.Store
	peer.Inbox
	dir string
}

func (p2pStore) Allow(context.Context, commit.ObjectID, ident.DeviceID) error { return nil }

type p2pSource struct{ *os.File }

func (p2pSource) Size() int64 { return p2pFileSize }

func (s p2pStore) OpenFile(context.Context, commit.ObjectID, string) (peer.File, error) {
	f, err := os.Open(filepath.Join(s.dir, "p2p-source"))
	if err != nil {
		return nil, peer.ErrUnknown
	}
	return p2pSource{f}, nil
}
