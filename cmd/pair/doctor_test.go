package main

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/simplexkit/simplexkit/cmd/internal/doctor/doctortest"
	"github.com/simplexkit/simplexkit/lib/remote"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcphost"
)

// doctorCmds are what the doctor's script needs.
var doctorCmds = map[string]func(*testscript.TestScript, bool, []string){
	"timehost": doctortest.TimeHost,
	"taken":    cmdTaken,
	"knock":    cmdKnock,
	"examined": cmdExamined,
}

// taken VAR sets VAR to a port that is in use.
func cmdTaken(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp4", ":0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}

var (
	anyLink  = regexp.MustCompile(`xrcp:/[^"\s]+`)
	unescape = strings.NewReplacer(`\u0026`, "&")
)

// invitationIn is the link in a file.
func invitationIn(ts *testscript.TestScript, file string) *xrcp.SignedInvitation {
	inv, err := xrcp.ParseInvitation(unescape.Replace(anyLink.FindString(ts.ReadFile(file))))
	ts.Check(err)
	return inv
}

// knock FILE says something that is no TLS at the address of the link in FILE.
func cmdKnock(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := net.Dial("tcp4", invitationIn(ts, args[0]).Address())
	ts.Check(err)
	ts.Defer(func() { conn.Close() })
	_, err = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	ts.Check(err)
}

// examined FILE connects as a host with the link in FILE, and must be turned
// away after the code.
func cmdExamined(ts *testscript.TestScript, _ bool, args []string) {
	app, err := xrcp.HostApp{AppVersion: remote.AppVersion, Encoding: xrcp.EncodingTagged}.JSON()
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	asked := errors.New("not asked")
	_, err = xrcphost.Connect(ctx, xrcphost.Config{Invitation: invitationIn(ts, args[0]), App: app,
		Confirm: func(ctx context.Context, _ string) error { asked = nil; <-ctx.Done(); return ctx.Err() }})
	ts.Check(asked)
	if err == nil {
		ts.Fatalf("let in")
	}
}
