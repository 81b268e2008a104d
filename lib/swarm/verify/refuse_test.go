package verify_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/compose"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/swarmtest"
	"github.com/simplexkit/simplexkit/lib/swarm/verify"
)

func del(path string) commit.Change { return commit.Change{Path: path} }

// forgedCert is a certificate for c's device that names a's account and that
// c's account signed.
func forgedCert(t *testing.T, w *cast) []byte {
	t.Helper()
	b, err := swarmtest.Account(t, 2).MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	parent := *w.a.Account.X509()
	parent.PublicKey, parent.SubjectKeyId = nil, nil
	template := *w.c.Cert.X509()
	der, err := x509.CreateCertificate(rand.Reader, &template, &parent, w.c.Cert.PublicKey(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// What the real daemon lets through, and more that only we refuse.
func TestStrictRefusals(t *testing.T) {
	w := newCast(t)
	h := w.group()
	text := w.Text(h, w.b, "x")
	edit := w.Write(text, w.b, compose.Message(commit.NewEdit(text, "y")))
	member := func(a commit.Action, who string) func(*commit.Commit) { return say(commit.NewMember(a, who)) }
	uri := func(d *ident.Device) string { return d.URI().String() }
	old := func(d time.Duration) func(*commit.Commit) {
		return func(c *commit.Commit) {
			c.Author.Time += int64(d / time.Second)
			c.Committer.Time = c.Author.Time
		}
	}
	for name, x := range map[string]struct {
		head commit.ObjectID
		want verify.Code
	}{
		"name with a bar":        {w.Raw(w.b, []commit.Change{w.Put("devices/"+w.b.ID().String()+".crt | 3", nil)}, nil, h), verify.MessageFile},
		"self-promotion":         {w.Raw(w.b, []commit.Change{del(commit.MemberPath(w.b.URI())), {Path: commit.AdminPath(w.b.URI()), New: file(w, h, commit.MemberPath(w.b.URI()))}}, member(commit.Remove, uri(w.b)), h), verify.RemoveFile},
		"kick":                   {w.Raw(w.b, []commit.Change{del(commit.MemberPath(w.c.URI()))}, member(commit.Remove, uri(w.c)), h), verify.RemoveOther},
		"kick of a device":       {w.Raw(w.b, []commit.Change{del(commit.DevicePath(w.c.ID()))}, member(commit.Remove, w.c.ID().String()), h), verify.RemoveOther},
		"leave and stay":         {w.Raw(w.b, nil, member(commit.Remove, uri(w.b)), h), verify.RemoveNothing},
		"committer":              {w.Raw(w.b, nil, func(c *commit.Commit) { c.Committer.Email = w.c.ID().String() }, h), verify.BadCommitter},
		"not JSON":               {w.Raw(w.b, nil, func(c *commit.Commit) { c.Message = []byte("hello") }, h), verify.NotJSON},
		"more than JSON":         {w.Raw(w.b, nil, func(c *commit.Commit) { c.Message = append(c.Message, '!') }, h), verify.NotJSON},
		"number as type":         {w.Raw(w.b, nil, func(c *commit.Commit) { c.Message = []byte(`{"type":5}`) }, h), verify.NoType},
		"second initial":         {w.Raw(w.b, nil, say(commit.NewInitial(commit.Public, ident.URI{})), h), verify.InitialLate},
		"edit of an edit":        {w.Write(edit, w.b, compose.Message(commit.NewEdit(edit, "z"))), verify.EditKind},
		"edit of a branch":       {w.Write(h, w.b, compose.Message(commit.NewEdit(text, "y"))), verify.EditUnknown},
		"edit of nothing":        {w.Write(h, w.b, compose.Message(commit.NewEdit(commit.ObjectID{7}, "y"))), verify.EditUnknown},
		"edit of a tree":         {w.Write(h, w.b, compose.Message(commit.NewEdit(commit.EmptyTree, "y"))), verify.EditUnknown},
		"edit of the root":       {w.Write(h, w.a, compose.Message(commit.NewEdit(w.Root, "y"))), verify.EditKind},
		"invites a member":       {w.Write(h, w.b, compose.Add(w.c.URI())), verify.AddMember},
		"invites with content":   {w.Raw(w.b, []commit.Change{w.Put(commit.InvitedPath(w.d.URI()), []byte("x"))}, member(commit.Add, uri(w.d)), h), verify.AddFile},
		"invites a device":       {w.Raw(w.b, nil, member(commit.Add, w.d.ID().String()), h), verify.MemberURI},
		"invites nobody":         {w.Raw(w.b, nil, member(commit.Add, "x"), h), verify.MemberURI},
		"vote of a member":       {vote(w, h, w.b, w.c), verify.VoteAdmin},
		"vote against oneself":   {vote(w, h, w.a, w.a), verify.VoteSelf},
		"ban by a member":        {w.Raw(w.b, nil, member(commit.Ban, uri(w.c)), h), verify.BanAdmin},
		"ban of nobody":          {w.Raw(w.a, nil, member(commit.Ban, uri(w.d)), h), verify.BanNobody},
		"profile that is a link": {w.Raw(w.a, []commit.Change{{Path: commit.ProfilePath, New: commit.Value{Mode: commit.ModeSymlink, ID: commit.EmptyBlob}}}, say(commit.NewProfile()), h), verify.ProfileFile},
		"profile too big":        {w.Raw(w.a, []commit.Change{w.Put(commit.ProfilePath, bytes.Repeat([]byte("a"), commit.MaxProfile+1))}, say(commit.NewProfile()), h), verify.ProfileSize},
		"expired":                {w.Raw(w.b, nil, old(11*365*24*time.Hour), h), verify.Expired},
		"forged device":          {w.Raw(w.c, []commit.Change{w.Put(commit.DevicePath(w.c.ID()), forgedCert(t, w))}, nil, w.Begin2(w.a)), verify.DeviceForged},
		"three parents":          {w.Raw(w.b, nil, nil, h, text, w.Text(h, w.c, "")), verify.MergeParents},
		"account of another CA":  {w.Raw(w.b, []commit.Change{w.Put(commit.MemberPath(w.b.URI()), selfMade(t, 1))}, nil, h), verify.AccountForged},
		"account of another":     {w.Raw(w.b, []commit.Change{w.Put(commit.MemberPath(w.b.URI()), w.c.AccountPEM())}, nil, h), verify.AccountID},
		"device turned folder":   {w.Raw(w.b, []commit.Change{del(commit.DevicePath(w.b.ID())), w.Put(commit.DevicePath(w.b.ID())+"/x", nil)}, nil, h), verify.NoDevice},
		"folder of nothing":      {w.Raw(w.b, []commit.Change{{Path: "x/y", New: commit.Value{Mode: commit.ModeDir, ID: commit.EmptyTree}}}, nil, h), verify.MessageFile},
		"bomb of folders":        {w.Raw(w.b, []commit.Change{{Path: "x", New: bomb(t, w, commit.EmptyTree)}}, nil, h), verify.Malformed},
		"bomb of files":          {w.Raw(w.b, []commit.Change{{Path: "x", New: bomb(t, w, commit.EmptyBlob)}}, nil, h), verify.Malformed},
		"deep folders":           {w.Raw(w.b, []commit.Change{w.Put("a/a/a/a/a/a/a/a", nil)}, nil, h), verify.MessageFile},
	} {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.t = t
			w.Root = commit.ObjectID{} // found by the walk
			w.bad(x.head, x.want)
		})
	}
}

// The gaps of the daemon: it accepts what strict refuses.
func TestDaemonGaps(t *testing.T) {
	w := newCast(t)
	h := w.group()
	text := w.Text(h, w.b, "x")
	leaving := func(who *ident.Device) func(*commit.Commit) {
		return say(commit.NewMember(commit.Remove, who.URI().String()))
	}
	promoted := []commit.Change{del(commit.MemberPath(w.b.URI())), {Path: commit.AdminPath(w.b.URI()), New: file(w, h, commit.MemberPath(w.b.URI()))}}
	banned := w.Vote(h, commit.Ban, w.b.ID().String(), w.a)
	edit, _ := commit.NewEdit(text, "y").AppendBinary(nil)
	forged := w.Raw(w.c, []commit.Change{w.Put(commit.DevicePath(w.c.ID()), forgedCert(t, w))}, nil, w.Begin2(w.a))
	for name, x := range map[string]struct {
		head commit.ObjectID
		too  bool // the daemon of 2023 does
	}{
		"name with a bar":   {w.Raw(w.b, []commit.Change{w.Put("devices/"+w.b.ID().String()+".crt | 3", []byte("x\n"))}, nil, h), true},
		"binary file":       {w.Raw(w.b, []commit.Change{w.Put("evil", []byte{0, 1})}, nil, h), true},
		"kick":              {w.Raw(w.b, []commit.Change{del(commit.MemberPath(w.c.URI()))}, leaving(w.c), h), true},
		"self-promotion":    {w.Raw(w.b, promoted, leaving(w.b), h), true},
		"edit with a file":  {w.Raw(w.b, []commit.Change{w.Put("evil", []byte("x"))}, func(c *commit.Commit) { c.Message = edit }, text), true},
		"device comes back": {w.Text(banned, w.b, "back"), true},
		"forged device":     {forged, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.t, w.Root = t, commit.ObjectID{}
			if r := w.verdict(x.head, verify.Strict); r == nil {
				t.Error("strict accepts")
			}
			w.good(x.head, verify.Daemon2026)
			r := w.verdict(x.head, verify.Daemon2023)
			if x.too && r != nil || !x.too && (r == nil || r.Code != verify.Threw) {
				t.Errorf("2023: %v", r)
			}
		})
	}
}

