// Package envelope is the grammar of what SMP agents say to each other inside
// the queues: envelopes and, encrypted by the ratchet within them, messages.
//
// An envelope is the body of an SMP client message (smp.ClientMessage):
//
//	Confirmation  word16 version 'C' maybe E2E params, tail encrypted ConnInfo or ConnInfoReply
//	Message       word16 version 'M' tail encrypted AgentMessage
//	Invitation    word16 version 'I' large link, tail connInfo
//	RatchetKey    word16 version 'R' E2E params, tail RatchetInfo
//
// What the ratchet encrypts, a [Plain], padded to [ConnInfoSize] or
// [MessageSize]:
//
//	ConnInfo       'I' tail connInfo
//	ConnInfoReply  'D' list of queues, tail connInfo
//	RatchetInfo    'R' tail info
//	AgentMessage   'M' int64 number, short SHA-256 of the message before, message
//
// and the messages:
//
//	Hello   'H'                                   the queue is secured
//	AMsg    'M' tail body                         of the client
//	Rcvd    'V' list (int64 number, short hash, large info)
//	QCont   'QC' queue                            it was full and is empty now
//	QAdd    'QA' list (queue URI, maybe queue)    a new queue, in place of another
//	QKey    'QK' list (queue info, short key)     the sender's key for it
//	QUse    'QU' list (queue, bool primary)       it is secured
//	QTest   'QT' list queue                       it works
//	Ready   'E' int64 number                      the new ratchet is in use
//
// where queue is a server and a sender ID, and lists have at least one item.
//
// Spec: "Communication between SMP agents" (simplexmq,
// protocol/agent-protocol.md, version 7). Checked against simplexmq 6.5.5
// (testdata). The package is pure.
package envelope
