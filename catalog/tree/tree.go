// Package tree reads a JSON text once into a light tree: it knows where the members of objects and the parts of lists are,
// can change some of them, and writes the text again. A load of documents passes over each of them so often otherwise, to
// check it, to upgrade it, to index it, that most of its time goes there.
//
// A tree is valid JSON in UTF-8, and no deeper than whoever reads it allows. It owns no copy of the text it was read from, which
// must stay as it is for as long as the tree is used. What was changed is written without spaces, what was not as it came.
package tree

import (
	"bytes"
	"encoding/json"

	"github.com/tidwall/gjson"
)

// Node is a value of a tree; it is good until the tree is read again.
type Node int32

// None is what is not there. It has no kind, no text and nothing in it.
const None Node = 0

// Root is the whole.
const Root Node = 1

// Kind is what a value is.
type Kind uint8

// The kinds of values. Missing is that of None alone.
const (
	Missing Kind = iota
	Null
	Bool
	Number
	String
	List
	Object
)

// Tree is a text that was read. The zero Tree is one to Read into, as often as one likes.
type Tree struct {
	// text is what was read, more what came since; a place beyond the end of text is one in more.
	text, more []byte
	nodes      []node
	at, depth  int
	most       int
	deepest    int
	spaced     bool
	plain      bool // of text
	odd        bool // not plain, of more
	vast       bool
}

// extent is where something stands.
type extent struct{ from, to uint32 }

type node struct {
	// key is empty where there is none; it has its quotes.
	key, value      extent
	up, first, next Node
	kind            Kind
	// changed says that the text is not that of value any more, but has to be written; opaque that nobody noted what is in a list.
	changed, opaque bool
}

// Spaced reports whether there was space between the parts of the text.
func (t *Tree) Spaced() bool { return t.spaced }

// Plain reports whether no string holds an escape.
func (t *Tree) Plain() bool { return t.plain && !t.odd }

// Size is about how many bytes it takes to write the tree.
func (t *Tree) Size() int { return len(t.text) + len(t.more) }

// Depth is how many lists and objects are within each other.
func (t *Tree) Depth() int { return t.deepest }

// Vast reports whether there may be a number that no double holds.
func (t *Tree) Vast() bool { return t.vast }

// Kind is what a value is.
func (t *Tree) Kind(n Node) Kind { return t.nodes[n].kind }

// First is the first member of an object or part of a list. Lists that begin with a number or a list have none, unless they
// are members of the whole: Opaque tells them.
func (t *Tree) First(n Node) Node { return t.nodes[n].first }

// Next is the one after a member or a part.
func (t *Tree) Next(n Node) Node { return t.nodes[n].next }

// Opaque reports whether a list has parts that First does not give.
func (t *Tree) Opaque(n Node) bool { return t.nodes[n].opaque }

// Get is the first member of a name, or None.
func (t *Tree) Get(in Node, name string) Node {
	if t.nodes[in].kind != Object {
		return None
	}
	for n := t.nodes[in].first; n != None; n = t.nodes[n].next {
		if t.mayBe(n, len(name)) && t.Named(n, name) {
			return n
		}
	}
	return None
}

// mayBe reports whether a member may have a name of so many bytes: looking at that first is most of looking a name up.
func (t *Tree) mayBe(n Node, length int) bool {
	key := t.nodes[n].key
	return int(key.to-key.from) == length+len(`""`) || !t.plain || t.odd
}

// Named reports whether a member has a name.
func (t *Tree) Named(n Node, name string) bool {
	key := t.nodes[n].key
	text, from, sure := t.text, int(key.from), t.plain
	if from >= len(text) {
		text, from, sure = t.more, from-len(text), !t.odd
	}
	if !sure {
		return string(t.said(key)) == name
	}
	return int(key.to-key.from) == len(name)+len(`""`) && string(text[from+1:from+1+len(name)]) == name
}

// namedAlike reports whether two members have the same name.
func (t *Tree) namedAlike(n, other Node) bool {
	a, b := t.nodes[n].key, t.nodes[other].key
	if t.escaped(a) || t.escaped(b) {
		return bytes.Equal(t.said(a), t.said(b))
	}
	return a.to-a.from == b.to-b.from && bytes.Equal(t.bytes(a), t.bytes(b))
}

// escaped reports whether a string may be another one than is written.
func (t *Tree) escaped(e extent) bool {
	if int(e.from) < len(t.text) {
		return !t.plain
	}
	return t.odd
}

// Name is what a member's key says, Key how it is written, with its quotes.
func (t *Tree) Name(n Node) []byte { return t.said(t.nodes[n].key) }

// Key is a member's name as it is written.
func (t *Tree) Key(n Node) []byte { return t.bytes(t.nodes[n].key) }

// Text is what a string says; nil where the value is none.
func (t *Tree) Text(n Node) []byte {
	if t.nodes[n].kind != String {
		return nil
	}
	return t.said(t.nodes[n].value)
}

// Raw is a value as it is written; nil for None.
func (t *Tree) Raw(n Node) []byte {
	if t.nodes[n].changed {
		return t.Append(nil, n)
	}
	return t.bytes(t.nodes[n].value)
}

func (t *Tree) bytes(e extent) []byte {
	if before := uint32(len(t.text)); e.from >= before && e.to > e.from {
		return t.more[e.from-before : e.to-before]
	}
	return t.text[e.from:e.to]
}

// said is what a string says that is written somewhere.
func (t *Tree) said(e extent) []byte {
	if e.to < e.from+2 {
		return nil
	}
	raw := t.bytes(e)
	if !t.escaped(e) || bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	var out string
	if json.Unmarshal(raw, &out) != nil {
		return []byte(gjson.ParseBytes(raw).Str)
	}
	return []byte(out)
}

// Contains reports whether a text stands in a value as it is written.
func (t *Tree) Contains(n Node, text []byte) bool {
	if !t.nodes[n].changed {
		return bytes.Contains(t.bytes(t.nodes[n].value), text)
	}
	for child := t.nodes[n].first; child != None; child = t.nodes[child].next {
		if bytes.Contains(t.bytes(t.nodes[child].key), text) || t.Contains(child, text) {
			return true
		}
	}
	return false
}
