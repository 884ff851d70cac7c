package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog/tree"
)

// The form of a stored document: compact JSON that begins with its type, its links and its name,
//
//	{"type":"Feature","links":[…],"id":"…","collection":"…",…
//
// without the links that whoever serves it puts in (served), or a collection's to items elsewhere, and with an href that is relative to the root
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

// tooDeep is how deep a document may be nested at all.
const tooDeep = 1000

// parse reads a document, which must be an object.
func parse(t *tree.Tree, doc []byte) error {
	err := t.Read(doc, tooDeep)
	if err == nil {
		err = t.Compact()
	}
	if errors.Is(err, tree.ErrDeep) {
		return fmt.Errorf("lists and objects are nested more than %d deep", tooDeep)
	}
	return err
}

// checkNames sees to it that a document is an object that has every member once.
func checkNames(t *tree.Tree) error {
	if t.Kind(tree.Root) != tree.Object {
		return fmt.Errorf("it is no JSON object")
	}
	if name, twice := twice(t, tree.Root); twice {
		return fmt.Errorf("%q is given twice", name)
	}
	return nil
}

// twice finds a name that an object has twice.
func twice(t *tree.Tree, in tree.Node) (string, bool) {
	var few [48][]byte
	n, seen := 0, map[string]bool(nil)
	for one := t.First(in); one != tree.None; one = t.Next(one) {
		name := t.Name(one)
		for _, before := range few[:n] {
			if bytes.Equal(before, name) {
				return string(name), true
			}
		}
		switch {
		case n < len(few):
			few[n], n = name, n+1
		case seen[string(name)]:
			return string(name), true
		default:
			if seen == nil {
				seen = map[string]bool{}
			}
			seen[string(name)] = true
		}
	}
	return "", false
}

// form writes a document out in the form of this file, and gives its properties in it. It changes the tree.
func form(t *tree.Tree, kind string) (form, properties json.RawMessage, err error) {
	out := roomFor(t.Size() + 64)
	out = append(append(append(out, `{"type":"`...), kind...), `","links":[`...)
	marked := 0
	if links := t.Get(tree.Root, "links"); t.Kind(links) == tree.List {
		for one := t.First(links); one != tree.None; one = t.Next(one) {
			if rel := string(t.Text(t.Get(one, "rel"))); slices.Contains(served, rel) || rel == "item" && kind == "Collection" {
				continue
			}
			if out[len(out)-1] != '[' {
				out = append(out, ',')
			}
			marked += markHref(t, one)
			out = t.Append(out, one)
		}
	}
	out = append(out, ']')
	if assets := t.Get(tree.Root, "assets"); t.Kind(assets) == tree.Object {
		for one := t.First(assets); one != tree.None; one = t.Next(one) {
			marked += markHref(t, one)
		}
	}
	at := extent{}
	for _, one := range ordered(t) {
		if out, err = appendKey(append(out, ','), t, one); err != nil {
			return nil, nil, err
		}
		from := len(out)
		if out = t.Append(out, one); t.Named(one, "properties") {
			at = extent{from, len(out)}
		}
	}
	out = append(out, '}')
	if marked > 0 || !t.Plain() {
		if halved(out) {
			return nil, nil, fmt.Errorf("a string holds half of a surrogate pair, which is no character")
		}
		if n := nulls(out); n != marked {
			return nil, nil, fmt.Errorf("a string holds the character U+0000, which databases cannot keep")
		}
	}
	return out, out[at.from:at.to:at.to], nil
}

// forms are rooms of documents that were forgotten.
var forms = sync.Pool{New: func() any { return new([]byte) }}

func roomFor(size int) []byte {
	room := *forms.Get().(*[]byte)
	if cap(room) < size {
		room = make([]byte, 0, size)
	}
	return room[:0]
}

// Forget gives back the room of the Document, and with it Properties, which is a part of it: nobody may have kept either.
func (e *Entry) Forget() {
	if room := []byte(e.Document); room != nil {
		forms.Put(&room)
	}
	e.Document, e.Properties = nil, nil
}

// extent is where something stands.
type extent struct{ from, to int }

// ordered are the members that come after type and links: first those that name the document, so that they are
// found without reading all of it.
func ordered(t *tree.Tree) []tree.Node {
	out := make([]tree.Node, 0, 24)
	for _, name := range []string{"id", "collection"} {
		if n := t.Get(tree.Root, name); n != tree.None {
			out = append(out, n)
		}
	}
	for n := t.First(tree.Root); n != tree.None; n = t.Next(n) {
		switch string(t.Name(n)) {
		case "type", "links", "id", "collection":
		default:
			out = append(out, n)
		}
	}
	return out
}

// appendKey writes a member's name, in the one way in which this file writes it.
func appendKey(out []byte, t *tree.Tree, n tree.Node) ([]byte, error) {
	key := t.Key(n)
	if bytes.ContainsFunc(key, func(r rune) bool { return r >= 0x7f || r == '\\' || r == '<' || r == '>' || r == '&' }) {
		var err error
		if key, err = json.Marshal(string(t.Name(n))); err != nil {
			return nil, err
		}
	}
	return append(append(out, key...), ':'), nil
}

// markHref marks the href of a link or an asset if it is relative, and counts it if it is marked now.
func markHref(t *tree.Tree, of tree.Node) int {
	href := t.Get(of, "href")
	if t.Kind(href) != tree.String {
		return 0
	}
	raw := t.Raw(href)
	switch {
	case bytes.HasPrefix(raw, markBytes):
		return 1
	case bytes.HasPrefix(raw, []byte(`"https://`)) || !relative(string(t.Text(href))):
		return 0
	}
	t.SetValue(href, mark+string(bytes.TrimLeft(raw[1:], "/")))
	return 1
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
