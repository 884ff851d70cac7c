package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

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
type members struct {
	names  []string
	values map[string]gjson.Result
}

func parse(doc json.RawMessage) (members, error) {
	m := members{values: map[string]gjson.Result{}}
	if !utf8.Valid(doc) {
		return m, fmt.Errorf("it is not UTF-8")
	}
	var flat bytes.Buffer
	if err := json.Compact(&flat, doc); err != nil {
		return m, err
	}
	whole := gjson.ParseBytes(flat.Bytes())
	if !whole.IsObject() {
		return m, fmt.Errorf("it is no JSON object")
	}
	var twice string
	whole.ForEach(func(key, value gjson.Result) bool {
		name := key.String()
		if _, ok := m.values[name]; ok {
			twice = name
		} else {
			m.names = append(m.names, name)
		}
		m.values[name] = value
		return twice == ""
	})
	if twice != "" {
		return m, fmt.Errorf("%q is given twice", twice)
	}
	return m, nil
}

func (m members) get(name string) gjson.Result { return m.values[name] }

// text is a string member, or "".
func (m members) text(name string) string {
	if v := m.values[name]; v.Type == gjson.String {
		return v.Str
	}
	return ""
}

// order is that of the members that come after type and links: first those that name the document, so that they are
// found without reading all of it.
func (m members) order() []string {
	out := make([]string, 0, len(m.names)+2)
	for _, name := range []string{"id", "collection"} {
		if m.get(name).Exists() {
			out = append(out, name)
		}
	}
	for _, name := range m.names {
		if !slices.Contains([]string{"type", "links", "id", "collection"}, name) {
			out = append(out, name)
		}
	}
	return out
}

// form writes the document out in the form of this file.
func (m members) form(kind string) (json.RawMessage, error) {
	out := fmt.Appendf(nil, `{"type":%q,"links":[`, kind)
	marked := 0
	first := true
	for _, l := range m.get("links").Array() {
		if slices.Contains(served, l.Get("rel").String()) {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out, marked = withMark(out, l, marked)
	}
	out = append(out, ']')
	for _, name := range m.order() {
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, ','), key...), ':')
		if name == "assets" && m.get(name).IsObject() {
			out, marked = assets(out, m.get(name), marked)
		} else {
			out = append(out, m.get(name).Raw...)
		}
	}
	out = append(out, '}')
	if halved(out) {
		return nil, fmt.Errorf("a string holds half of a surrogate pair, which is no character")
	}
	if n := nulls(out); n != marked {
		return nil, fmt.Errorf("a string holds the character U+0000, which databases cannot keep")
	}
	return out, nil
}

func assets(out []byte, object gjson.Result, marked int) ([]byte, int) {
	out = append(out, '{')
	first := true
	object.ForEach(func(key, value gjson.Result) bool {
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(append(out, key.Raw...), ':')
		out, marked = withMark(out, value, marked)
		return true
	})
	return append(out, '}'), marked
}

// withMark writes an object, its href marked where it is relative.
func withMark(out []byte, object gjson.Result, marked int) ([]byte, int) {
	href := object.Get("href")
	if !object.IsObject() || href.Type != gjson.String || !strings.HasPrefix(href.Raw, mark) && !relative(href.Str) {
		return append(out, object.Raw...), marked
	}
	at := href.Index - object.Index // both are offsets in the same text, or 0 where gjson does not know
	if at <= 0 || !strings.HasPrefix(object.Raw[at:], href.Raw) {
		at = strings.Index(object.Raw, `"href":`+href.Raw) + len(`"href":`)
	}
	out = append(out, object.Raw[:at]...)
	if !strings.HasPrefix(href.Raw, mark) {
		text := strings.TrimLeft(href.Raw[1:], "/")
		return append(append(append(out, mark...), text...), object.Raw[at+len(href.Raw):]...), marked + 1
	}
	return append(out, object.Raw[at:]...), marked + 1
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
