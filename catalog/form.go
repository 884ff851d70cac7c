package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// The form of a stored document: compact JSON that begins with its type, its links and its name,
//
//	{"type":"Feature","links":[…],"id":"…","collection":"…",…
//
// without the links that whoever serves it puts in (served), and with an href that is relative to the root
// of the API marked by \u0000 in front, a character that documents may not hold otherwise. So serving
// one is copying it: Serve.

// served are the relations that whoever serves a document puts in.
var served = []string{
	"self", "root", "parent", "collection", "items", "next", "prev", "queryables", "sortables", "aggregate", "aggregations", "export",
	"http://www.opengis.net/def/rel/ogc/1.0/queryables", "http://www.opengis.net/def/rel/ogc/1.0/sortables",
}

const mark = `"\u0000`

// maxDepth of lists and objects within each other.
const maxDepth = 64

// members are those of a document's top level.
type members struct{ *scan }

func parse(doc json.RawMessage) (members, error) {
	s, err := read(doc)
	if err == nil && s.spaced {
		s, err = read(compact(doc))
	}
	if err != nil {
		return members{}, err
	}
	for i, one := range s.members {
		for _, before := range s.members[:i] {
			if before.name == one.name {
				return members{}, fmt.Errorf("%q is given twice", one.name)
			}
		}
	}
	return members{s}, nil
}

// get is a member, or the zero Result.
func (m members) get(name string) gjson.Result {
	for _, one := range m.members {
		if one.name == name {
			return gjson.ParseBytes(m.doc[one.value.from:one.value.to])
		}
	}
	return gjson.Result{}
}

// text is a string member, or "".
func (m members) text(name string) string {
	if v := m.get(name); v.Type == gjson.String {
		return v.Str
	}
	return ""
}

// ordered are the members that come after type and links: first those that name the document, so that they are
// found without reading all of it.
func (m members) ordered() []member {
	out := make([]member, 0, len(m.members))
	for _, name := range []string{"id", "collection"} {
		for _, one := range m.members {
			if one.name == name {
				out = append(out, one)
			}
		}
	}
	for _, one := range m.members {
		switch one.name {
		case "type", "links", "id", "collection":
		default:
			out = append(out, one)
		}
	}
	return out
}

// form writes the document out in the form of this file, and says where its properties are.
func (m members) form(kind string) (form json.RawMessage, properties extent, err error) {
	out := make([]byte, 0, len(m.doc)+64)
	out = fmt.Appendf(out, `{"type":%q,"links":[`, kind)
	marked := 0
	for i, l := range m.links {
		if slices.Contains(served, l.rel) {
			continue
		}
		if out[len(out)-1] != '[' {
			out = append(out, ',')
		}
		hrefs := []extent{l.href}
		if l.href.to == 0 {
			hrefs = nil
		}
		out = m.withMarks(out, m.links[i].all, hrefs, &marked)
	}
	out = append(out, ']')
	for _, one := range m.ordered() {
		key, err := json.Marshal(one.name)
		if err != nil {
			return nil, extent{}, err
		}
		out = append(append(append(out, ','), key...), ':')
		from := len(out)
		if one.name == "assets" {
			out = m.withMarks(out, one.value, m.hrefs, &marked)
		} else {
			out = append(out, m.doc[one.value.from:one.value.to]...)
		}
		if one.name == "properties" {
			properties = extent{from, len(out)}
		}
	}
	out = append(out, '}')
	if m.plain && marked == 0 {
		return out, properties, nil
	}
	if halved(out) {
		return nil, extent{}, fmt.Errorf("a string holds half of a surrogate pair, which is no character")
	}
	if n := nulls(out); n != marked {
		return nil, extent{}, fmt.Errorf("a string holds the character U+0000, which databases cannot keep")
	}
	return out, properties, nil
}

// withMarks copies a part of the document, and marks those hrefs in it that are relative.
func (m members) withMarks(out []byte, part extent, hrefs []extent, marked *int) []byte {
	at := part.from
	for _, h := range hrefs {
		raw := m.doc[h.from:h.to]
		switch {
		case bytes.HasPrefix(raw, markBytes):
			*marked++
		case relative(m.string(h)):
			*marked++
			out = append(append(out, m.doc[at:h.from]...), mark...)
			out = append(out, bytes.TrimLeft(raw[1:], "/")...)
			at = h.to
		}
	}
	return append(out, m.doc[at:part.to]...)
}

// relative reports whether an href has neither a scheme nor a host.
func relative(href string) bool {
	if strings.HasPrefix(href, "//") {
		return false
	}
	scheme, _, found := strings.Cut(href, ":")
	return !found || scheme == "" || strings.ContainsFunc(scheme, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '+' && r != '-' && r != '.'
	})
}

// nulls counts the escapes of U+0000.
func nulls(doc []byte) int {
	n := 0
	for i := 0; ; {
		j := bytes.Index(doc[i:], []byte(`\u0000`))
		if j < 0 {
			return n
		}
		i += j
		before := i
		for before > 0 && doc[before-1] == '\\' {
			before--
		}
		if (i-before)%2 == 0 {
			n++
		}
		i += len(`\u0000`)
	}
}

// Serve returns a stored document with its own links first and every href under the base, an address without a
// slash at its end. links are JSON objects with commas between them.
func Serve(doc json.RawMessage, base, links string) json.RawMessage {
	return AppendServed(make([]byte, 0, len(doc)+len(links)+256), doc, base, []byte(links))
}

// AppendServed puts what Serve returns at the end of a buffer.
func AppendServed(out []byte, doc json.RawMessage, base string, links []byte) []byte {
	head := bytes.Index(doc, linksMember) + len(linksMember)
	out = append(append(out, doc[:head]...), links...)
	if doc[head] != ']' && len(links) > 0 {
		out = append(out, ',')
	}
	rest := doc[head:]
	for {
		i := bytes.Index(rest, markBytes)
		if i < 0 {
			return append(out, rest...)
		}
		out = append(append(append(out, rest[:i+1]...), base...), '/')
		rest = rest[i+len(mark):]
	}
}

var linksMember, markBytes = []byte(`"links":[`), []byte(mark)

// sound refuses values that a database would not take or would take for others.
func sound(v gjson.Result, depth int) (err error) {
	switch {
	case depth > maxDepth:
		return fmt.Errorf("lists and objects are nested more than %d deep", maxDepth)
	case v.Type == gjson.Number && math.IsInf(v.Num, 0):
		return fmt.Errorf("the number %s is out of range", v.Raw)
	case v.Type == gjson.JSON:
		v.ForEach(func(_, child gjson.Result) bool {
			err = sound(child, depth+1)
			return err == nil
		})
	}
	return err
}

// halved reports whether a string of a JSON text escapes half of a surrogate pair.
func halved(doc []byte) bool {
	unit := func(s []byte) uint64 {
		if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
			return 0
		}
		n, _ := strconv.ParseUint(string(s[2:6]), 16, 32) // which valid JSON has
		return n
	}
	for {
		i := bytes.IndexByte(doc, '\\')
		if i < 0 {
			return false
		}
		doc = doc[i:]
		switch n := unit(doc); {
		case n >= 0xD800 && n <= 0xDBFF:
			if low := unit(doc[6:]); low < 0xDC00 || low > 0xDFFF {
				return true
			}
			doc = doc[12:]
		case n >= 0xDC00 && n <= 0xDFFF:
			return true
		default:
			doc = doc[2:]
		}
	}
}
