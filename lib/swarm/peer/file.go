package peer

import (
	"context"
	"crypto/sha3"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

const (
	// filePart is what is asked of a source at once: a part that fails costs
	// no more than that.
	filePart  = 4 << 20
	fileTime  = 10 * time.Minute // for one part
	maxSource = 4                // sources at once
	fileBlock = 256 << 10
)

// fileHeader opens a stream of a file. End is exclusive; 0 means all.
type fileHeader struct {
	ID    commit.ObjectID `json:"id"`
	File  string          `json:"file"`
	Start int64           `json:"start,omitempty"`
	End   int64           `json:"end,omitempty"`
}

// FileWant is a file to be fetched.
type FileWant struct {
	Conversation commit.ObjectID
	File         string // <commit>_<tid>[.ext]
	Size         int64
	SHA3         string // SHA3-512, hex
	Sources      []ident.DeviceID
}

// FileStore is where a file comes together.
type FileStore interface {
	io.ReaderAt
	io.WriterAt
	// Have are the parts that are there, as a bit for each of filePart bytes;
	// nil if none is.
	Have() []bool
	// Got says that a part is there, written and, if the file is to outlive a
	// crash, synced.
	Got(part int) error
}

// Parts is how many parts a file of a size has.
func Parts(size int64) int { return int((size + filePart - 1) / filePart) }

// FetchFile fetches the parts of a file that are missing, from several sources
// at once, and then checks the digest: the error is ErrDigest if it is wrong,
// and the parts are no use then. Progress is called with the bytes that are
// there, from several goroutines; it may be nil. If no source has the file, the
// error wraps that of the last one.
func (e *Engine) FetchFile(ctx context.Context, w FileWant, to FileStore, progress func(done int64)) error {
	if w.Size < 0 || len(w.Sources) == 0 {
		return fmt.Errorf("peer: file: %w", ErrUnknown)
	}
	j := newFileJob(w, to, progress)
	digest := make(chan error, 1)
	go func() { digest <- j.digest() }()
	var all sync.WaitGroup
	for range min(maxSource, len(j.sources)) {
		all.Go(func() { j.source(ctx, e) })
	}
	all.Wait()
	left := j.finish()
	sum := <-digest
	if err := ctx.Err(); err != nil {
		return err
	}
	if left > 0 {
		return fmt.Errorf("peer: file: %d parts are missing: %w", left, j.err)
	}
	return sum
}

// digest reads the file as it comes, in order, and says whether it is what it
// should be. It returns at once if the file does not come.
func (j *fileJob) digest() error {
	h, buf := sha3.New512(), make([]byte, fileBlock)
	for part := range j.have {
		if !j.await(part) {
			return ErrDigest
		}
		r := io.NewSectionReader(j.to, int64(part)*filePart, j.sizeOf(part))
		if _, err := io.CopyBuffer(h, struct{ io.Reader }{r}, buf); err != nil {
			return fmt.Errorf("peer: file: %w", err)
		}
	}
	if hex.EncodeToString(h.Sum(nil)) != j.want.SHA3 {
		return ErrDigest
	}
	return nil
}

// fileJob hands out the parts of one file.
type fileJob struct {
	want     FileWant
	to       FileStore
	progress func(int64)
	// sources are those to take, each twice if they are few: while one part
	// is asked for, another is on its way.
	sources []ident.DeviceID

	mu   sync.Mutex
	todo []int  // parts, guarded by mu
	have []bool // parts, guarded by mu
	busy int    // parts under way, guarded by mu
	next int    // source to take, guarded by mu
	done int64  // bytes, guarded by mu
	over bool   // nothing more comes, guarded by mu
	err  error  // the last, guarded by mu
	cond *sync.Cond
}

func newFileJob(w FileWant, to FileStore, progress func(int64)) *fileJob {
	j := &fileJob{want: w, to: to, progress: progress, have: make([]bool, Parts(w.Size)), err: ErrUnknown}
	j.sources = w.Sources
	if 2*len(w.Sources) <= maxSource {
		j.sources = slices.Concat(w.Sources, w.Sources)
	}
	j.cond = sync.NewCond(&j.mu)
	copy(j.have, to.Have())
	for p, have := range j.have {
		if have {
			j.done += j.sizeOf(p)
		} else {
			j.todo = append(j.todo, p)
		}
	}
	return j
}

func (j *fileJob) sizeOf(part int) int64 {
	return min(filePart, j.want.Size-int64(part)*filePart)
}

// finish says that no more comes, and how many parts are missing.
func (j *fileJob) finish() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.over = true
	j.cond.Broadcast()
	return len(j.todo)
}

