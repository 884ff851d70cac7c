package tree

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// scalar takes a value that holds no others.
func (t *Tree) scalar(first byte) (Kind, error) {
	switch first {
	case '"':
		return String, t.string()
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

// string takes a string with its quotes.
func (t *Tree) string() error {
	for t.at++; ; {
		end := quote(t.text, t.at)
		if end < 0 {
			t.at = len(t.text)
			return t.unexpected()
		}
		if t.plain {
			t.at = end + 1
			return nil
		}
		for t.at < end && t.text[t.at] != '\\' {
			if t.text[t.at] < 0x20 {
				return t.unexpected()
			}
			t.at++
		}
		if t.at == end {
			t.at++
			return nil
		}
		if err := t.escape(); err != nil {
			return err
		}
	}
}

// quote is where the next quote is, or -1. Most are near, and found before a call that is faster in the long run has begun.
func quote(text []byte, at int) int {
	for range 3 {
		if at+8 > len(text) {
			break
		}
		x := binary.LittleEndian.Uint64(text[at:]) ^ quotes
		if found := (x - ones) &^ x & high; found != 0 {
			return at + bits.TrailingZeros64(found)/8
		}
		at += 8
	}
	end := bytes.IndexByte(text[at:], '"')
	if end < 0 {
		return -1
	}
	return at + end
}

func (t *Tree) escape() error {
	t.at++
	switch t.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		t.at++
		return nil
	case 'u':
		t.at++
		for range 4 {
			c := t.peek()
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return t.unexpected()
			}
			t.at++
		}
		return nil
	}
	return t.unexpected()
}

// number takes a number. One of few digits, with an exponent of few, is no more than a double holds.
func (t *Tree) number() error {
	const many, few = 200, 3
	text, from, at, ok := t.text, t.at, t.at, true
	if text[at] == '-' {
		at++
	}
	if at < len(text) && text[at] == '0' {
		at++
	} else {
		at, ok = digits(text, at)
	}
	if ok && at < len(text) && text[at] == '.' {
		at, ok = digits(text, at+1)
	}
	t.vast = t.vast || at-from > many
	if ok && at < len(text) && (text[at] == 'e' || text[at] == 'E') {
		at++
		if at < len(text) && (text[at] == '+' || text[at] == '-') {
			at++
		}
		from = at
		at, ok = digits(text, at)
		t.vast = t.vast || at-from >= few
	}
	if t.at = at; !ok {
		return t.unexpected()
	}
	return nil
}

// digits is where some digits end, and whether there are any.
func digits(text []byte, from int) (end int, any bool) {
	at := from
	for at < len(text) && text[at]-'0' <= 9 {
		at++
	}
	return at, at > from
}

// Compact leaves out the space between the parts of a text that was read.
func (t *Tree) Compact() error {
	if !t.spaced {
		return nil
	}
	text := t.Append(nil, Root)
	out := make([]byte, 0, len(text))
	inside := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inside && c == '\\':
			out = append(out, c, text[i+1])
			i++
		case c == '"':
			inside = !inside
			out = append(out, c)
		case !inside && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
		default:
			out = append(out, c)
		}
	}
	return t.Read(out, t.most)
}
