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

// get returns a member's value, or "".
func (o object) get(name string) string {
	if i := o.at(name); i >= 0 {
		return o[i].value
	}
	return ""
}

// text returns what a member that is a string says, or "".
func (o object) text(name string) string {
	if r := gjson.Parse(o.get(name)); r.Type == gjson.String {
		return r.Str
	}
	return ""
}

// set puts a value in the place of the member's, or at the end.
func (o *object) set(name, value string) {
	if i := o.at(name); i >= 0 {
		(*o)[i].value = value
		return
	}
	*o = append(*o, member{name: name, value: value})
}

func (o *object) drop(name string) {
	*o = slices.DeleteFunc(*o, func(m member) bool { return m.name == name })
}

// move gives a member another name, unless there is one of that name: then the old one goes.
func (o *object) move(from, to string) {
	switch i := o.at(from); {
	case i < 0:
	case o.has(to):
		o.drop(from)
	default:
		(*o)[i].name, (*o)[i].key = to, ""
	}
}

// object changes a member that is an object and in whose text one of the words stands.
func (o object) object(name string, change func(*object), words ...string) {
	i := o.at(name)
	if i < 0 || !containsAny(o[i].value, words) {
		return
	}
	if inner, ok := parseObject(o[i].value); ok {
		change(&inner)
		o[i].value = inner.string()
	}
}

// each changes the members of a member that are objects, such as assets, and in whose text one of the words stands.
func (o object) each(name string, change func(*object), words ...string) {
	o.object(name, func(all *object) {
		for i, m := range *all {
			if !containsAny(m.value, words) {
				continue
			}
			if inner, ok := parseObject(m.value); ok {
				change(&inner)
				(*all)[i].value = inner.string()
			}
		}
	}, words...)
}

// containsAny reports whether one of the words stands in a text; where there are no words, none needs to.
func containsAny(text string, words []string) bool {
	return len(words) == 0 || slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

func (o object) string() string { return string(o.json()) }

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
