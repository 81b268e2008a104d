package chat_test

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

var (
	timestamp = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	volatile  = regexp.MustCompile(`(Id|Ids|ID|IDs|Id_)$`)
)

// dropped are fields that we do not have, or that say what only the other
// program can: post-quantum keys, short links, pictures, its versions.
var dropped = map[string]bool{"connShortLink": true, "formattedText": true, "image": true,
	"versionInfo": true, "chatMigrations": true, "agentMigrations": true, "contactLink": true,
	"sentViaProxy": true}

// normal replaces what differs from run to run.
func normal(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		if st, _ := v["type"].(string); key == "itemStatus" && (st == "sndNew" || st == "sndSent" || st == "sndRcvd") {
			return "<on its way>" // how far depends on who was faster
		}
		out := map[string]any{}
		for k, x := range v {
			if dropped[k] {
				continue
			}
			out[k] = normal(k, x)
		}
		if name := v["displayName"]; name == "SimpleX Status" || name == "Ask SimpleX Team" {
			delete(out, "shortDescr") // ours has no words of its own
		}
		if c, ok := out["content"].(map[string]any); ok && c["type"] == "rcvDirectE2EEInfo" {
			if m, ok := out["meta"].(map[string]any); ok {
				m["itemText"] = "<notice>"
			}
		}
		return out
	case []any:
		out := []any{}
		for _, x := range v {
			if m, ok := x.(map[string]any); key == "chats" && ok {
				if info, _ := m["chatInfo"].(map[string]any); info["type"] == "local" || info["type"] == "group" {
					continue
				}
			}
			out = append(out, normal(key, x))
		}
		return out
	case string:
		switch {
		case key == "rcvServer" || key == "sndServer":
			return "<server>"
		case strings.Contains(key, "onnId") || strings.Contains(key, "haredMsgId") || key == "xContactId" || key == "agentInvitationId" || key == "hash" || key == "salt" || key == "errContext" || key == "connFullLink":
			return "<id>"
		}
		return timestamp.ReplaceAllString(v, "<timestamp>")
	case float64:
		if volatile.MatchString(key) {
			return "<int>"
		}
	}
	return v
}

// firstDiff says where two values differ; "" if they do not.
func firstDiff(path string, want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		for k := range g {
			if _, ok := w[k]; !ok {
				return path + "." + k + " is too much"
			}
		}
		for k := range w {
			if _, ok := g[k]; !ok {
				return path + "." + k + " is missing"
			}
			if d := firstDiff(path+"."+k, w[k], g[k]); d != "" {
				return d
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s has %d items, want %d", path, len(g), len(w))
		}
		for i := range w {
			if d := firstDiff(fmt.Sprintf("%s.%d", path, i), w[i], g[i]); d != "" {
				return d
			}
		}
		return ""
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Sprintf("%s is %v, want %v", path, got, want)
	}
	return ""
}
