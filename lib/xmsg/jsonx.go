package xmsg

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// appendString appends s as a JSON string without the escapes for HTML.
func appendString(b []byte, s string) []byte {
	j, err := marshal(s)
	if err != nil {
		panic("xmsg: unreachable: a string always has a JSON form")
	}
	return append(b, j...)
}

// marshal is json.Marshal without the escapes for HTML, which other programs
// do not write and which make messages longer.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

func sortedKeys(m map[string]json.RawMessage) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

var fieldNames sync.Map // reflect.Type of a struct → []string, its JSON names

func namesOf(t reflect.Type) []string {
	if v, ok := fieldNames.Load(t); ok {
		return v.([]string)
	}
	var names []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			names = append(names, name)
		}
	}
	fieldNames.Store(t, names)
	return names
}

// decodeKeeping reads an object into the struct that v points to and returns
// the fields that the struct does not have.
func decodeKeeping(b []byte, v any) (map[string]json.RawMessage, error) {
	fields, err := object(b)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrSyntax, err)
	}
	for _, name := range namesOf(reflect.TypeOf(v).Elem()) {
		delete(fields, name)
	}
	if len(fields) == 0 {
		return nil, nil
	}
	return fields, nil
}

// encodeKeeping writes the struct v and the fields of extra as one object.
func encodeKeeping(v any, extra map[string]json.RawMessage) ([]byte, error) {
	b, err := marshal(v)
	if err != nil || len(extra) == 0 {
		return b, err
	}
	b = b[:len(b)-1]
	for _, k := range sortedKeys(extra) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = appendString(b, k)
		b = append(b, ':')
		b = append(b, extra[k]...)
	}
	return append(b, '}'), nil
}