// await waits for a part; false if it does not come.
func (j *fileJob) await(part int) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for !j.have[part] && !j.over {
		j.cond.Wait()
	}
	return j.have[part]
}

// take is the next part; false if there is none to come.
func (j *fileJob) take() (int, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.todo) == 0 && j.busy > 0 {
		j.cond.Wait() // another source may fail
	}
	if len(j.todo) == 0 {
		return 0, false
	}
	p := j.todo[0]
	j.todo = j.todo[1:]
	j.busy++
	return p, true
}

func (j *fileJob) put(part int, err error) {
	j.mu.Lock()
	j.busy--
	if err != nil {
		j.todo, j.err = append(j.todo, part), err
	} else {
		j.done += j.sizeOf(part)
		j.have[part] = true
	}
	done := j.done
	j.cond.Broadcast()
	j.mu.Unlock()
	if err == nil && j.progress != nil {
		j.progress(done)
	}
}

// source takes parts from one source after the other: one that fails is not
// asked again.
func (j *fileJob) source(ctx context.Context, e *Engine) {
	buf := make([]byte, fileBlock)
	for {
		j.mu.Lock()
		at := j.next
		j.next++
		j.mu.Unlock()
		if at >= len(j.sources) {
			return
		}
		for {
			part, ok := j.take()
			if !ok {
				return
			}
			err := e.fetchPart(ctx, j.want, j.sources[at], part, j.sizeOf(part), j.to, buf)
			if err == nil {
				err = j.to.Got(part)
			}
			j.put(part, err)
			if err != nil || ctx.Err() != nil {
				break
			}
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// fetchPart copies one part of a file.
func (e *Engine) fetchPart(ctx context.Context, w FileWant, from ident.DeviceID, part int, size int64, to io.WriterAt, buf []byte) error {
	s, done, err := e.open(ctx, from, protoFile, fileTime)
	if err != nil {
		return err
	}
	defer done()
	start := int64(part) * filePart
	if err := writeJSON(s, fileHeader{ID: w.Conversation, File: w.File, Start: start, End: start + size}); err != nil {
		return err
	}
	a, err := readAnswer(s)
	if err != nil {
		return err
	}
	if a.Size != w.Size {
		return fmt.Errorf("%w: the source's file has another size", ErrDigest)
	}
	n, err := io.CopyBuffer(io.NewOffsetWriter(to, start), io.LimitReader(s, size), buf)
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (e *Engine) serveFile(ctx context.Context, from ident.DeviceID, s Stream) error {
	s.SetEnd(time.Now().Add(fileTime))
	var h fileHeader
	if err := readJSON(s, maxHeader, &h); err != nil {
		return err
	}
	err := e.cfg.Store.Allow(ctx, h.ID, from)
	switch {
	case err != nil:
	case e.cfg.Files == nil:
		err = ErrUnknown
	case !e.flow(from).take(1):
		err = errBusy
	}
	if err != nil {
		return refuse(s, err)
	}
	f, err := e.cfg.Files.OpenFile(ctx, h.ID, h.File)
	if err != nil {
		return refuse(s, err)
	}
	defer f.Close()
	size := f.Size()
	if h.End == 0 {
		h.End = size
	}
	if h.Start < 0 || h.End < h.Start || h.End > size {
		return refuse(s, ErrFrame)
	}
	if err := writeJSON(s, answer{Size: size}); err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{s}, io.NewSectionReader(f, h.Start, h.End-h.Start), make([]byte, fileBlock))
	return err
}
