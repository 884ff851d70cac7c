package cql2

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// token is a word of a filter in text.
type token struct {
	kind   tokenKind
	text   string // of a word as it is written, of a quoted name or a string without quotes and escapes, of a sign itself
	lower  string // of a word in lower case
	number float64
	from   int // where it begins and ends
	to     int
}

type tokenKind int

const (
	endToken    tokenKind = iota
	wordToken             // a keyword, a function or a name
	nameToken             // in double quotes
	stringToken           // in single quotes
	numberToken           // without a sign
	signToken
)

// mistake is what is wrong, and where in the text.
type mistake struct {
	at   int
	what string
}

func (m *mistake) Error() string { return m.what }

// scan reads the token that begins at or after a place.
func scan(text string, at int) (token, error) {
	for at < len(text) {
		r, n := utf8.DecodeRuneInString(text[at:])
		if !isSpace(r) {
			break
		}
		at += n
	}
	t := token{from: at, to: at}
	if at == len(text) {
		return t, nil
	}
	r, n := utf8.DecodeRuneInString(text[at:])
	switch {
	case isStart(r):
		t.kind, t.to = wordToken, at+n
		for t.to < len(text) {
			r, n := utf8.DecodeRuneInString(text[t.to:])
			if !isPart(r) {
				break
			}
			t.to += n
		}
		t.text = text[at:t.to]
		t.lower = strings.ToLower(t.text)
		return t, nil
	case r >= '0' && r <= '9' || r == '.' && at+1 < len(text) && isDigit(text[at+1]):
		return scanNumber(text, t)
	case r == '\'':
		return scanString(text, t)
	case r == '"':
		return scanName(text, t)
	}
	t.kind, t.to = signToken, at+n
	if at+1 < len(text) {
		switch two := text[at : at+2]; two {
		case "<>", "<=", ">=":
			t.to = at + 2
		}
	}
	t.text = text[at:t.to]
	if !strings.Contains("()+-*/%^=<>,.", t.text) && len(t.text) < 2 || r >= utf8.RuneSelf {
		return t, &mistake{at, "the character " + strconv.Quote(t.text) + " has no meaning here"}
	}
	return t, nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func scanNumber(text string, t token) (token, error) {
	i := t.from
	digits := func() {
		for i < len(text) && isDigit(text[i]) {
			i++
		}
	}
	digits()
	if i < len(text) && text[i] == '.' {
		i++
		digits()
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		digits()
	}
	t.kind, t.text, t.to = numberToken, text[t.from:i], i
	v, err := strconv.ParseFloat(t.text, 64)
	if err != nil {
		return t, &mistake{t.from, t.text + " is no number, or is out of range"}
	}
	if r, _ := utf8.DecodeRuneInString(text[i:]); i < len(text) && isPart(r) {
		return t, &mistake{t.from, "a number runs into a name; put a space between, or the name in double quotes"}
	}
	t.number = v
	return t, nil
}

// escapes are the control characters that strings may name.
var escapes = map[byte]byte{'a': '\a', 'b': '\b', 't': '\t', 'n': '\n', 'v': '\v', 'f': '\f', 'r': '\r', '\'': '\'', '\\': '\\'}

// scanString reads a string. A quote within is written twice or after a backslash; a backslash before anything else that is not
// an escape stays (so that patterns may hold it).
func scanString(text string, t token) (token, error) {
	var out []byte
	from := t.from + 1 // of what is not yet in out
	for i := from; i < len(text); i++ {
		switch {
		case text[i] == '\'' && i+1 < len(text) && text[i+1] == '\'':
			out = append(out, text[from:i+1]...)
			i++
			from = i + 1
		case text[i] == '\'':
			t.kind, t.to = stringToken, i+1
			if out == nil {
				t.text = text[from:i]
			} else {
				t.text = string(append(out, text[from:i]...))
			}
			return t, nil
		case text[i] == '\\' && i+1 < len(text):
			if c, ok := escapes[text[i+1]]; ok {
				out = append(append(out, text[from:i]...), c)
				from = i + 2
			}
			i++
		}
	}
	return t, &mistake{t.from, "a string is not closed"}
}

// scanName reads a name in double quotes; one within is written twice.
func scanName(text string, t token) (token, error) {
	for i := t.from + 1; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		if i+1 < len(text) && text[i+1] == '"' {
			i++
			continue
		}
		t.kind, t.to = nameToken, i+1
		t.text = strings.ReplaceAll(text[t.from+1:i], `""`, `"`)
		return t, nil
	}
	return t, &mistake{t.from, "a name in double quotes is not closed"}
}

// isSpace, isStart and isPart are the classes of characters of the standard's grammar: white space, what begins a name, and what goes on
// with it.
func isSpace(r rune) bool {
	switch r {
	case ' ', '\t', '\n', '\v', '\f', '\r', 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000:
		return true
	}
	return r >= 0x2000 && r <= 0x200A
}

func isStart(r rune) bool {
	if r < 0x80 {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == ':'
	}
	switch {
	case r == 0xD7 || r == 0xF7 || r == 0x37E || r == 0x1680 || r >= 0x300 && r < 0x370:
		return false
	}
	return r >= 0xC0 && r <= 0x1FFE || r == 0x200C || r == 0x200D || r >= 0x2070 && r <= 0x218F || r >= 0x2C00 && r <= 0x2FEF ||
		r >= 0x3001 && r <= 0xD7FF || r >= 0xF900 && r <= 0xFDCF || r >= 0xFDF0 && r <= 0xFFFD || r >= 0x10000 && r <= 0xEFFFF
}

func isPart(r rune) bool {
	return isStart(r) || r == '.' || r >= '0' && r <= '9' || r >= 0x300 && r < 0x370 || r == 0x203F || r == 0x2040
}
