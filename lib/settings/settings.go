// Package settings reads a program's settings from several places, of which
// later ones win, and remembers where each value came from.
//
// Settings are the fields of a struct, each described where it is declared:
//
//	Port string `toml:"port" flag:"port" doc:"port in the relay's address"`
//
// Field types are string, bool, int, []string, and structs of these, which
// are tables. A setting's key is its path of toml names, joined by dots; its
// flag is the key with dashes, unless the tag flag names another; its
// environment variable is the flag in capitals after a prefix. With secret:"yes"
// flag and variable end in "file" and name a file that holds the value, so
// that it is not seen in lists of processes.
package settings

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// Default is the origin of values that nobody has set.
const Default = "default"

// Value is a setting as it stands.
type Value struct {
	Key, Flag string
	Doc       string
	Value     any // string, bool, int or []string
	Default   any
	Origin    string // a file, a variable, a flag, or Default
	Secret    bool
}

// Bool tells whether the setting is a switch.
func (v Value) Bool() bool { _, ok := v.Value.(bool); return ok }

// Set is a struct and the origins of its values. Its methods are not for
// concurrent use.
type Set struct {
	// ReadSecret reads the file that holds a secret. Nil refuses secrets
	// outside of settings files.
	ReadSecret func(path string) (string, error)

	fields []*field
}

type field struct {
	Value
	at reflect.Value
}

// Error is a setting that cannot be used.
type Error struct {
	Origin string // file, variable or flag
	Line   int    // in a file; 0 is unknown
	Key    string // empty if the whole file is bad
	Err    error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Origin)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	if e.Key != "" && !strings.Contains(e.Origin, e.Key) {
		fmt.Fprintf(&b, ": %s", e.Key)
	}
	return fmt.Sprintf("%s: %v", &b, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Of gives the settings in a struct, whose values are now the defaults. It
// panics for a pointer to something else: a mistake in the program.
func Of(p any) *Set {
	s := &Set{}
	s.collect("", reflect.ValueOf(p).Elem())
	return s
}

func (s *Set) collect(prefix string, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := f.Tag.Get("toml")
		if name == "" {
			continue
		}
		key := prefix + name
		if f.Type.Kind() == reflect.Struct {
			s.collect(key+".", v.Field(i))
			continue
		}
		out := &field{at: v.Field(i), Value: Value{Key: key, Flag: f.Tag.Get("flag"), Doc: f.Tag.Get("doc"), Origin: Default, Secret: f.Tag.Get("secret") != ""}}
		if out.Flag == "" {
			out.Flag = strings.NewReplacer("_", "-", ".", "-").Replace(key)
		}
		if out.Secret {
			out.Flag += "-file"
		}
		out.Default = out.current()
		s.fields = append(s.fields, out)
	}
}

func (f *field) current() any {
	switch f.at.Kind() {
	case reflect.Slice:
		return slices.Clone(f.at.Interface().([]string))
	default:
		return f.at.Interface()
	}
}

// All gives the settings in the order of their declaration.
func (s *Set) All() []Value {
	out := make([]Value, len(s.fields))
	for i, f := range s.fields {
		f.Value.Value = f.current()
		out[i] = f.Value
	}
	return out
}

// Origin tells where a value came from; it is Default for unknown keys.
func (s *Set) Origin(key string) string {
	if f := s.find(key); f != nil {
		return f.Origin
	}
	return Default
}

func (s *Set) find(key string) *field {
	for _, f := range s.fields {
		if f.Key == key {
			return f
		}
	}
	return nil
}

// File takes settings from the text of a TOML file. The error is an [*Error].
func (s *Set) File(path string, text []byte) error {
	tree := map[string]any{}
	if _, err := toml.Decode(string(text), &tree); err != nil {
		e := &Error{Origin: path, Err: err}
		if p, ok := err.(toml.ParseError); ok {
			e.Line, e.Err = p.Position.Line, errors.New(p.Message)
			if p.LastKey != "" {
				e.Err = fmt.Errorf("%s: %s", p.LastKey, p.Message)
			}
		}
		return e
	}
	return s.table(path, text, "", tree)
}

