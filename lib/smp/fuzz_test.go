package smp

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// seed adds what the named members of all cases of a file hold.
func seed(f *testing.F, file string, names ...string) {
	for _, c := range vectors.Load(f, file).Cases {
		var m map[string]json.RawMessage
		if json.Unmarshal(c.Raw, &m) != nil {
			continue
		}
		for _, name := range names {
			var h vectors.Hex
			if json.Unmarshal(m[name], &h) == nil && h != nil {
				f.Add(uint8(18), []byte(h))
			}
		}
	}
}

func version(v uint8) wire.Version { return 6 + wire.Version(v%13) }

func FuzzParseCommand(f *testing.F) {
	seed(f, "smp_commands.json", "hex")
	f.Fuzz(func(t *testing.T, n uint8, b []byte) {
		v := version(n)
		c, err := ParseCommand(v, b)
		if err != nil {
			return
		}
		out := AppendCommand(nil, v, c)
		again, err := ParseCommand(v, out)
		if err != nil || !bytes.Equal(AppendCommand(nil, v, again), out) {
			t.Errorf("v%d: %x parses as %+v, then %x: %v", v, b, c, out, err)
		}
		CheckCommand(c, true, "")
		CheckCommand(c, false, "x")
	})
}

func FuzzParseMessage(f *testing.F) {
	seed(f, "smp_commands.json", "hex")
	f.Fuzz(func(t *testing.T, n uint8, b []byte) {
		v := version(n)
		m, err := ParseMessage(v, b)
		if err != nil {
			return
		}
		out := AppendMessage(nil, v, m)
		again, err := ParseMessage(v, out)
		if err != nil || !bytes.Equal(AppendMessage(nil, v, again), out) {
			t.Errorf("v%d: %x parses as %+v, then %x: %v", v, b, m, out, err)
		}
		CheckMessage(m, "")
		if e, ok := m.(ERR); ok {
			j, err := json.Marshal(e.Err)
			var back Error
			if err != nil || json.Unmarshal(j, &back) != nil || back.String() != e.Err.String() {
				t.Errorf("%v in JSON is %s: %v", e.Err, j, err)
			}
		}
	})
}

func FuzzParseRequests(f *testing.F) {
	seed(f, "smp_transmissions.json", "batch_of_one", "unpadded_block")
	f.Fuzz(func(t *testing.T, n uint8, b []byte) {
		p := &Params{Version: version(n), SessionID: []byte("session")}
		rs := p.ParseRequests(b)
		if len(rs) == 0 || len(rs) > MaxBatchCount {
			t.Errorf("%d requests", len(rs))
		}
		for i := range rs {
			if (rs[i].Err == nil) == (rs[i].Command == nil) {
				t.Errorf("%+v", rs[i])
			}
			p.VerifyNone(&rs[i])
		}
	})
}

func FuzzParseResponses(f *testing.F) {
	seed(f, "smp_transmissions.json", "batch_of_one", "response_inner_batch")
	f.Fuzz(func(t *testing.T, n uint8, b []byte) {
		p := &Params{Version: version(n), SessionID: []byte("session")}
		rs := p.ParseResponses(b)
		if len(rs) == 0 || len(rs) > MaxBatchCount {
			t.Errorf("%d responses", len(rs))
		}
		for _, r := range rs {
			if (r.Err == nil) == (r.Message == nil) {
				t.Errorf("%+v", r)
			}
		}
	})
}

// binary is a parser with its encoder.
type binary interface{ Append([]byte) []byte }

func fuzzBinary[T binary](f *testing.F, parse func([]byte) (T, error)) {
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parse(b)
		if err != nil {
			return
		}
		out := v.Append(nil)
		again, err := parse(out)
		if err != nil || !bytes.Equal(again.Append(nil), out) {
			t.Errorf("%x parses as %+v, then %x: %v", b, v, out, err)
		}
	})
}

func FuzzParseServerHello(f *testing.F) {
	seedHello(f, "server_blocks")
	fuzzBinary(f, ParseServerHello)
}
func FuzzParseClientHello(f *testing.F) {
	seedHello(f, "client_blocks")
	fuzzBinary(f, ParseClientHello)
}
func FuzzParseServiceHello(f *testing.F) {
	seedHello(f, "server_blocks")
	fuzzBinary(f, ParseServiceHello)
}

func seedHello(f *testing.F, name string) {
	for _, c := range vectors.Load(f, "smp_handshake.json").Cases {
		var m map[string]json.RawMessage
		var blocks []helloBlock
		if json.Unmarshal(c.Raw, &m) == nil && json.Unmarshal(m[name], &blocks) == nil {
			for _, b := range blocks {
				f.Add([]byte(b.Payload))
			}
		}
	}
}

func FuzzParseRcvBody(f *testing.F) {
	for _, c := range vectors.Load(f, "smp_transmissions.json").With("rcv_message") {
		var m struct {
			Plain vectors.Hex `json:"plain_unpadded"`
		}
		c.Decode(f, &m)
		f.Add([]byte(m.Plain))
	}
	fuzzBinary(f, ParseRcvBody)
}

func FuzzParseNMsgMeta(f *testing.F) {
	for _, c := range vectors.Load(f, "smp_transmissions.json").With("nmsg") {
		var m struct{ Plain vectors.Hex }
		c.Decode(f, &m)
		f.Add([]byte(m.Plain))
	}
	fuzzBinary(f, ParseNMsgMeta)
}

func FuzzParseClientEnvelope(f *testing.F) { fuzzBinary(f, ParseClientEnvelope) }
func FuzzParseClientMessage(f *testing.F)  { fuzzBinary(f, ParseClientMessage) }

// fuzzText is a parser of text whose canonical form parses as itself.
func fuzzText[T any](f *testing.F, parse func(string) (T, error), text func(T) string) {
	f.Fuzz(func(t *testing.T, s string) {
		v, err := parse(s)
		if err != nil {
			return
		}
		out := text(v)
		again, err := parse(out)
		if err != nil || text(again) != out {
			t.Errorf("%q parses as %q, then %q: %v", s, out, text(again), err)
		}
	})
}

func FuzzParseServerAddr(f *testing.F) { fuzzText(f, ParseServerAddr, ServerAddr.String) }
func FuzzParseAuthServer(f *testing.F) { fuzzText(f, ParseAuthServer, AuthServer.String) }
func FuzzParseAnyServer(f *testing.F)  { fuzzText(f, ParseAnyServer, AuthServer.String) }

func FuzzParseHost(f *testing.F) {
	fuzzText(f, ParseHost, func(h string) string { KindOf(h); return h })
}

func FuzzParseBasicAuth(f *testing.F) {
	fuzzText(f, ParseBasicAuth, func(a BasicAuth) string { return string(a) })
}
