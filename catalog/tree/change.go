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
	t.nodes[n].key = t.quoted(name)
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
		if t.Named(n, name) {
			*to = t.nodes[n].next
			t.Touch(in)
		} else {
			to = &t.nodes[n].next
		}
	}
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
