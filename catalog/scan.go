package catalog

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// scan reads a document once, from its first byte to its last: it sees to it that it is JSON, and remembers where
// those parts are that the form of a stored document changes. Most of a load's time would go into reading otherwise.
type scan struct {
	doc []byte
	at  int
	// spaced says that there is space between the parts; plain that no string holds an escape or a control character.
	spaced, plain bool
	members       []member
	links         []link
	// hrefs are the values of href in assets, in their order.
	hrefs []extent
}

// extent is where something stands: doc[from:to].
type extent struct{ from, to int }

// member is one of the document's top level.
type member struct {
	name  string
	value extent
}

// link is an element of links. Rel is "" where it is no string, href is empty where it is none.
type link struct {
	all  extent
	rel  string
	href extent
}

// tooDeep is how deep a document may be nested at all.
const tooDeep = 1000

// role is what a value is, as far as the form of a document cares.
type role int

const (
	other role = iota
	document
	aLink
	someLinks
	anAsset
	someAssets
)

// read scans a whole document, which must be an object. Space around it does not count.
func read(doc []byte) (*scan, error) {
	doc = bytes.Trim(doc, " \t\r\n")
	if !utf8.Valid(doc) {
		return nil, fmt.Errorf("it is not UTF-8")
	}
	s := &scan{doc: doc, plain: bytes.IndexByte(doc, '\\') < 0 && !controls(doc), members: make([]member, 0, 16)}
	if s.peek() != '{' {
		if !json.Valid(doc) {
			return nil, fmt.Errorf("it is no JSON")
		}
		return nil, fmt.Errorf("it is no JSON object")
	}
	if err := s.value(document, 0); err != nil {
		return nil, err
	}
	if s.at < len(doc) {
		return nil, s.unexpected()
	}
	return s, nil
}

// controls reports whether there is a byte below space.
func controls(doc []byte) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for len(doc) >= 8 {
		v := binary.LittleEndian.Uint64(doc)
		if (v-0x20*ones)&^v&high != 0 {
			return true
		}
		doc = doc[8:]
	}
	for _, c := range doc {
		if c < 0x20 {
			return true
		}
	}
	return false
}

func (s *scan) unexpected() error {
	if s.at >= len(s.doc) {
		return fmt.Errorf("it is no JSON: it ends too early")
	}
	return fmt.Errorf("it is no JSON: %q at byte %d", s.doc[s.at], s.at)
}

func (s *scan) peek() byte {
	if s.at < len(s.doc) {
		return s.doc[s.at]
	}
	return 0
}

func (s *scan) space() {
	for s.at < len(s.doc) {
		switch s.doc[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
			s.spaced = true
		default:
			return
		}
	}
}

func (s *scan) value(as role, depth int) error {
	if depth > tooDeep {
		return fmt.Errorf("lists and objects are nested more than %d deep", tooDeep)
	}
	switch c := s.peek(); {
	case c == '"':
		return s.text()
	case c == '{':
		return s.object(as, depth)
	case c == '[':
		return s.list(as, depth)
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(s.doc[s.at:], []byte(word)) {
			s.at += len(word)
			return nil
		}
	}
	return s.unexpected()
}

// text takes a string with its quotes.
func (s *scan) text() error {
	s.at++
	for {
		end := bytes.IndexByte(s.doc[s.at:], '"')
		if end < 0 {
			s.at = len(s.doc)
			return s.unexpected()
		}
		if s.plain {
			s.at += end + 1
			return nil
		}
		for i := s.at; i < s.at+end; i++ {
			switch c := s.doc[i]; {
			case c == '\\':
				s.at = i
				goto escape
			case c < 0x20:
				s.at = i
				return s.unexpected()
			}
		}
		s.at += end + 1
		return nil
	escape:
		if err := s.escape(); err != nil {
			return err
		}
	}
}

func (s *scan) escape() error {
	s.at++
	switch c := s.peek(); c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
		return nil
	case 'u':
		s.at++
		for range 4 {
			c := s.peek()
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return s.unexpected()
			}
			s.at++
		}
		return nil
	}
	return s.unexpected()
}

