package bulk

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// object is a JSON object whose members keep their order and the text of their names and values. It shares the text that
// it was read from, so reading one copies nothing.
type object []member

type member struct {
	// name is what the key says, key how it is written, with its quotes; "" is plainly.
	name, key string
	value     string
}

// parseObject reads valid JSON; anything but an object is false.
func parseObject(raw string) (object, bool) {
	whole := gjson.Parse(raw)
	if !whole.IsObject() {
		return nil, false
	}
	o := make(object, 0, 8)
	whole.ForEach(func(key, value gjson.Result) bool {
		o = append(o, member{key.Str, key.Raw, value.Raw})
		return true
	})
	return o, true
}

// parseList reads a list of valid JSON; anything else is false.
func parseList(raw string) ([]string, bool) {
	whole := gjson.Parse(raw)
	if !whole.IsArray() {
		return nil, false
	}
	out := []string{}
	whole.ForEach(func(_, value gjson.Result) bool {
		out = append(out, value.Raw)
		return true
	})
	return out, true
}

func (o object) at(name string) int {
	return slices.IndexFunc(o, func(m member) bool { return m.name == name })
}

func (o object) has(name string) bool { return o.at(name) >= 0 }

// set puts a value in the place of the member's, or at the end.
func (o *object) set(name, value string) {
	if i := o.at(name); i >= 0 {
		(*o)[i].value = value
		return
	}
	*o = append(*o, member{name: name, value: value})
}

func (o object) json() json.RawMessage {
	size := 2
	for _, m := range o {
		size += len(m.name) + len(m.key) + len(m.value) + 4
	}
	out := append(make([]byte, 0, size), '{')
	for i, m := range o {
		if i > 0 {
			out = append(out, ',')
		}
		if m.key == "" {
			out = gjson.AppendJSONString(out, m.name)
		} else {
			out = append(out, m.key...)
		}
		out = append(append(out, ':'), m.value...)
	}
	return append(out, '}')
}

// listOf is a list of values.
func listOf(values []string) string { return "[" + strings.Join(values, ",") + "]" }

// quoted is a string as JSON.
func quoted(s string) string { return string(gjson.AppendJSONString(nil, s)) }
