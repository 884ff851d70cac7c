package datasets

import (
	"slices"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
)

// PropertyKind is what a property's values are.
type PropertyKind int

// The kinds of properties.
const (
	TextKind PropertyKind = iota
	NumberKind
	MomentKind
	ListKind
	PlaceKind
)

// The properties of samples that are not columns of the manifest but follow from them.
const (
	// ScenesProperty is the number of time slots that a sample has.
	ScenesProperty = "scenes"
	// LabelledProperty is the share of a sample's pixels that have a label, and ClassPrefix with a class's name that of those
	// that have the class.
	LabelledProperty = "labelled"
	ClassPrefix      = "class:"
)

// Property is one that samples have, and the columns of the manifest that it is made of.
type Property struct {
	Name    string
	Kind    PropertyKind
	Columns []string
}

// Properties lists what can be asked of the samples of a version with these labels, or nil for none.
func (l *LabelPin) Properties() []Property {
	var out []Property
	add := func(k PropertyKind, names ...string) {
		for _, name := range names {
			out = append(out, Property{name, k, []string{name}})
		}
	}
	add(TextKind, cql2.ID, cql2.Collection, "split", "cell", "block")
	add(NumberKind, "row", "col", "height", "width")
	add(MomentKind, "datetime", "start_datetime", "end_datetime")
	add(ListKind, "times", "slots")
	out = append(out, Property{cql2.Location, PlaceKind, []string{"geometry"}}, Property{ScenesProperty, NumberKind, []string{"slots"}})
	if l == nil {
		return out
	}
	add(TextKind, ClassColumn)
	share := []string{CountsColumn, "height", "width"}
	out = append(out, Property{LabelledProperty, NumberKind, share})
	for _, c := range l.Classes {
		name := ClassPrefix + l.ClassName(c.Value)
		if !slices.ContainsFunc(out, func(p Property) bool { return p.Name == name }) {
			out = append(out, Property{name, NumberKind, share})
		}
	}
	return out
}

// PropertyNames are the names of properties, or of those of a kind, as CQL2 text writes them.
func PropertyNames(all []Property, kinds ...PropertyKind) []string {
	var out []string
	for _, p := range all {
		if len(kinds) == 0 || slices.Contains(kinds, p.Kind) {
			out = append(out, cql2.Text(cql2.Property{Name: p.Name}))
		}
	}
	return out
}

// ColumnsOf are the columns of the manifest that properties are made of, each once, and before them the split.
func ColumnsOf(properties []Property) []string {
	out := []string{"split"}
	for _, p := range properties {
		for _, c := range p.Columns {
			if !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	return out
}
