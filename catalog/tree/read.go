package tree

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// ErrDeep is a text in which more lists and objects are within each other than may be.
var ErrDeep = fmt.Errorf("too many lists and objects are within each other")

// Read reads a text in which no more than so many lists and objects are within each other. Space around it does not count.
func (t *Tree) Read(text []byte, most int) error {
	text = bytes.Trim(text, " \t\r\n")
	switch {
	case len(text) > math.MaxInt32:
		return fmt.Errorf("it has %d bytes", len(text))
	case !utf8.Valid(text):
		return fmt.Errorf("it is not UTF-8")
	}
	*t = Tree{text: text, more: t.more[:0], nodes: append(t.nodes[:0], node{}, node{}), most: most,
		plain: bytes.IndexByte(text, '\\') < 0 && !controls(text)}
	kind, err := t.value(Root)
	if err != nil {
		return err
	}
	t.nodes[Root].kind, t.nodes[Root].value = kind, extent{0, uint32(t.at)}
	if t.at < len(text) {
		return t.unexpected()
	}
	return nil
}

// Again reads what a tree has become.
func (t *Tree) Again() error {
	before := *t
	t.more = nil // which the text may be made of
	return t.Read(before.Append(make([]byte, 0, len(before.text)+len(before.more)), Root), before.most)
}

// controls reports whether there is a byte below space.
func controls(text []byte) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for len(text) >= 8 {
		v := binary.LittleEndian.Uint64(text)
		if (v-0x20*ones)&^v&high != 0 {
			return true
		}
		text = text[8:]
	}
	for _, c := range text {
		if c < 0x20 {
			return true
		}
	}
	return false
}

func (t *Tree) unexpected() error {
	if t.at >= len(t.text) {
		return fmt.Errorf("it is no JSON: it ends too early")
	}
	return fmt.Errorf("it is no JSON: %q at byte %d", t.text[t.at], t.at)
}

func (t *Tree) peek() byte {
	if t.at < len(t.text) {
		return t.text[t.at]
	}
	return 0
}

func (t *Tree) space() {
	if t.at < len(t.text) && t.text[t.at] > ' ' {
		return // as nearly always
	}
	t.spaces()
}

func (t *Tree) spaces() {
	for t.at < len(t.text) && t.text[t.at] <= ' ' {
		switch t.text[t.at] {
		case ' ', '\t', '\n', '\r':
			t.at++
			t.spaced = true
		default:
			return
		}
	}
}

// value takes a value. What is in it is noted under its node, unless that is None.
func (t *Tree) value(as Node) (Kind, error) {
	switch c := t.peek(); c {
	case '"':
		return String, t.string()
	case '{', '[':
		if t.depth++; t.depth > t.most {
			return Missing, ErrDeep
		}
		t.deepest = max(t.deepest, t.depth)
		t.at++
		t.space()
		kind, err := Object, error(nil)
		if c == '{' {
			err = t.object(as)
		} else {
			kind, err = List, t.list(as)
		}
		t.depth--
		return kind, err
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return Number, t.number()
	case 'n':
		return Null, t.word("null")
	case 't':
		return Bool, t.word("true")
	case 'f':
		return Bool, t.word("false")
	}
	return Missing, t.unexpected()
}

func (t *Tree) word(word string) error {
	if end := t.at + len(word); end <= len(t.text) && string(t.text[t.at:end]) == word {
		t.at = end
		return nil
	}
	return t.unexpected()
}

// note begins a node behind the one that is the last so far.
func (t *Tree) note(in, last Node, key extent) Node {
	n := Node(len(t.nodes))
	t.nodes = append(t.nodes, node{key: key, up: in})
	if last == None {
		t.nodes[in].first = n
	} else {
		t.nodes[last].next = n
	}
	return n
}

// valueOf takes the value of a node that was begun.
func (t *Tree) valueOf(n Node) error {
	from := t.at
	kind, err := t.value(n)
	if n != None {
		one := &t.nodes[n]
		one.kind, one.value = kind, extent{uint32(from), uint32(t.at)}
	}
	return err
}

// another takes what stands behind a member or a part, and reports whether another one comes.
func (t *Tree) another(end byte) (bool, error) {
	c := t.peek()
	if c <= ' ' {
		t.spaces()
		c = t.peek()
	}
	switch c {
	case ',':
		t.at++
		t.space()
		return true, nil
	case end:
		t.at++
		return false, nil
	}
	return false, t.unexpected()
}

// list takes the rest of a list. The positions of geometries and other numbers are most of what there is; nobody looks them up.
func (t *Tree) list(in Node) error {
	switch c := t.peek(); {
	case c == ']':
		t.at++
		return nil
	case in != None && t.depth > 2 && c != '{' && c != '"':
		t.nodes[in].opaque = true
		in = None
	}
	n := None
	for more := true; more; {
		if in != None {
			n = t.note(in, n, extent{})
		}
		err := t.valueOf(n)
		if err == nil {
			more, err = t.another(']')
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// object takes the rest of an object.
func (t *Tree) object(in Node) error {
	if t.peek() == '}' {
		t.at++
		return nil
	}
	n := None
	for more := true; more; {
		if t.peek() != '"' {
			return t.unexpected()
		}
		key := extent{from: uint32(t.at)}
		if err := t.string(); err != nil {
			return err
		}
		key.to = uint32(t.at)
		if t.peek() != ':' {
			if t.spaces(); t.peek() != ':' {
				return t.unexpected()
			}
		}
		t.at++
		t.space()
		if in != None {
			n = t.note(in, n, key)
		}
		err := t.valueOf(n)
		if err == nil {
			more, err = t.another('}')
		}
		if err != nil {
			return err
		}
	}
	return nil
}