// A document has checkpoints with attachments and no texts.
func TestDocument(t *testing.T) {
	w := newCast(t)
	h := w.Begin(w.a, commit.Document, ident.URI{})
	point := say(commit.Message{"type": commit.TypeCheckpoint})
	data := []byte("content")
	put := func(name string) []commit.Change { return []commit.Change{w.Put("attachments/"+name, data)} }
	blob := commit.Hash(commit.TypeBlob, data).String()
	w.good(w.Raw(w.a, put(blob), point, h), verify.Strict, verify.Daemon2026)
	w.bad(w.Raw(w.a, put("x"), point, h), verify.MessageFile)
	w.bad(w.Text(h, w.a, "hello"), verify.MessagePlace)
	h = w.group()
	w.bad(w.Raw(w.a, nil, point, h), verify.MessagePlace)
	w.bad(w.Raw(w.a, put(blob), nil, h), verify.MessageFile)
}

// bomb is a folder of few objects and a great many paths.
func bomb(t *testing.T, w *cast, leaf commit.ObjectID) commit.Value {
	t.Helper()
	mode := commit.ModeFile
	if leaf == commit.EmptyTree {
		mode = commit.ModeDir
	}
	for range 5 {
		tree := &commit.Tree{}
		for i := range 64 {
			tree.Entries = append(tree.Entries, commit.Entry{Mode: mode, Name: fmt.Sprintf("%02d", i), ID: leaf})
		}
		b, err := tree.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, mode = w.Objects.Add(commit.Object{Type: commit.TypeTree, Data: b}), commit.ModeDir
	}
	return commit.Value{Mode: commit.ModeDir, ID: leaf}
}

