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
	if len(text) > math.MaxInt32 {
		return fmt.Errorf("it has %d bytes", len(text))
	}
	ascii, plain := looks(text)
	if !ascii && !utf8.Valid(text) {
		return fmt.Errorf("it is not UTF-8")
	}
	*t = Tree{text: text, more: t.more[:0], nodes: append(t.nodes[:0], node{}, node{}), most: most, plain: plain}
	if err := t.whole(); err != nil {
		return err
	}
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

// The bytes of a word, all the same.
const (
	ones   = 0x0101010101010101
	high   = 0x80 * ones
	spaces = 0x20 * ones
	quotes = '"' * ones
	backs  = '\\' * ones
)

// looks reports whether every byte of a text is ASCII, and whether none is below space or a backslash.
func looks(text []byte) (ascii, plain bool) {
	var wide, odd uint64
	for len(text) >= 8 {
		v := binary.LittleEndian.Uint64(text)
		x := v ^ backs
		wide |= v
		odd |= (v-spaces)&^v | (x-ones)&^x
		text = text[8:]
	}
	ascii, plain = wide&high == 0, odd&high == 0
	for _, c := range text {
		ascii, plain = ascii && c < 0x80, plain && c >= 0x20 && c != '\\'
	}
	return ascii, plain
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

// space passes the space there is, and returns the byte after it.
func (t *Tree) space() byte {
	if t.at < len(t.text) && t.text[t.at] > ' ' {
		return t.text[t.at] // as nearly always
	}
	for t.at < len(t.text) {
		switch c := t.text[t.at]; c {
		case ' ', '\t', '\n', '\r':
			t.at++
			t.spaced = true
		default:
			return c
		}
	}
	return 0
}

// whole takes the text's value and notes what is in it. It calls nothing within itself, however deep the text is;
// a list that begin passes over is taken by pass, which does, as deep as t.most allows.
func (t *Tree) whole() error {
	in, last, n := None, None, Root // the container, what was noted in it last, and whose value comes
	for {
		from := t.at
		kind, entered, err := t.begin(n)
		if err != nil {
			return err
		}
		one := &t.nodes[n]
		one.kind, one.value = kind, extent{uint32(from), uint32(t.at)}
		if entered {
			in, last = n, None
		} else {
			for last = n; ; last, in = in, t.nodes[in].up { // what ends here
				if last == Root {
					return nil
				}
				c, end := t.space(), byte(']')
				if t.nodes[in].kind == Object {
					end = '}'
				}
				if c == ',' {
					t.at++
					t.space()
					break
				}
				if c != end {
					return t.unexpected()
				}
				t.at++
				t.depth--
				t.nodes[in].value.to = uint32(t.at)
			}
		}
		key := extent{}
		if t.nodes[in].kind == Object {
			if key, err = t.key(); err != nil {
				return err
			}
		}
		n = t.note(in, last, key)
	}
}

// begin takes a value, but of one that holds others only its bracket: then it is entered. Those that are empty, and the positions of
// geometries and other lists of numbers, which are most of what there is and which nobody looks up, it takes whole.
func (t *Tree) begin(n Node) (kind Kind, entered bool, err error) {
	c := t.peek()
	if c != '{' && c != '[' {
		kind, err = t.scalar(c)
		return kind, false, err
	}
	if err := t.deeper(); err != nil {
		return Missing, false, err
	}
	kind, end := Object, byte('}')
	if c == '[' {
		kind, end = List, ']'
	}
	switch c = t.space(); {
	case c == end:
		t.at++
		t.depth--
		return kind, false, nil
	case kind == List && t.depth > 2 && c != '{' && c != '"':
		t.nodes[n].opaque = true
		return kind, false, t.pass(end)
	}
	return kind, true, nil
}

// deeper takes the bracket of a list or an object.
func (t *Tree) deeper() error {
	if t.depth++; t.depth > t.most {
		return ErrDeep
	}
	t.deepest = max(t.deepest, t.depth)
	t.at++
	return nil
}

// key takes a member's name and what stands before its value.
func (t *Tree) key() (extent, error) {
	if t.peek() != '"' {
		return extent{}, t.unexpected()
	}
	key := extent{from: uint32(t.at)}
	if err := t.string(); err != nil {
		return key, err
	}
	key.to = uint32(t.at)
	if t.peek() != ':' && t.space() != ':' {
		return key, t.unexpected()
	}
	t.at++
	t.space()
	return key, nil
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

// pass takes the rest of a list or an object whose bracket was taken and which is not empty. Nothing in it is noted.
func (t *Tree) pass(end byte) error {
	for {
		if end == '}' {
			if _, err := t.key(); err != nil {
				return err
			}
		}
		c, err := t.peek(), error(nil)
		if c == '{' || c == '[' {
			err = t.passNested(c)
		} else {
			_, err = t.scalar(c)
		}
		if err != nil {
			return err
		}
		switch t.space() {
		case ',':
			t.at++
			t.space()
		case end:
			t.at++
			t.depth--
			return nil
		default:
			return t.unexpected()
		}
	}
}

func (t *Tree) passNested(c byte) error {
	if err := t.deeper(); err != nil {
		return err
	}
	end := c + 2 // as ] and } are in ASCII
	if t.space() == end {
		t.at++
		t.depth--
		return nil
	}
	return t.pass(end)
}
