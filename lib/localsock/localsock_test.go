package localsock_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/localsock"
)

func TestSocket(t *testing.T) {
	for name, dir := range map[string]string{"short": "", "long": strings.Repeat("directory/", 15)} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), dir, "sock")
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, nil, 0o600); err != nil { // left behind
				t.Fatal(err)
			}
			l, err := localsock.Listen(path)
			if err != nil {
				t.Fatal(err)
			}
			if st, err := os.Lstat(path); err != nil || st.Mode().Perm() != 0o600 {
				t.Errorf("mode %v: %v", st.Mode(), err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				if c, err := l.Accept(); err == nil {
					_, _ = io.WriteString(c, "hello")
					_ = c.Close()
				}
			}()
			c, err := localsock.Dial(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(c); err != nil || string(b) != "hello" {
				t.Errorf("read %q: %v", b, err)
			}
			_ = c.Close()
			<-done
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Lstat(path); !os.IsNotExist(err) {
				t.Errorf("the socket is still there: %v", err)
			}
		})
	}
}
