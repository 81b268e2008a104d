// Package doctortest has what the scripts of several doctors need.
package doctortest

import (
	"encoding/binary"
	"net"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TimeHost is the command "timehost AHEAD" of scripts: it sets NTP to a time server whose clock is ahead of ours.
func TimeHost(ts *testscript.TestScript, _ bool, args []string) {
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
