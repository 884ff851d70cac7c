package catalogtest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/catalog"
)

// draw makes items and questions on coarse grids of place, time and value, so that equal sort keys, shapes that only
// touch, open ends, nulls, values of a wrong type and the antimeridian come up often.
type draw struct{ *rand.Rand }

func newDraw(seed uint64) draw { return draw{rand.New(rand.NewPCG(seed, 11))} }

func pick[T any](d draw, of ...T) T { return of[d.IntN(len(of))] }

// often is true in so many of a hundred cases.
func (d draw) often(percent int) bool { return d.IntN(100) < percent }

// The grids of values, as JSON.
var (
	numbers = []string{`-2`, `-1`, `-0.5`, `0`, `-0`, `0.5`, `1`, `1.0`, `2`, `2e0`, `3`, `10`, `2020`, `1e300`, `9007199254740993`}
	texts   = []string{`""`, `"a"`, `"A"`, `"b"`, `"ab"`, `"AB"`, `"aab"`, `"ä"`, `"\u00c4"`, `"a\u0308"`, `"ß"`, `"ss"`, `"SS"`, `"a%b"`, `"a_b"`, `"a\\b"`, `"a\\%b"`, `"%"`, `"İ"`, `"ı"`,
		`"i"`, `"I"`, `"Σ"`, `"ς"`, `"ø"`, `"o"`, `"🐢"`, `"a\nb"`, `"1"`, `"true"`, `"'"`, `"2020-01-02"`, `"2020-01-02T00:00:00Z"`}
	moments = []string{`"2020-01-01"`, `"2020-01-02"`, `"2020-01-03"`, `"2020-01-01T00:00:00Z"`, `"2020-01-02T00:00:00Z"`, `"2020-01-02T02:00:00+02:00"`, `"2020-01-02T00:00:00.000001Z"`,
		`"2020-01-02T23:59:59.999999Z"`, `"2020-01-03T12:00:00.5Z"`, `"0001-01-01T00:00:00Z"`, `"9999-12-31"`, `"2020-01-32"`, `"soon"`}
	lists = []string{`[]`, `[1]`, `[1.0,2]`, `[2,1,1]`, `["a"]`, `["a","b"]`, `["b","\u0061"]`, `[true]`, `[true,false,1]`, `[null]`, `[1,"1"]`, `["2020-01-01"]`, `[[1]]`, `[{"a":1},1]`, `[-0,0.5]`}
	bools = []string{`true`, `false`}
	other = []string{`{}`, `{"a":1}`, `[1]`, `[]`}
)

// member is a member of properties, or "" for none.
func (d draw) member(name string, grid []string) string {
	switch {
	case d.often(12):
		return ""
	case d.often(12):
		return text(name) + ":null"
	case d.often(12):
		grid = pick(d, numbers, texts, moments, lists, bools, other)
	}
	return text(name) + ":" + pick(d, grid...)
}

// properties are members of an item's properties, or at the top of a collection.
func (d draw) properties() []string {
	out := []string{}
	add := func(names string, grid []string) {
		for _, name := range strings.Fields(names) {
			if m := d.member(name, grid); m != "" {
				out = append(out, m)
			}
		}
	}
	add("n m", numbers)
	add("s u", texts)
	add("t v", moments)
	add("l k", lists)
	add("b c", bools)
	add("mixed", pick(d, numbers, texts, moments, lists, bools))
	return out
}

// vocabulary is what texts are made of.
var vocabulary = []string{"green", "Forest", "river", "Čeřeň", "森林", "ice-free", "a", "of"}

func (d draw) sentence() string {
	out := []string{}
	for range d.IntN(5) {
		out = append(out, pick(d, vocabulary...))
	}
	return strings.Join(out, pick(d, " ", ", ", "_"))
}

// texts are title, description and keywords.
func (d draw) texts() []string {
	out := []string{}
	for _, name := range []string{"title", "description"} {
		if d.often(50) {
			out = append(out, text(name)+":"+text(d.sentence()))
		}
	}
	if d.often(30) {
		out = append(out, fmt.Sprintf(`"keywords":[%s,%s,7]`, text(d.sentence()), text(d.sentence())))
	}
	return out
}

func (d draw) time() time.Time {
	if d.often(8) {
		return instant(pick(d, "1969-12-31T23:59:59.999999Z", "2019-12-31T12:00:00Z", "2020-02-29T00:00:00Z", "2021-01-01T00:00:00Z"))
	}
	return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(d.IntN(4))*24*time.Hour + time.Duration(d.IntN(2))*time.Microsecond)
}

