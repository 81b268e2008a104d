package smp

import "github.com/simplexkit/simplexkit/lib/wire"

// SUB subscribes to a queue; the answer is [OK] or [SOK], or the first
// waiting [MSG]. smp: Subscribe to queue
type SUB struct{}

// SUBS subscribes to all queues associated with the service in the entity.
// smp: Subscribe to multiple queues
type SUBS struct{}

// NSUB subscribes to the notifications of a queue. smp: Subscribe to queue notifications
type NSUB struct{}

// NSUBS subscribes to the notifications of all queues of a service.
// smp: Subscribe to multiple queue notifications
type NSUBS struct{}

// GET asks for one message without subscribing; the answer is [MSG] or
// [OK]. smp: Get message command
type GET struct{}

// PING keeps a connection alive; the answer is [PONG]. smp: Keep-alive command
type PING struct{}

// OK is success without more to say.
type OK struct{}

// SOK is success of a subscription. ServiceID is empty unless the queue is
// now associated with a service; [OK] is sent instead below v16.
// smp: Queue subscription response
type SOK struct{ ServiceID ServiceID }

// SOKS is the answer to [SUBS] and [NSUBS]: how many queues.
// smp: Service subscription response
type SOKS struct{ Count int64 }

// END says that another connection has subscribed to the queue.
// smp: Subscription END notification
type END struct{}

// ENDS says that another connection of the service has subscribed.
// smp: Service subscription END notification
type ENDS struct{ Count int64 }

// PONG is the answer to [PING].
type PONG struct{}

// Tag is "SUB".
func (SUB) Tag() string { return "SUB" }

// Tag is "SUBS".
func (SUBS) Tag() string { return "SUBS" }

// Tag is "NSUB".
func (NSUB) Tag() string { return "NSUB" }

// Tag is "NSUBS".
func (NSUBS) Tag() string { return "NSUBS" }

// Tag is "GET".
func (GET) Tag() string { return "GET" }

// Tag is "PING".
func (PING) Tag() string { return "PING" }

// Tag is "OK".
func (OK) Tag() string { return "OK" }

// Tag is "SOK".
func (SOK) Tag() string { return "SOK" }

// Tag is "SOKS".
func (SOKS) Tag() string { return "SOKS" }

// Tag is "END".
func (END) Tag() string { return "END" }

// Tag is "ENDS".
func (ENDS) Tag() string { return "ENDS" }

// Tag is "PONG".
func (PONG) Tag() string { return "PONG" }

// Party is [Recipient].
func (SUB) Party() Party { return Recipient }

// Party is [RecipientService].
func (SUBS) Party() Party { return RecipientService }

// Party is [Notifier].
func (NSUB) Party() Party { return Notifier }

// Party is [NotifierService].
func (NSUBS) Party() Party { return NotifierService }

// Party is [Recipient].
func (GET) Party() Party { return Recipient }

// Party is [IdleClient].
func (PING) Party() Party { return IdleClient }

func (SUB) appendTo(b []byte, _ wire.Version) []byte   { return append(b, "SUB"...) }
func (SUBS) appendTo(b []byte, _ wire.Version) []byte  { return append(b, "SUBS"...) }
func (NSUB) appendTo(b []byte, _ wire.Version) []byte  { return append(b, "NSUB"...) }
func (NSUBS) appendTo(b []byte, _ wire.Version) []byte { return append(b, "NSUBS"...) }
func (GET) appendTo(b []byte, _ wire.Version) []byte   { return append(b, "GET"...) }
func (PING) appendTo(b []byte, _ wire.Version) []byte  { return append(b, "PING"...) }
func (OK) appendTo(b []byte, _ wire.Version) []byte    { return append(b, "OK"...) }
func (END) appendTo(b []byte, _ wire.Version) []byte   { return append(b, "END"...) }
func (PONG) appendTo(b []byte, _ wire.Version) []byte  { return append(b, "PONG"...) }

func (m SOK) appendTo(b []byte, v wire.Version) []byte {
	if v < VersionService {
		return append(b, "OK"...)
	}
	return appendMaybeID(append(b, "SOK "...), m.ServiceID)
}

func (m SOKS) appendTo(b []byte, _ wire.Version) []byte {
	return wire.AppendInt64(append(b, "SOKS "...), m.Count)
}

func (m ENDS) appendTo(b []byte, _ wire.Version) []byte {
	return wire.AppendInt64(append(b, "ENDS "...), m.Count)
}
