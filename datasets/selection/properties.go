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
func (t *table) columns() []string {
	out := []string{"split"}
	for _, p := range t.wanted {
		for _, c := range p.Columns {
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
