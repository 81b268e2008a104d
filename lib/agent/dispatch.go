package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent/work"
	"github.com/simplexkit/simplexkit/lib/smp"
)

// eventKinds name the events in the store.
const (
	kindConfirmation = "conf"
	kindRequest      = "req"
	kindInfo         = "info"
	kindConnected    = "con"
	kindMessage      = "msg"
	kindSent         = "sent"
	kindSendError    = "merr"
	kindReceipt      = "rcvd"
	kindConnError    = "err"
	kindEnded        = "end"
	kindQueueFreed   = "qcont"
	kindSync         = "rsync"
	kindSwitched     = "switch"
	kindDeleted      = "del"
	kindLinkSet      = "lset"
	kindCreated      = "inv"
	kindNotifierSet  = "ntf"
	kindFetched      = "get"
)

// storeEvent gives an event its stored form; bodies lie beside the JSON.
func storeEvent(ev Event) (*StoredEvent, error) {
	e := new(StoredEvent)
	switch v := ev.(type) {
	case Confirmation:
		e.Kind, e.Body, v.Info = kindConfirmation, v.Info, nil
		ev = v
	case Request:
		e.Kind, e.Body, v.Info = kindRequest, v.Info, nil
		ev = v
	case Info:
		e.Kind, e.Body, v.Info = kindInfo, v.Info, nil
		ev = v
	case Message:
		e.Kind, e.Body, v.Body = kindMessage, v.Body, nil
		ev = v
	case Connected:
		e.Kind = kindConnected
	case Sent:
		e.Kind = kindSent
	case SendError:
		e.Kind = kindSendError
	case Receipt:
		e.Kind = kindReceipt
	case ConnError:
		e.Kind = kindConnError
	case Ended:
		e.Kind = kindEnded
	case QueueFreed:
		e.Kind = kindQueueFreed
	case RatchetSync:
		e.Kind = kindSync
	case Switched:
		e.Kind = kindSwitched
	case Deleted:
		e.Kind = kindDeleted
	case LinkSet:
		e.Kind = kindLinkSet
	case Created:
		e.Kind = kindCreated
	case NotifierSet:
		e.Kind = kindNotifierSet
	case Fetched:
		e.Kind = kindFetched
	default:
		return nil, fmt.Errorf("agent: unknown event %T", ev)
	}
	var err error
	e.Data, err = json.Marshal(ev)
	return e, err
}

func loadEvent(e *StoredEvent) (Event, error) {
	switch e.Kind {
	case kindConfirmation:
		ev, err := unmarshal[Confirmation](e)
		ev.Info = e.Body
		return ev, err
	case kindRequest:
		ev, err := unmarshal[Request](e)
		ev.Info = e.Body
		return ev, err
	case kindInfo:
		ev, err := unmarshal[Info](e)
		ev.Info = e.Body
		return ev, err
	case kindMessage:
		ev, err := unmarshal[Message](e)
		ev.Body = e.Body
		return ev, err
	case kindConnected:
		return unmarshal[Connected](e)
	case kindSent:
		return unmarshal[Sent](e)
	case kindSendError:
		return unmarshal[SendError](e)
	case kindReceipt:
		return unmarshal[Receipt](e)
	case kindConnError:
		return unmarshal[ConnError](e)
	case kindEnded:
		return Ended{}, nil
	case kindQueueFreed:
		return QueueFreed{}, nil
	case kindSync:
		return unmarshal[RatchetSync](e)
	case kindSwitched:
		return unmarshal[Switched](e)
	case kindDeleted:
		return Deleted{}, nil
	case kindLinkSet:
		return unmarshal[LinkSet](e)
	case kindCreated:
		return unmarshal[Created](e)
	case kindNotifierSet:
		return unmarshal[NotifierSet](e)
	case kindFetched:
		return unmarshal[Fetched](e)
	}
	return nil, fmt.Errorf("agent: unknown event %q in the store", e.Kind)
}

func unmarshal[T Event](e *StoredEvent) (T, error) {
	var v T
	err := json.Unmarshal(e.Data, &v)
	return v, err
}

// emit puts an event into the outbox.
func (t *turn) emit(ev Event) { t.emitFor(ev, nil, "") }

// emitFor does the same for a message that the relay is to be told of when
// the client has it.
func (t *turn) emitFor(ev Event, q *RcvQueue, broker smp.MsgID) {
	e, err := storeEvent(ev)
	t.write(func(tx Tx) error {
		if err != nil {
			return err
		}
		stored, err := t.storeNow(tx, ev, q, broker)
		if stored || err != nil {
			return err
		}
		e.Conn = t.ID
		if q != nil {
			e.Queue, e.Broker = q.Row, broker
		}
		t.then(func() { t.a.kickEvents(t.ID) })
		return tx.AddEvent(e)
	})
}

// dispatcher hands a connection's events to the client.
func (a *Agent) dispatcher(id ConnID) work.Job {
	var delay time.Duration
	return func(ctx context.Context) (work.Pause, bool) {
		for ctx.Err() == nil {
			more, err := a.dispatchOne(ctx, id)
			if err != nil {
				if ctx.Err() == nil {
					a.log.Warn("event not handled yet", "err", err)
				}
				delay = nextDelay(delay, a.cfg.Timing.RetryMin, a.cfg.Timing.RetryMax)
				return work.Pause{After: delay}, true
			}
			delay = 0
			if !more {
				a.outboxed.Delete(id)
				break
			}
		}
		return work.Pause{}, false
	}
}

func (a *Agent) dispatchOne(ctx context.Context, id ConnID) (more bool, err error) {
	var e *StoredEvent
	err = a.cfg.Store.View(ctx, func(tx Tx) (err error) {
		e, err = tx.NextEvent(id)
		return err
	})
	if notFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	ev, err := loadEvent(e)
	if err != nil {
		return false, err
	}
	if err := a.handler.HandleEvent(ctx, id, ev); err != nil {
		return false, fmt.Errorf("agent: handling %s: %w", e.Kind, err)
	}
	err = a.cfg.Store.Update(ctx, func(tx Tx) error {
		if e.Kind == kindDeleted {
			return tx.DeleteConn(id)
		}
		return tx.DeleteEvent(e.Row)
	})
	if err == nil && e.Queue != 0 {
		// Not before: a message that comes again while its event is there is
		// left to this acknowledgement, which must be of the same session.
		a.ackRow(ctx, id, e.Queue, e.Broker)
	}
	return true, err
}
