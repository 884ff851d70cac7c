package catalog

import (
	"hash/maphash"
	"maps"
	"math"
	"slices"

	"github.com/tidwall/gjson"
)

// Trait is a way in which an item has a property.
type Trait struct {
	// Name is that of the property, Type what JSON Schema calls it (string, number, integer, boolean, array or object), Format
	// date-time or date for strings that are one, else "".
	Name, Type, Format string
}

// Traits lists the properties that the item has, those that are null left out.
func (e Entry) Traits() (out []Trait) {
	gjson.ParseBytes(e.Properties).ForEach(func(key, value gjson.Result) bool {
		name := key.String()
		m, moment := e.Moments[name]
		if kind, format := traitOf(value, m, moment); kind != "" {
			out = append(out, Trait{name, kind, format})
		}
		return true
	})
	return out
}

func traitOf(v gjson.Result, m Moment, moment bool) (kind, format string) {
	switch {
	case moment && m.From < m.To:
		return "string", "date"
	case moment:
		return "string", "date-time"
	case v.Type == gjson.String:
		return "string", ""
	case v.Type == gjson.Number && v.Num == math.Trunc(v.Num):
		return "integer", ""
	case v.Type == gjson.Number:
		return "number", ""
	case v.IsBool():
		return "boolean", ""
	case v.IsArray():
		return "array", ""
	case v.IsObject():
		return "object", ""
	}
	return "", ""
}

var traitSeed = maphash.MakeSeed()

// likenessOf is what one property adds to an entry's Likeness, in any order.
func likenessOf(name, kind, format string) uint64 {
	if kind == "" {
		return 0
	}
	h := maphash.String(traitSeed, name)
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
