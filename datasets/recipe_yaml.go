package datasets

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/terrapin-eo/terrapin/fault"
)

// place is a position in the recipe, counted from 1.
type place struct{ line, column int }

func placeOf(n *yaml.Node) place { return place{n.Line, n.Column} }

func (p place) error(kind fault.Kind, what, cure string) error {
	err := fault.New(kind, "recipe line %d, column %d: %s", p.line, p.column, what)
	if cure != "" {
		err = err.WithCure("%s", cure)
	}
	return err
}

// unknown adds the place to an error about a name that leads nowhere; any other stays as it is.
func (p place) unknown(err error) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	return fault.New(fault.NotFound, "recipe line %d, column %d: %w", p.line, p.column, err)
}

// decoder walks the nodes of a recipe and keeps the first error.
type decoder struct{ err error }

func (d *decoder) fail(p place, kind fault.Kind, what, cure string) {
	if d.err == nil {
		d.err = p.error(kind, what, cure)
	}
}

// object is a mapping with the keys the recipe gives.
type object struct {
	d      *decoder
	path   string // "" or "time."
	place  place
	fields map[string]*yaml.Node
	keys   map[string]place
	given  bool
}

// object reads a mapping and refuses every key that is not known.
func (d *decoder) object(n *yaml.Node, path string, known ...string) object {
	o := object{d: d, path: path, place: placeOf(n), fields: map[string]*yaml.Node{}, keys: map[string]place{}, given: true}
	n = follow(n)
	if n.Kind != yaml.MappingNode {
		what := "the recipe"
		if path != "" {
			what = strings.TrimSuffix(path, ".")
		}
		d.fail(o.place, fault.Invalid, what+" must be a mapping", "write key: value pairs of "+strings.Join(known, ", "))
		return o
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, at := n.Content[i].Value, placeOf(n.Content[i])
		full := path + key
		switch what, soon := unbuilt[full]; {
		case soon:
			d.fail(at, fault.Unsupported, fmt.Sprintf("%s (%s) is not built yet", full, what), "leave the key out")
		case !slices.Contains(known, key):
			d.fail(at, fault.Invalid, fmt.Sprintf("unknown key %q", full), didYouMean(key, known))
		case o.fields[key] != nil:
			d.fail(at, fault.Invalid, fmt.Sprintf("key %q is there twice", full), "keep one of them")
		default:
			o.fields[key], o.keys[key] = follow(n.Content[i+1]), at
		}
	}
	return o
}

func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func (o object) there() bool { return o.given }

func (o object) at(key string) place {
	if p, ok := o.keys[key]; ok {
		return p
	}
	return o.place
}

// value is where the value of a key stands.
func (o object) value(key string) place {
	if n := o.fields[key]; n != nil {
		return placeOf(n)
	}
	return o.place
}

func (o object) need(keys ...string) {
	for _, k := range keys {
		if o.given && o.fields[k] == nil {
			o.d.fail(o.place, fault.Invalid, fmt.Sprintf("the key %q is missing", o.path+k), "add it")
		}
	}
}

// child reads a mapping below; one that is absent has no keys.
func (o object) child(key string, known ...string) object {
	n := o.fields[key]
	if n == nil {
		return object{d: o.d, path: o.path + key + ".", place: o.place}
	}
	return o.d.object(n, o.path+key+".", known...)
}

func (d *decoder) scalar(n *yaml.Node, want string) string {
	n = follow(n)
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.fail(placeOf(n), fault.Invalid, want+" is wanted here", "write one value, or leave the key out for its default")
		return ""
	}
	return n.Value
}

func (o object) text(key string) string {
	if n := o.fields[key]; n != nil {
		return o.d.scalar(n, o.path+key+": a text")
	}
	return ""
}

// choice returns the value of a key that must be one of several; the first is the default.
func (o object) choice(key string, options ...string) string {
	n := o.fields[key]
	if n == nil {
		return options[0]
	}
	v := o.d.scalar(n, o.path+key+": a word")
	if !slices.Contains(options, v) {
		o.d.fail(placeOf(n), fault.Invalid, fmt.Sprintf("%s%s: unknown value %q", o.path, key, v), didYouMean(v, options))
	}
	return v
}

func (o object) integer(key string, least, most, otherwise int) int {
	n := o.fields[key]
	if n == nil {
		return otherwise
	}
	v, err := strconv.Atoi(n.Value)
	isNumber := n.Kind == yaml.ScalarNode && n.Tag == "!!int" && err == nil
	if !isNumber || v < least || v > most {
		cure := "write it in digits, without quotes, point or exponent"
		if isNumber {
			cure = fmt.Sprintf("choose one from %d to %d", least, most)
		}
		o.d.fail(placeOf(n), fault.Invalid, fmt.Sprintf("%s%s: %q is no whole number between %d and %d", o.path, key, n.Value, least, most), cure)
		return otherwise
	}
	return v
}

func (o object) number(key string, otherwise float64) float64 {
	n := o.fields[key]
	if n == nil {
		return otherwise
	}
	v, err := strconv.ParseFloat(n.Value, 64)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" && n.Tag != "!!float" || err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		o.d.fail(placeOf(n), fault.Invalid, fmt.Sprintf("%s%s: %q is no number", o.path, key, n.Value), "write a finite number, without quotes")
		return otherwise
	}
	return v
}

func (o object) boolean(key string) bool {
	n := o.fields[key]
	if n == nil {
		return false
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		o.d.fail(placeOf(n), fault.Invalid, fmt.Sprintf("%s%s: %q is neither true nor false", o.path, key, n.Value), "write true or false, without quotes")
	}
	return strings.EqualFold(n.Value, "true")
}

// moment reads a time. A plain date is the whole day: its first microsecond where a span begins, its
// last where one ends. A time without a zone is UTC.
func (d *decoder) moment(n *yaml.Node, end bool) time.Time {
	text := d.scalar(n, "a time")
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		if end {
			t = t.AddDate(0, 0, 1).Add(-time.Microsecond)
		}
		return t
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC().Truncate(time.Microsecond)
		}
	}
	d.fail(placeOf(n), fault.Invalid, fmt.Sprintf("%q is no time", text), "write a date such as 2021-06-30 or a time such as 2021-06-30T10:56:00Z")
	return time.Time{}
}

// didYouMean is a cure that names the nearest known word and all of them.
func didYouMean(got string, known []string) string {
	best, least := "", max(2, len(got)/2)+1
	for _, k := range known {
		if d := distance(strings.ToLower(got), k); d < least {
			best, least = k, d
		}
	}
	all := "known here: " + strings.Join(known, ", ")
	if best == "" {
		return all
	}
	return fmt.Sprintf("did you mean %q? %s", best, all)
}

// distance is the number of letters to change, add or remove.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