func (s *Set) table(path string, text []byte, prefix string, tree map[string]any) error {
	for _, name := range sortedKeys(tree) {
		key, v := prefix+name, tree[name]
		if sub, ok := v.(map[string]any); ok && s.hasTable(key) {
			if err := s.table(path, text, key+".", sub); err != nil {
				return err
			}
			continue
		}
		fail := func(err error) error { return &Error{Origin: path, Line: lineOf(text, key), Key: key, Err: err} }
		f := s.find(key)
		if f == nil {
			return fail(fmt.Errorf("no such setting%s", s.similar(key)))
		}
		if err := f.setAny(v); err != nil {
			return fail(err)
		}
		f.Origin = path
	}
	return nil
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (s *Set) hasTable(key string) bool {
	return slices.ContainsFunc(s.fields, func(f *field) bool { return strings.HasPrefix(f.Key, key+".") })
}

// similar names a setting that may have been meant.
func (s *Set) similar(key string) string {
	flat := func(k string) string {
		return strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(k))
	}
	for _, f := range s.fields {
		a, b := flat(f.Key), flat(key)
		if a == b || len(b) >= 4 && (strings.HasPrefix(a, b) || strings.HasSuffix(a, b) || strings.HasPrefix(b, a)) {
			return fmt.Sprintf("; is %s meant?", f.Key)
		}
	}
	return ""
}

func (f *field) setAny(v any) error {
	switch v := v.(type) {
	case string:
		if f.at.Kind() == reflect.String {
			f.at.SetString(v)
			return nil
		}
	case bool:
		if f.at.Kind() == reflect.Bool {
			f.at.SetBool(v)
			return nil
		}
	case int64:
		if f.at.Kind() == reflect.Int {
			f.at.SetInt(v)
			return nil
		}
	case []any:
		if f.at.Kind() != reflect.Slice {
			break
		}
		list := make([]string, len(v))
		for i := range v {
			text, ok := v[i].(string)
			if !ok {
				return fmt.Errorf("must be %s", f.kind())
			}
			list[i] = text
		}
		f.at.Set(reflect.ValueOf(list))
		return nil
	}
	return fmt.Errorf("must be %s", f.kind())
}

func (f *field) kind() string {
	switch f.at.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a number"
	case reflect.Slice:
		return `a list of texts, as ["a", "b"]`
	}
	return `a text, in "quotes"`
}

// Variable is the name of a setting's environment variable.
func Variable(prefix string, v Value) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(v.Flag, "-", "_"))
}

// Env takes settings from environment variables. Empty ones count as unset.
// The error is an [*Error], or one of ReadSecret.
func (s *Set) Env(prefix string, lookup func(string) (string, bool)) error {
	for _, f := range s.fields {
		name := Variable(prefix, f.Value)
		if text, ok := lookup(name); ok && text != "" {
			if err := s.text(f, text, "$"+name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Flag takes the setting of a flag. The error is an [*Error], or one of
// ReadSecret.
func (s *Set) Flag(flag, text string) error {
	for _, f := range s.fields {
		if f.Flag == flag {
			return s.text(f, text, "--"+flag)
		}
	}
	return &Error{Origin: "--" + flag, Err: fmt.Errorf("no such setting")}
}

// Text takes a setting from text, such as a value in a file of another
// format. The error is an [*Error].
func (s *Set) Text(key, text, origin string) error {
	f := s.find(key)
	if f == nil {
		return &Error{Origin: origin, Key: key, Err: fmt.Errorf("no such setting")}
	}
	return f.setText(text, origin)
}

func (s *Set) text(f *field, text, origin string) error {
	if f.Secret {
		if s.ReadSecret == nil {
			return &Error{Origin: origin, Err: fmt.Errorf("not taken from here")}
		}
		secret, err := s.ReadSecret(text)
		if err != nil {
			return fmt.Errorf("%s: %w", origin, err)
		}
		text = secret
	}
	return f.setText(text, origin)
}

func (f *field) setText(text, origin string) error {
	fail := func() error { return &Error{Origin: origin, Key: f.Key, Err: fmt.Errorf("must be %s", f.words())} }
	switch f.at.Kind() {
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fail()
		}
		f.at.SetBool(b)
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fail()
		}
		f.at.SetInt(int64(n))
	case reflect.Slice:
		f.at.Set(reflect.ValueOf(strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })))
	default:
		f.at.SetString(text)
	}
	f.Origin = origin
	return nil
}

func (f *field) words() string {
	if f.at.Kind() == reflect.Slice {
		return "texts with commas between"
	}
	return f.kind()
}

// lineOf finds the line of a key in TOML text; 0 if it is written in some
// other way than usual.
func lineOf(text []byte, key string) int {
	table := ""
	for i, line := range bytes.Split(text, []byte("\n")) {
		l := strings.TrimSpace(string(line))
		if rest, ok := strings.CutPrefix(l, "["); ok {
			table, _, _ = strings.Cut(rest, "]")
			table = strings.TrimSpace(table) + "."
			if table == key+"." {
				return i + 1
			}
			continue
		}
		name, _, ok := strings.Cut(l, "=")
		if ok && table+strings.Trim(strings.TrimSpace(name), `"`) == key {
			return i + 1
		}
	}
	return 0
}
