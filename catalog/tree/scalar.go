package tree

import "bytes"

// string takes a string with its quotes.
func (t *Tree) string() error {
	for t.at++; ; {
		end := bytes.IndexByte(t.text[t.at:], '"')
		if end < 0 {
			t.at = len(t.text)
			return t.unexpected()
		}
		end += t.at
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
	const many, high = 200, 3
	from := t.at
	if t.peek() == '-' {
		t.at++
	}
	if t.peek() == '0' {
		t.at++
	} else if err := t.digits(); err != nil {
		return err
	}
	if t.peek() == '.' {
		t.at++
		if err := t.digits(); err != nil {
			return err
		}
	}
	t.vast = t.vast || t.at-from > many
	if c := t.peek(); c == 'e' || c == 'E' {
		t.at++
		if c := t.peek(); c == '+' || c == '-' {
			t.at++
		}
		from = t.at
		err := t.digits()
		t.vast = t.vast || t.at-from >= high
		return err
	}
	return nil
}

func (t *Tree) digits() error {
	from, at := t.at, t.at
	for at < len(t.text) && t.text[at]-'0' <= 9 {
		at++
	}
	if t.at = at; at == from {
		return t.unexpected()
	}
	return nil
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
