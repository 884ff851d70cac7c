package tree

import (
	"strings"

	"github.com/tidwall/gjson"
)

// Touch has a value be written from its parts. Only an object, or a list that is not opaque, can be.
func (t *Tree) Touch(n Node) {
	for ; n != None && !t.nodes[n].changed; n = t.nodes[n].up {
		t.nodes[n].changed = true
	}
}

// put keeps a text.
func (t *Tree) put(text string) extent {
	from := uint32(len(t.text) + len(t.more))
	t.more, t.odd = append(t.more, text...), t.odd || strings.IndexByte(text, '\\') >= 0
	return extent{from, from + uint32(len(text))}
}

// quoted keeps a string.
func (t *Tree) quoted(text string) extent {
	from := uint32(len(t.text) + len(t.more))
	if simple(text) {
		t.more = append(append(append(t.more, '"'), text...), '"')
	} else {
		t.more, t.odd = gjson.AppendJSONString(t.more, text), true
	}
	return extent{from, uint32(len(t.text) + len(t.more))}
}

// simple reports whether every character of a string is surely written as it is.
func simple(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// SetValue puts valid JSON in the place of a value. What is in it is not noted.
func (t *Tree) SetValue(n Node, json string) {
	one := &t.nodes[n]
	one.value, one.kind, one.first, one.changed = t.put(json), kindOf(json), None, false
	one.opaque = one.kind == List
	t.Touch(one.up)
}

// SetText puts a string in the place of a value.
func (t *Tree) SetText(n Node, text string) {
	one := &t.nodes[n]
	one.value, one.kind, one.first, one.changed, one.opaque = t.quoted(text), String, None, false, false
	t.Touch(one.up)
}

func kindOf(json string) Kind {
	switch json[0] {
	case '{':
		return Object
	case '[':
		return List
	case '"':
		return String
	case 't', 'f':
		return Bool
	case 'n':
		return Null
	}
	return Number
}

// Member is an object's member of a name. Where there is none it is put at the end, without a value: it has to get one.
func (t *Tree) Member(in Node, name string) Node {
	n := t.Get(in, name)
	if n == None {
		n = Node(len(t.nodes))
		t.nodes = append(t.nodes, node{key: t.quoted(name)})
		t.Adopt(in, n)
	}
	return n
}

// Rename gives a member another name.
func (t *Tree) Rename(n Node, name string) {
	if key := t.nodes[n].key; t.escaped(key) || !simple(name) || !t.Named(n, name) { // else it is written so already
		t.nodes[n].key = t.quoted(name)
	}
	t.Touch(t.nodes[n].up)
}

// Move gives a member another name, unless there is one of that name: then the old one goes.
func (t *Tree) Move(in Node, from, to string) {
	switch n := t.Get(in, from); {
	case n == None:
	case t.Get(in, to) != None:
		t.Drop(in, from)
	default:
		t.Rename(n, to)
	}
}

// Drop leaves out every member of a name.
func (t *Tree) Drop(in Node, name string) {
	to := &t.nodes[in].first
	for n := *to; n != None; n = t.nodes[n].next {
		if t.mayBe(n, len(name)) && t.Named(n, name) {
			*to = t.nodes[n].next
			t.Touch(in)
		} else {
			to = &t.nodes[n].next
		}
	}
}

// DropAll leaves out every member that has the name of one of some others.
func (t *Tree) DropAll(in Node, named []Node) {
	last := None // of those that stay
	for n := t.nodes[in].first; n != None; {
		next := t.nodes[n].next
		gone := false
		for _, other := range named {
			gone = gone || n == other || t.namedAlike(n, other)
		}
		if gone {
			if t.Touch(in); last == None {
				t.nodes[in].first = next
			} else {
				t.nodes[last].next = next
			}
		} else {
			last = n
		}
		n = next
	}
}

// Members are some members of an object as they are written, to be put in other trees.
type Members struct {
	text string
	// keys and values are where they stand in the text.
	keys, values []extent
}

// Members takes the members from one on to the last.
func (t *Tree) Members(from Node) (m Members) {
	var text []byte
	for n := from; n != None; n = t.nodes[n].next {
		begin := uint32(len(text))
		text = append(text, t.Key(n)...)
		middle := uint32(len(text))
		text = t.Append(text, n)
		m.keys, m.values = append(m.keys, extent{begin, middle}), append(m.values, extent{middle, uint32(len(text))})
	}
	m.text = string(text)
	return m
}

// Plain reports whether nothing in the members is written with an escape.
func (m Members) Plain() bool { return strings.IndexByte(m.text, '\\') < 0 }

// HasAny reports whether an object has a member of the name of one of some others, which are Plain.
func (t *Tree) HasAny(in Node, m Members) bool {
	for n := t.nodes[in].first; n != None; n = t.nodes[n].next {
		for _, key := range m.keys {
			if t.mayBe(n, int(key.to-key.from)-len(`""`)) && t.Named(n, m.text[key.from+1:key.to-1]) {
				return true
			}
		}
	}
	return false
}

// Add puts members at the end of an object. What is in them is not noted.
func (t *Tree) Add(in Node, m Members) {
	if len(m.keys) == 0 {
		return
	}
	at, last := t.put(m.text).from, t.Last(in)
	for i, key := range m.keys {
		value := m.values[i]
		last = t.note(in, last, extent{at + key.from, at + key.to})
		one := &t.nodes[last]
		one.value, one.kind = extent{at + value.from, at + value.to}, kindOf(m.text[value.from:])
		one.opaque = one.kind == List
	}
	t.Touch(in)
}

// Last is the last member of an object or part of a list.
func (t *Tree) Last(n Node) Node {
	last := t.nodes[n].first
	for last != None && t.nodes[last].next != None {
		last = t.nodes[last].next
	}
	return last
}

// Adopt puts a member at the end of another object. The one that it was of is not to be written any more.
func (t *Tree) Adopt(in, n Node) {
	t.nodes[n].up, t.nodes[n].next = in, None
	if last := t.nodes[in].first; last == None {
		t.nodes[in].first = n
	} else {
		for t.nodes[last].next != None {
			last = t.nodes[last].next
		}
		t.nodes[last].next = n
	}
	t.Touch(in)
}

// Take gives a member the value of another one, which is used no more.
func (t *Tree) Take(n, from Node) {
	one, other := &t.nodes[n], t.nodes[from]
	one.value, one.kind, one.first, one.changed, one.opaque = other.value, other.kind, other.first, other.changed, other.opaque
	for child := other.first; child != None; child = t.nodes[child].next {
		t.nodes[child].up = n
	}
	t.Touch(one.up)
}

// SetList makes a value a list of parts, which stand nowhere else that is to be written.
func (t *Tree) SetList(n Node, parts []Node) {
	one := &t.nodes[n]
	one.kind, one.first, one.opaque = List, None, false
	for i := len(parts) - 1; i >= 0; i-- {
		part := &t.nodes[parts[i]]
		part.up, part.next, part.key = n, one.first, extent{}
		one.first = parts[i]
	}
	t.Touch(n)
}

// Append writes a value.
func (t *Tree) Append(out []byte, n Node) []byte {
	one := &t.nodes[n]
	if !one.changed {
		return append(out, t.bytes(one.value)...)
	}
	ends := "[]"
	if one.kind == Object {
		ends = "{}"
	}
	out = append(out, ends[0])
	for child := one.first; child != None; child = t.nodes[child].next {
		if child != one.first {
			out = append(out, ',')
		}
		if one.kind == Object {
			out = append(append(out, t.bytes(t.nodes[child].key)...), ':')
		}
		out = t.Append(out, child)
	}
	return append(out, ends[1])
}
