package datasets

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/fault"
)

// trial reads the training split of a manifest by the recipe's defaults, while it is made: a version of which nothing could
// be read by them is not committed, for it could not be mended any more.
type trial struct {
	training Training
	ref      string
	pin      *LabelPin
	filter   cql2.Expr
	byClass  ClassWeights
	columns  []string

	samples, kept int  // of the training split
	weighty       bool // some sample that is kept weighs more than 0
}

// trial is nil where the recipe has neither a filter nor weights.
func (p *plan) trial(ref string) (*trial, error) {
	t := &trial{training: p.recipe.Training, ref: ref, pin: p.labelPin()}
	filter, weights := t.training.Filter, t.training.Weights
	var names []string
	var err error
	if filter != "" {
		if t.filter, err = cql2.ParseText(filter); err != nil {
			return nil, err
		}
		names = cql2.Properties(t.filter)
	}
	switch {
	case ByClass(weights):
		if t.byClass, err = t.pin.ClassWeights(weights); err != nil {
			return nil, err
		}
		names = append(names, ClassColumn)
	case weights == Balanced:
		names = append(names, ClassColumn)
	case weights != "":
		names = append(names, weights)
	case filter == "":
		return nil, nil
	}
	var wanted []Property
	for _, property := range t.pin.Properties() {
		if slices.Contains(names, property.Name) {
			wanted = append(wanted, property)
		}
	}
	t.columns = ColumnsOf(wanted)
	return t, nil
}

func (t *trial) take(record arrow.Record) error {
	if t == nil {
		return nil
	}
	rows, err := rowsOf(t.ref, t.pin, record, t.columns)
	if err != nil {
		return err
	}
	for i := range int(record.NumRows()) {
		if !rows.In(i, Splits()[0]) {
			continue
		}
		t.samples++
		r := rows.Row(i)
		if t.filter != nil {
			if truth := cql2.Eval(t.filter, r); truth == nil || !*truth {
				continue
			}
		}
		t.kept++
		t.weighty = t.weighty || t.weight(r) > 0
	}
	return nil
}

// weight is that of a sample, or where classes are balanced 1 of each that has one.
func (t *trial) weight(r *Row) float64 {
	switch w := t.training.Weights; {
	case w == "":
		return 1
	case ByClass(w):
		return t.byClass.Of(r.Text(ClassColumn))
	case w != Balanced:
		return r.Number(w)
	case r.Text(ClassColumn) == "":
		return 0
	}
	return 1
}

// check refuses defaults by which the training split, if it has samples, has none to read.
func (t *trial) check() error {
	if t == nil || t.samples == 0 {
		return nil
	}
	if t.kept == 0 {
		return t.training.filterAt.error(fault.Precondition, fmt.Sprintf("filter: none of the %d samples of the training split passes it", t.samples),
			"ask for less; once committed it could not be changed")
	}
	if !t.weighty {
		return t.training.weightsAt.error(fault.Precondition, fmt.Sprintf("weights: all %d samples of the training split that are read weigh 0", t.kept),
			"weight by what is greater than 0 for some of them, or make the filter keep others")
	}
	return nil
}