func (s *scan) number() error {
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if err := s.digits(); err != nil {
		return err
	}
	if s.peek() == '.' {
		s.at++
		if err := s.digits(); err != nil {
			return err
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		return s.digits()
	}
	return nil
}

func (s *scan) digits() error {
	from := s.at
	for s.at < len(s.doc) && s.doc[s.at] >= '0' && s.doc[s.at] <= '9' {
		s.at++
	}
	if s.at == from {
		return s.unexpected()
	}
	return nil
}

func (s *scan) list(as role, depth int) error {
	each := other
	if as == someLinks {
		each = aLink
	}
	s.at++
	s.space()
	if s.peek() == ']' {
		s.at++
		return nil
	}
	for {
		from := s.at
		if each == aLink {
			s.links = append(s.links, link{})
		}
		if err := s.value(each, depth+1); err != nil {
			return err
		}
		if each == aLink {
			s.links[len(s.links)-1].all = extent{from, s.at}
		}
		s.space()
		switch s.peek() {
		case ',':
			s.at++
			s.space()
		case ']':
			s.at++
			return nil
		default:
			return s.unexpected()
		}
	}
}

func (s *scan) object(as role, depth int) error {
	s.at++
	s.space()
	if s.peek() == '}' {
		s.at++
		return nil
	}
	linked := false // an href was found
	for {
		if s.peek() != '"' {
			return s.unexpected()
		}
		name := extent{from: s.at}
		if err := s.text(); err != nil {
			return err
		}
		name.to = s.at
		s.space()
		if s.peek() != ':' {
			return s.unexpected()
		}
		s.at++
		s.space()
		value := extent{from: s.at}
		if err := s.value(s.child(as, name), depth+1); err != nil {
			return err
		}
		value.to = s.at
		s.note(as, name, value, &linked)
		s.space()
		switch s.peek() {
		case ',':
			s.at++
			s.space()
		case '}':
			s.at++
			return nil
		default:
			return s.unexpected()
		}
	}
}

// child is the role of a member's value.
func (s *scan) child(as role, name extent) role {
	switch as {
	case document:
		switch {
		case s.is(name, "links"):
			return someLinks
		case s.is(name, "assets"):
			return someAssets
		}
	case someAssets:
		return anAsset
	}
	return other
}

// note remembers what the form of a document needs of a member.
func (s *scan) note(as role, name, value extent, linked *bool) {
	switch as {
	case document:
		s.members = append(s.members, member{s.string(name), value})
	case anAsset, aLink:
		isText := s.doc[value.from] == '"'
		switch {
		case s.is(name, "href"):
			if *linked || !isText {
				*linked = true // the first counts
				return
			}
			*linked = true
			if as == anAsset {
				s.hrefs = append(s.hrefs, value)
			} else {
				s.links[len(s.links)-1].href = value
			}
		case as == aLink && isText && s.is(name, "rel"):
			if l := &s.links[len(s.links)-1]; l.rel == "" {
				l.rel = s.string(value)
			}
		}
	}
}

// is compares a text.
func (s *scan) is(of extent, text string) bool {
	if inner := s.doc[of.from+1 : of.to-1]; s.plain || bytes.IndexByte(inner, '\\') < 0 {
		return string(inner) == text
	}
	return s.string(of) == text
}

// string is a text without its quotes and escapes.
func (s *scan) string(of extent) string {
	raw := s.doc[of.from:of.to]
	if inner := raw[1 : len(raw)-1]; s.plain || bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	var out string
	if json.Unmarshal(raw, &out) != nil {
		return ""
	}
	return out
}

// compact leaves out the space between the parts of a document that was scanned.
func compact(doc []byte) []byte {
	out := make([]byte, 0, len(doc))
	inside := false
	for i := 0; i < len(doc); i++ {
		switch c := doc[i]; {
		case inside && c == '\\':
			out = append(out, c, doc[i+1])
			i++
		case c == '"':
			inside = !inside
			out = append(out, c)
		case !inside && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
		default:
			out = append(out, c)
		}
	}
	return out
}
