package bulk

import (
	"encoding/json"
	"slices"

	"github.com/tidwall/gjson"
)

// object is a JSON object whose members keep their order and the text of their values.
type object []member

type member struct {
	name  string
	value json.RawMessage
}

// parseObject reads valid JSON; anything but an object is false.
func parseObject(raw []byte) (object, bool) {
	whole := gjson.ParseBytes(raw)
	if !whole.IsObject() {
		return nil, false
	}
	o := object{}
	whole.ForEach(func(key, value gjson.Result) bool {
		o = append(o, member{key.String(), json.RawMessage(value.Raw)})
		return true
	})
	return o, true
}

// parseList reads a list of valid JSON; anything else is false.
func parseList(raw []byte) ([]json.RawMessage, bool) {
	whole := gjson.ParseBytes(raw)
	if !whole.IsArray() {
		return nil, false
	}
	out := []json.RawMessage{}
	whole.ForEach(func(_, value gjson.Result) bool {
		out = append(out, json.RawMessage(value.Raw))
		return true
	})
	return out, true
}

func (o object) at(name string) int {
	return slices.IndexFunc(o, func(m member) bool { return m.name == name })
}

func (o object) has(name string) bool { return o.at(name) >= 0 }

// get returns a member's value, or nil.
func (o object) get(name string) json.RawMessage {
	if i := o.at(name); i >= 0 {
		return o[i].value
	}
	return nil
}

// text returns a member that is a string, or "".
func (o object) text(name string) string {
	if r := gjson.ParseBytes(o.get(name)); r.Type == gjson.String {
		return r.Str
	}
	return ""
}

// set puts a value in the place of the member's, or at the end.
func (o *object) set(name string, value json.RawMessage) {
	if i := o.at(name); i >= 0 {
		(*o)[i].value = value
		return
	}
	*o = append(*o, member{name, value})
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
		(*o)[i].name = to
	}
}

// object changes a member that is an object.
func (o object) object(name string, change func(*object)) {
	i := o.at(name)
	if i < 0 {
		return
	}
	if inner, ok := parseObject(o[i].value); ok {
		change(&inner)
		o[i].value = inner.json()
	}
}

// each changes every member of a member that are objects both, such as assets.
func (o object) each(name string, change func(*object)) {
	o.object(name, func(all *object) {
		for _, m := range slices.Clone(*all) {
			all.object(m.name, change)
		}
	})
}

func (o object) json() json.RawMessage {
	size := 2
	for _, m := range o {
		size += len(m.name) + len(m.value) + 4
	}
	out := append(make([]byte, 0, size), '{')
	for i, m := range o {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, quoted(m.name)...), ':'), m.value...)
	}
	return append(out, '}')
}

func listJSON(list []json.RawMessage) json.RawMessage {
	out := []byte{'['}
	for i, v := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, v...)
	}
	return append(out, ']')
}

// quoted is a string as JSON; strings always encode.
func quoted(s string) json.RawMessage { return gjson.AppendJSONString(nil, s) }
