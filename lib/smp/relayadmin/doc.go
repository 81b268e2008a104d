// Package relayadmin is how an operator looks at a relay that runs and tells
// it what to do: a control socket in the relay's home, numbers for Prometheus,
// and signs of health over HTTP.
//
// The control socket relay.sock takes JSON objects, one a line, each answered
// by one:
//
//	{"method":"info"}                                → {"result":{…}}   see Info
//	{"method":"stats"}                               → {"result":{…}}   see Stats
//	{"method":"metrics"}                             → {"result":"…"}   text for Prometheus
//	{"method":"reload"}                              → {"result":null}  certificate and users
//	{"method":"block","queue":"ID","reason":"spam"}  → {"result":null}
//	{"method":"unblock","queue":"ID"}                → {"result":null}
//
// An error is {"error":{"code":67,"message":"…","hint":"…"}} with an exit
// code of package exit. Fields are only ever added.
//
// Nothing here names a queue, a client or its address.
package relayadmin
