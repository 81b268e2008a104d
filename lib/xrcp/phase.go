package xrcp

import (
	"errors"
	"fmt"
	"time"
)

// DefaultSilence is how long either side of a session bears silence before it
// asks the other for a sign of life by HTTP/2's PING, and how long it then
// waits: a network that is away for seconds does not end a session, and one
// that is away for good is noticed within twice that.
const DefaultSilence = 12 * time.Second

// ErrPhase is returned for an event that has no place in a phase.
var ErrPhase = errors.New("xrcp: not now")

// Phase is where a session stands, on either side.
//
//	           Found          Connected       Compared        Greeted
//	Waiting ──────────▶ TCP ───────────▶ Code ─────────▶ Hello ───────▶ Active
//	   ▲                 │                │               │               │
//	   │      Failed     │                │               │               │
//	   └─────────────────┴────────────────┴───────────────┘               │
//	   │                                                           Failed │
//	   └──────▶ Closed ◀──────────── Ended, in every phase ───────────────┴─▶ Lost
//
// Waiting is a controller that listens, or a host that listens for
// announcements or has an address to dial. Found is a TCP connection, Connected
// is TLS over it, Compared is a person's yes to the session code (for known
// peers, the program's), Greeted is the other's hello. From Lost, Found leads
// to a new attempt.
//
// xrcp: Transport protocol
type Phase uint8

// The phases.
const (
	Waiting Phase = iota
	TCP
	Code
	Hello
	Active
	Lost
	Closed
)

var phaseNames = [...]string{"waiting", "tcp", "session_code", "hello", "connected", "lost", "closed"}

// String is the name in status lines.
func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// PhaseEvent is what moves a session on.
type PhaseEvent uint8

// The events.
const (
	Found PhaseEvent = iota
	Connected
	Compared
	Greeted
	Failed
	Ended
)

var eventNames = [...]string{"found", "connected", "compared", "greeted", "failed", "ended"}

// String is a name for errors and logs.
func (e PhaseEvent) String() string {
	if int(e) < len(eventNames) {
		return eventNames[e]
	}
	return fmt.Sprintf("event(%d)", uint8(e))
}

var phaseTable = map[Phase]map[PhaseEvent]Phase{
	Waiting: {Found: TCP, Failed: Waiting, Ended: Closed},
	TCP:     {Connected: Code, Failed: Waiting, Ended: Closed},
	Code:    {Compared: Hello, Failed: Waiting, Ended: Closed},
	Hello:   {Greeted: Active, Failed: Waiting, Ended: Closed},
	Active:  {Failed: Lost, Ended: Closed},
	Lost:    {Found: TCP, Failed: Lost, Ended: Closed},
	Closed:  {Ended: Closed},
}

// Next is the phase after an event. The error is [ErrPhase], and the phase
// then stays.
func (p Phase) Next(e PhaseEvent) (Phase, error) {
	if to, ok := phaseTable[p][e]; ok {
		return to, nil
	}
	return p, fmt.Errorf("%w: %v while %v", ErrPhase, e, p)
}
