package catalog

import (
	"bytes"
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/terrapin-eo/terrapin/catalog/tree"
)

// Trait is a way in which an item has a property.
type Trait struct {
	// Name is that of the property, Type what JSON Schema calls it (string, number, integer, boolean, array or object), Format
	// date-time or date for strings that are one, else "".
	Name, Type, Format string
}

// Traits lists the properties that the item has, those that are null left out.
func (e Entry) Traits() (out []Trait) {
	t := &tree.Tree{}
	if t.Read(e.Properties, tooDeep) != nil {
		return nil
	}
	for n := t.First(tree.Root); n != tree.None; n = t.Next(n) {
		name := string(t.Name(n))
		m, moment := e.Moments[name]
		if kind, format := traitOf(t, n, m, moment); kind != "" {
			out = append(out, Trait{name, kind, format})
		}
	}
	return out
}

func traitOf(t *tree.Tree, n tree.Node, m Moment, moment bool) (kind, format string) {
	switch t.Kind(n) {
	case tree.String:
		switch {
		case !moment:
			return "string", ""
		case m.From < m.To:
			return "string", "date"
		}
		return "string", "date-time"
	case tree.Number:
		if isWhole(t.Raw(n)) {
			return "integer", ""
		}
		return "number", ""
	case tree.Bool:
		return "boolean", ""
	case tree.List:
		return "array", ""
	case tree.Object:
		return "object", ""
	}
	return "", ""
}

// isWhole reports whether a number has no fraction.
func isWhole(raw []byte) bool {
	if !bytes.ContainsAny(raw, ".eE") {
		return true
	}
	v, err := strconv.ParseFloat(string(raw), 64)
	return err == nil && v == math.Trunc(v)
}

var traitSeed = maphash.MakeSeed()

// likenessOf is what one property adds to an entry's Likeness, in any order.
func likenessOf(name []byte, kind, format string) uint64 {
	if kind == "" {
		return 0
	}
	h := maphash.Bytes(traitSeed, name)
	return (h^maphash.String(traitSeed, kind))*(h|1) + uint64(len(format))*(h>>1|1)
}

// QueryablesOf puts together what is known of each property. A Format holds where all strings have it.
func QueryablesOf(traits []Trait) []Queryable {
	types, formats := map[string]map[string]bool{}, map[string]map[string]bool{}
	note := func(in map[string]map[string]bool, name, what string) {
		if in[name] == nil {
			in[name] = map[string]bool{}
		}
		in[name][what] = true
	}
	for _, t := range traits {
		note(types, t.Name, t.Type)
		if t.Type == "string" {
			note(formats, t.Name, t.Format)
		}
	}
	out := []Queryable{}
	for _, name := range slices.Sorted(maps.Keys(types)) {
		if types[name]["number"] {
			delete(types[name], "integer")
		}
		q := Queryable{Name: name, Types: slices.Sorted(maps.Keys(types[name]))}
		if len(formats[name]) == 1 {
			q.Format = slices.Collect(maps.Keys(formats[name]))[0]
		}
		out = append(out, q)
	}
	return out
}
