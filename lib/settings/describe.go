package settings

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// Describe gives the settings as the text of a TOML file, with what each is
// for. Those that have their default are commented out.
func (s *Set) Describe() ([]byte, error) {
	var b bytes.Buffer
	table := ""
	for i, v := range s.All() {
		name := v.Key
		if head, tail, ok := cutLast(v.Key, "."); ok {
			if head != table {
				fmt.Fprintf(&b, "\n[%s]\n", head)
				table = head
			}
			name = tail
		}
		if i > 0 || table != "" {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "# %s\n", v.Doc)
		if v.Origin == Default {
			b.WriteString("# ")
		}
		value := v.Value
		if list, ok := value.([]string); ok && list == nil {
			value = []string{}
		}
		if err := toml.NewEncoder(&b).Encode(map[string]any{name: value}); err != nil {
			return nil, fmt.Errorf("settings: describe %s: %w", v.Key, err)
		}
	}
	return b.Bytes(), nil
}

func cutLast(s, sep string) (head, tail string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+len(sep):], true
}
