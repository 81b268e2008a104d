// Package storelog reads what another SMP server has stored in files, so that
// a relay of this project can take its place with all its queues: the log of
// changes to queues, and messages, in one log or in a journal for each queue.
//
// The log of queues has a line for each change, words with a space between.
// IDs, keys (DER SubjectPublicKeyInfo), secrets and data are base64url.
//
//	CREATE rid=… rk=KEY[,KEY] rdh=SECRET sid=… sk=[KEY] [sndSecure=T|F] [queue_mode=M|C]
//	       [link_id=… queue_data=FIXED USER] [notifier=ID KEY SECRET [nsrv=…]]
//	       [updated_at=DAY] [status=off|blocked,reason=…] [rsrv=…]
//	LINK rid id fixed user    LDELETE rid    SECURE rid key    KEYS rid key[,key]
//	NOTIFIER rid id key secret [nsrv=…]      NDELETE rid       DELETE rid
//	SUSPEND rid    BLOCK rid reason=spam|content[,notice=JSON]    UNBLOCK rid
//	TIME rid day   NEW_SERVICE service_id=… role=M cert=DER[,DER] cert_hash=… created_at=DAY
//	QUEUE_SERVICE rid R|N [id]
//
// A message is a line too, times being Unix seconds:
//
//	id time flags=T|F body
//	id time quota
//
// In the log of messages "v3 rid" stands before it. A journal is a directory
// for each queue, below others that have the beginning of its name:
// queue_state.RID.log, whose last line says what is unread in which file, and
// files messages.ID.log with the messages.
//
//	write=ID,n,count,at,bytes read=ID,n,count,at,bytes canWrite=T|F size=n
//
// Lines that do not parse are told by their place, and never quoted, since
// they may have secrets.
package storelog