// twoMoments are in order.
func (d draw) twoMoments() (time.Time, time.Time) {
	a, b := d.time(), d.time()
	if a.After(b) {
		a, b = b, a
	}
	return a, b
}

func (d draw) times() []string {
	a, b := d.twoMoments()
	write := func(t time.Time) string { return text(t.Format(time.RFC3339Nano)) }
	switch d.IntN(8) {
	case 0:
		return []string{`"datetime":null`}
	case 1:
		return []string{`"datetime":null`, `"start_datetime":` + write(a), `"end_datetime":` + write(b)}
	case 2:
		return []string{`"datetime":` + write(a), `"start_datetime":` + write(a), `"end_datetime":` + write(b)}
	case 3:
		return []string{`"datetime":null`, `"start_datetime":` + write(a)}
	case 4:
		return []string{`"end_datetime":` + write(a)}
	}
	return []string{`"datetime":` + write(a)}
}

// item is a document.
func (d draw) item(collection, id string) json.RawMessage {
	properties := append(append(d.times(), d.properties()...), d.texts()...)
	d.Shuffle(len(properties), func(i, j int) { properties[i], properties[j] = properties[j], properties[i] })
	geometry, bbox := d.geometry()
	return json.RawMessage(fmt.Sprintf(`{"type":"Feature","stac_version":"1.1.0","id":%s,"collection":%s,"geometry":%s,"bbox":%s,"properties":{%s},"links":[],"assets":{}}`,
		text(id), text(collection), geometry, bbox, strings.Join(properties, ",")))
}

// collection is a document with properties of its own.
func (d draw) collection(id string) json.RawMessage {
	members := append(d.properties(), d.texts()...)
	if d.often(80) {
		west, south := d.lon(), d.lat()
		interval := "null,null"
		if d.often(70) {
			a, b := d.twoMoments()
			interval = pick(d, text(a.Format(time.RFC3339Nano))+",", "null,") + pick(d, text(b.Format(time.RFC3339Nano)), "null")
		}
		members = append(members, fmt.Sprintf(`"extent":{"spatial":{"bbox":[[%g,%g,%g,%g]]},"temporal":{"interval":[[%s]]}}`, west, south, d.lon(), min(90, south+float64(d.IntN(3))), interval))
	}
	members = append(members, `"links":[]`)
	return json.RawMessage(fmt.Sprintf(`{"type":"Collection","id":%s,%s}`, text(id), strings.Join(members, ",")))
}

// itemCollections are those of items, and ids the ids in each of them.
var itemCollections = []string{"a", "b", "c"}

func someIDs(n int) []string {
	out := []string{}
	for i := range n {
		out = append(out, fmt.Sprintf("item %d", i))
	}
	return out
}

// fill is what a comparison begins with; change is what happens between two rounds of questions.
func (d draw) fill(items int) catalog.Changes {
	ch := catalog.Changes{Origin: catalog.Posted}
	for _, id := range append(itemCollections, "d", "e", "f", "g", "h") {
		ch.Collections = append(ch.Collections, d.collection(id))
	}
	for _, id := range someIDs(items / len(itemCollections)) {
		for _, name := range itemCollections {
			ch.Items = append(ch.Items, d.item(name, id))
		}
	}
	d.Shuffle(len(ch.Items), func(i, j int) { ch.Items[i], ch.Items[j] = ch.Items[j], ch.Items[i] })
	return ch
}

func (d draw) change(items int) []catalog.Changes {
	ids := someIDs(items / len(itemCollections))
	ch := catalog.Changes{Origin: catalog.Posted, Collections: []json.RawMessage{d.collection("a"), d.collection("e")}, DeleteCollections: []string{"d"}}
	for range items / 4 {
		ch.DeleteItems = append(ch.DeleteItems, catalog.ItemRef{Collection: pick(d, itemCollections...), ID: pick(d, ids...)})
		ch.Items = append(ch.Items, d.item(pick(d, itemCollections...), pick(d, ids...)))
	}
	// The bucket takes c's place.
	taken := catalog.Changes{Collections: []json.RawMessage{d.collection("c")}}
	for _, id := range ids {
		taken.Items = append(taken.Items, d.item("c", id))
	}
	return []catalog.Changes{ch, taken}
}
