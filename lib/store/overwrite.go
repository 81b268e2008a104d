package store

import (
	"io"
	"os"
	"syscall"
)

// overwrite writes zeros over a file that has no name any more; one that has
// another name is somebody's copy and stays.
func overwrite(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); !ok || sys.Nlink != 0 {
		return nil
	}
	if _, err := io.CopyN(f, zeros{}, st.Size()); err != nil {
		return err
	}
	return f.Sync()
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
