package selection

import (
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/fault"
)

// table is what a scan wants of every row.
type table struct {
	version *datasets.Version
	all     []datasets.Property
	wanted  []datasets.Property
}

// tableOf finds properties by name; one that samples do not have is an error that names those they have.
func tableOf(v *datasets.Version, names []string) (*table, error) {
	t := &table{version: v, all: v.Labels.Properties()}
	for _, name := range names {
		at := slices.IndexFunc(t.all, func(p datasets.Property) bool { return p.Name == name })
		switch {
		case at >= 0:
			t.wanted = append(t.wanted, t.all[at])
		case v.Labels == nil && (name == datasets.ClassColumn || name == datasets.LabelledProperty || strings.HasPrefix(name, datasets.ClassPrefix)):
			return nil, fault.New(fault.Invalid, "the samples of %s have no property %q: the version has no labels", v.Ref(), name).
				WithCure("they have: %s", strings.Join(datasets.PropertyNames(t.all), ", "))
		default:
			return nil, fault.New(fault.Invalid, "the samples of %s have no property %q", v.Ref(), name).WithCure("they have: %s", strings.Join(datasets.PropertyNames(t.all), ", "))
		}
	}
	return t, nil
}

func (t *table) isNumber(name string) bool {
	return slices.ContainsFunc(t.all, func(p datasets.Property) bool { return p.Name == name && p.Kind == datasets.NumberKind })
}

// columns are those of the manifest that the wanted properties are made of, and the split.
func (t *table) columns() []string { return datasets.ColumnsOf(t.wanted) }

// open finds the columns in some rows of the manifest.
func (t *table) open(record arrow.Record) (*datasets.Rows, error) {
	return t.version.Rows(record, t.columns())
}
