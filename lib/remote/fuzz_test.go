package remote_test

import (
	"bytes"
	"testing"

	"github.com/simplexkit/simplexkit/lib/remote"
	"github.com/simplexkit/simplexkit/lib/xrcp"
)

func FuzzParseRemoteFile(f *testing.F) {
	f.Add([]byte(`{"userId":1,"fileId":2,"sent":false,"fileSource":{"filePath":"a.txt"}}`))
	f.Add([]byte(`{}`))
	dir := remote.Folder{Dir: f.TempDir()}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := remote.ParseRemoteFile(b)
		if err != nil {
			return
		}
		if r, err := dir.Open(file.FileSource.FilePath); err == nil {
			_ = r.Close()
			t.Errorf("%q is in an empty folder", file.FileSource.FilePath)
		}
	})
}

func FuzzReadCall(f *testing.F) {
	var b bytes.Buffer
	if err := remote.WriteCall(&b, []byte("no announcement")); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte{0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		a, err := remote.ReadCall(r)
		if len(b)-r.Len() > xrcp.MaxDatagram+2 {
			t.Error("more is read than an announcement has")
		}
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := remote.WriteCall(&again, a.Append(nil)); err != nil || !bytes.HasPrefix(b, again.Bytes()) {
			t.Errorf("%v: %x becomes %x", err, b, again.Bytes())
		}
	})
}
