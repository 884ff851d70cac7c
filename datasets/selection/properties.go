package selection

import (
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/fault"
)

// The properties that are not columns of the manifest but follow from them.
const (
	classProperty = datasets.ClassColumn
	// scenes is the number of time slots that a sample has.
	scenes = "scenes"
	// labelled is the share of a sample's pixels that have a label, and class:NAME of those that have a class.
	labelled    = "labelled"
	classPrefix = "class:"
)

// kind is what a property's values are.
type kind int

const (
	text kind = iota
	number
	moment
	list
	place
)

// property is one that samples have, and the columns of the manifest that it is made of.
type property struct {
	name    string
	kind    kind
	columns []string
}

// propertiesOf lists what can be asked of the samples of a version.
func propertiesOf(v *datasets.Version) []property {
	var out []property
	add := func(k kind, names ...string) {
		for _, name := range names {
			out = append(out, property{name, k, []string{name}})
		}
	}
	add(text, cql2.ID, cql2.Collection, "split", "cell", "block")
	add(number, "row", "col", "height", "width")
	add(moment, "datetime", "start_datetime", "end_datetime")
	add(list, "times", "slots")
	out = append(out, property{cql2.Location, place, []string{"geometry"}}, property{scenes, number, []string{"slots"}})
	if v.Labels == nil {
		return out
	}
	add(text, classProperty)
	share := []string{datasets.CountsColumn, "height", "width"}
	out = append(out, property{labelled, number, share})
	for _, c := range v.Labels.Classes {
		name := classPrefix + v.Labels.ClassName(c.Value)
		if !slices.ContainsFunc(out, func(p property) bool { return p.name == name }) {
			out = append(out, property{name, number, share})
		}
	}
	return out
}

// table is what a scan wants of every row.
type table struct {
	version *datasets.Version
	all     []property
	wanted  []property
}

// tableOf finds properties by name; one that samples do not have is an error that names those they have.
func tableOf(v *datasets.Version, names []string) (*table, error) {
	t := &table{version: v, all: propertiesOf(v)}
	for _, name := range names {
		at := slices.IndexFunc(t.all, func(p property) bool { return p.name == name })
		switch {
		case at >= 0:
			t.wanted = append(t.wanted, t.all[at])
		case v.Labels == nil && (name == classProperty || name == labelled || strings.HasPrefix(name, classPrefix)):
			return nil, fault.New(fault.Invalid, "the samples of %s have no property %q: the version has no labels", v.Ref(), name).
				WithCure("they have: %s", join(t.names()))
		default:
			return nil, fault.New(fault.Invalid, "the samples of %s have no property %q", v.Ref(), name).WithCure("they have: %s", join(t.names()))
		}
	}
	return t, nil
}

func (t *table) names() []string {
	out := make([]string, len(t.all))
	for i, p := range t.all {
		out[i] = p.name
	}
	return out
}

func (t *table) numbers() []string {
	var out []string
	for _, p := range t.all {
		if p.kind == number {
			out = append(out, p.name)
		}
	}
	return out
}

func (t *table) isNumber(name string) bool { return slices.Contains(t.numbers(), name) }

// columns are those of the manifest that the wanted properties are made of, and the split.
func (t *table) columns() []string {
	out := []string{"split"}
	for _, p := range t.wanted {
		for _, c := range p.columns {
			if !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	return out
}

// open finds the columns in some rows of the manifest.
func (t *table) open(record arrow.Record) (*rows, error) {
	out := &rows{version: t.version, of: map[string]arrow.Array{}}
	for _, name := range t.columns() {
		at := record.Schema().FieldIndices(name)
		if len(at) > 0 {
			out.of[name] = record.Column(at[0])
			continue
		}
		if name == datasets.ClassColumn || name == datasets.CountsColumn {
			return nil, fault.New(fault.Precondition, "the manifest of %s does not say which classes its samples have: it was committed by an older release", t.version.Ref()).
				WithCure("commit its recipe again under another name; the digest and the samples stay the same")
		}
		return nil, fault.New(fault.Corrupt, "the manifest of %s has no column %q", t.version.Ref(), name)
	}
	return out, out.check()
}

// join is a list of names for people; names that CQL2 text cannot write plainly stand in quotation marks.
func join(names []string) string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = cql2.Text(cql2.Property{Name: name})
	}
	return strings.Join(out, ", ")
}
