// Package api holds the JSON vocabulary between simplexd and its clients: the
// types of the SimpleX bot API (commands, responses, events), and of the
// structured methods that simplexd adds to it. It only describes values: a bot
// author can import it alone, it imports nothing of this module.
//
// On the line (package stdio) an object is one of
//
//	{"corrId":"1","cmd":"/_send @2 json [...]"}                    a bot API command
//	{"corrId":"2","method":"send","params":{"to":"@bob", ...}}      a structured call
//	{"corrId":"1","resp":{"type":"newChatItems", ...}}              an answer
//	{"resp":{"type":"contactConnected", ...},"seq":17,"ts":"..."}   an event
//
// Fields are only ever added. A reader ignores what it does not know.
//
// Bot API: API Types, API Events, API Commands and Responses.
package api
