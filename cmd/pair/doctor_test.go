package main

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"regexp"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/simplexkit/simplexkit/lib/remote"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcphost"
)

// doctorCmds are what the doctor's script needs.
var doctorCmds = map[string]func(*testscript.TestScript, bool, []string){
	"timehost": cmdTimeHost,
	"taken":    cmdTaken,
	"knock":    cmdKnock,
	"examined": cmdExamined,
}

// timehost AHEAD sets NTP to a time server whose clock is ahead of ours.
func cmdTimeHost(ts *testscript.TestScript, _ bool, args []string) {
	ahead, err := time.ParseDuration(args[0])
	ts.Check(err)
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	ts.Check(err)
	ts.Setenv("NTP", conn.LocalAddr().String())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := make([]byte, 100); ; {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return // the script is over
			}
			if n != 48 {
				continue
			}
			answer := make([]byte, 48)
			answer[0], answer[1] = 4<<3|4, 2
			copy(answer[24:], b[40:48])
			now := time.Now().Add(ahead)
			stamp := uint64(now.Unix()+2208988800)<<32 | uint64(now.Nanosecond())<<32/1e9
			binary.BigEndian.PutUint64(answer[32:], stamp)
			binary.BigEndian.PutUint64(answer[40:], stamp)
			_, _ = conn.WriteToUDPAddrPort(answer, from)
		}
	}()
	ts.Defer(func() { conn.Close(); <-done })
}

// taken VAR sets VAR to a port that is in use.
func cmdTaken(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp4", ":0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}

var anyLink = regexp.MustCompile(`xrcp:/[^"\s]+`)

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