// Begin2 begins another conversation than that of Root.
func (w *cast) Begin2(d *ident.Device) commit.ObjectID {
	root := w.Root
	defer func() { w.Root = root }()
	return w.Begin(d, commit.InvitesOnly, ident.URI{})
}

func vote(w *cast, h commit.ObjectID, by, who *ident.Device) commit.ObjectID {
	w.t.Helper()
	s, err := compose.Find(w.t.Context(), w.At(h), commit.Ban, who.URI().String())
	if err != nil {
		w.t.Fatal(err)
	}
	d, _, err := compose.Vote(w.t.Context(), w.At(h), s, by.URI())
	if err != nil {
		w.t.Fatal(err)
	}
	return w.Write(h, by, d)
}

// selfMade is a certificate of an account's key that its own CA did not sign.
func selfMade(t *testing.T, i int) []byte {
	t.Helper()
	c, err := swarmtest.Account(t, 0).Certify(swarmtest.Account(t, i).Cert.PublicKey(), time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return c.PEM()
}

// Who was thrown out does not come back by itself.
func TestThrownOut(t *testing.T) {
	w := newCast(t)
	h := w.group()
	banned := w.Vote(h, commit.Ban, w.b.ID().String(), w.a)
	// The device brings its certificate again.
	w.bad(w.Text(banned, w.b, "back"), verify.Banned)
	// The account's other device is not banned.
	w.good(w.Text(banned, w.b2, "still here"), modes...)

	banned = w.Vote(h, commit.Ban, w.c.URI().String(), w.a)
	w.bad(w.Text(banned, w.c, "back"), verify.NoMember)
	w.bad(w.Write(banned, w.b, compose.Add(w.c.URI())), verify.AddBanned)
	w.bad(w.Raw(w.b, []commit.Change{del(commit.Members.Banned(w.c.URI().String()))}, nil, banned), verify.MessageFile)

	// Invited, banned, and no way to join.
	h = w.Write(h, w.b, compose.Add(w.d.URI()))
	banned = w.Vote(h, commit.Ban, w.d.URI().String(), w.a)
	w.bad(w.Raw(w.d, []commit.Change{w.Put(commit.MemberPath(w.d.URI()), w.d.AccountPEM()), w.Put(commit.DevicePath(w.d.ID()), w.d.Cert.PEM())},
		say(commit.NewMember(commit.Join, w.d.URI().String())), banned), verify.JoinUninvited)
}

// A revoked device stays out, whatever date it writes; a list has to be that of
// the account and cannot be shortened.
func TestRevokedDevice(t *testing.T) {
	w := newCast(t)
	h := w.Text(w.group(), w.a2, "second device")
	a := swarmtest.Account(t, 0)
	crl, err := a.Revoke(nil, w.Now, w.a2.Cert)
	if err != nil {
		t.Fatal(err)
	}
	gone := w.Write(h, w.a, compose.RemoveDevice(w.a2.ID(), crl))
	w.good(gone, modes...)
	past := w.Raw(w.a2, []commit.Change{w.Put(commit.DevicePath(w.a2.ID()), w.a2.Cert.PEM())}, func(c *commit.Commit) {
		c.Author.Time -= 3600
		c.Committer.Time = c.Author.Time
	}, gone)
	w.bad(past, verify.Revoked)
	// On what it knew it could write.
	w.good(w.Text(h, w.a2, "before I knew"), modes...)

	fake, err := swarmtest.Account(t, 1).Revoke(nil, w.Now, w.a2.Cert)
	if err != nil {
		t.Fatal(err)
	}
	w.bad(w.Write(h, w.a, compose.RemoveDevice(w.a2.ID(), fake)), verify.RemoveFile)
	// With an invitation may come the list of the account.
	list := w.Raw(w.a, []commit.Change{w.Put(commit.InvitedPath(w.d.URI()), nil), w.Put(commit.CRLPath(w.a.URI()), crl)},
		say(commit.NewMember(commit.Add, w.d.URI().String())), h)
	w.good(list, modes...)
	w.bad(w.Text(list, w.a2, "revoked"), verify.Revoked)
	empty, err := a.Revoke(nil, w.Now)
	if err != nil {
		t.Fatal(err)
	}
	list = w.Vote(list, commit.Ban, w.d.URI().String(), w.a)
	list = w.Vote(list, commit.Unban, w.d.URI().String(), w.a)
	e := swarmtest.Device(t, 4, 0)
	w.bad(w.Raw(w.a, []commit.Change{w.Put(commit.InvitedPath(e.URI()), nil), w.Put(commit.CRLPath(w.a.URI()), empty)},
		say(commit.NewMember(commit.Add, e.URI().String())), list), verify.AddFile)
}

// Roots of others do not come in by a merge.
func TestForeignRoot(t *testing.T) {
	w := newCast(t)
	h := w.group()
	other := w.Begin2(w.a)
	m := w.Merge(w.a, h, other)
	r := w.verdict(m, verify.Strict)
	if r == nil || r.Code != verify.ForeignRoot || r.Commit != other {
		t.Error(r)
	}
	_, err := verify.History(t.Context(), w.Objects, m, verify.Options{Local: h})
	if r, _ := verify.AsReason(err); r == nil || r.Code != verify.ForeignRoot {
		t.Error(err)
	}
	_, err = verify.History(t.Context(), w.Objects, other, verify.Options{Root: w.Root})
	if r, _ := verify.AsReason(err); r == nil || r.Code != verify.ForeignRoot {
		t.Error(err)
	}
	r = w.verdict(m, verify.Daemon2026)
	if r != nil {
		t.Errorf("a daemon would take it: %v", r)
	}
}

// A merge cannot drop what one side did.
func TestMergeCannotTakeBack(t *testing.T) {
	w := newCast(t)
	h := w.group()
	ours, theirs := w.Vote(h, commit.Ban, w.c.URI().String(), w.a), w.Text(w.Write(h, w.b, compose.Add(w.d.URI())), w.b, "x")
	at := w.At(theirs)
	evil := w.Raw(w.b, nil, func(c *commit.Commit) {
		c.Tree, c.Parents, c.Message = at.Tree, []commit.ObjectID{theirs, ours}, commit.MergeMessage(ours)
	}, theirs)
	w.bad(evil, verify.MergeLost)
	if r := w.verdict(evil, verify.Daemon2026); r != nil {
		t.Errorf("a daemon would take it: %v", r)
	}
	w.good(w.Merge(w.b, theirs, ours), modes...)
	w.good(w.Merge(w.a, ours, theirs), modes...)
}

func TestDatesAhead(t *testing.T) {
	w := newCast(t)
	h := w.group()
	ahead := w.Raw(w.b, nil, func(c *commit.Commit) {
		c.Author.Time += 48 * 3600
		c.Committer.Time = c.Author.Time
	}, h)
	w.good(ahead, modes...)
	_, err := verify.History(t.Context(), w.Objects, ahead, verify.Options{Now: w.Now})
	if r, _ := verify.AsReason(err); r == nil || r.Code != verify.Future || !r.Temporary() {
		t.Error(err)
	}
}

// Objects that are missing or are something else are a verdict; a storage that
// fails is not.
func TestBrokenObjects(t *testing.T) {
	w := newCast(t)
	h := w.Text(w.group(), w.a, "x")
	root, err := commit.ReadCommit(t.Context(), w.Objects, w.Root)
	if err != nil {
		t.Fatal(err)
	}
	for id, o := range w.Objects {
		delete(w.Objects, id)
		if _, err := verify.History(t.Context(), w.Objects, h, verify.Options{}); err != nil {
			if r, ok := verify.AsReason(err); !ok {
				t.Errorf("without %v %v: %v", o.Type, id, err)
			} else if r.Commit.IsZero() {
				t.Errorf("without %v %v: no commit is named", o.Type, id)
			}
		} else if id != commit.EmptyBlob && id != commit.EmptyTree && o.Type != commit.TypeTree && o.Type != commit.TypeBlob {
			t.Errorf("without %v %v: accepted", o.Type, id)
		}
		w.Objects[id] = o
	}
	blob := w.Objects.Add(commit.Object{Type: commit.TypeBlob, Data: []byte("x")})
	for _, id := range []commit.ObjectID{blob, root.Tree, {9}} {
		if r, ok := verify.AsReason(w.history(id)); !ok || r.Code != verify.Malformed && r.Code != verify.Missing {
			t.Errorf("head %v: %v", id, r)
		}
	}
	if _, err := verify.History(t.Context(), broken{}, h, verify.Options{}); !errors.Is(err, errBroken) {
		t.Error(err)
	}
}

var errBroken = errors.New("broken disk")

type broken struct{}

func (broken) Object(context.Context, commit.ObjectID) (commit.Type, []byte, error) {
	return 0, nil, errBroken
}

func (w *cast) history(head commit.ObjectID) error {
	_, err := verify.History(w.t.Context(), w.Objects, head, verify.Options{})
	return err
}
