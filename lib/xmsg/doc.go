// Package xmsg is the grammar of chat messages: the x.* events that two chat
// programs send each other through the agent, as JSON.
//
//	{"v":"1-16","msgId":"<base64url>","event":"x.msg.new","params":{...}}
//
// A body is one object, an array of objects (a batch), a compressed body
// ('X', the number of parts, the parts), or a piece of a file ('F').
//
// SimpleX Chat Protocol.
package xmsg
