// Package xmsg is the grammar of chat messages: the x.* events that two chat
// programs send each other through the agent.
//
//	{"v":"1-16","msgId":"<base64url>","event":"x.msg.new","params":{...}}
//
// v is the range of chat versions that the sender speaks, msgId its name for
// the message (absent in connection information), params what the event says.
// A body, as the agent carries it, is told by its first byte:
//
//	'{'  one message
//	'['  a JSON array of messages: a batch, since chat version 5
//	'X'  compressed: count (1 byte), then each part: '0' length (1 byte) bytes,
//	     or '1' length (2 bytes, big endian) zstd frame; each part is a body
//	'='  a binary batch: count (1 byte), then each: length (2 bytes) element
//	'F'  a piece of a file: binary, not JSON
//
// What is not known here is kept: events as tag and raw parameters, fields in
// the Extra of each type, content of unknown types as its object; all are
// written back as they came. A message of a batch that cannot be read does not
// make the others unreadable.
//
// SimpleX Chat Protocol: Message formats, Chat message container.
package xmsg
