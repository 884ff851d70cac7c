package selection

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
)

func build(ctx context.Context, v *datasets.Version, split string, a Ask) (c *order.Choice, err error) {
	defer func() { // it runs where nobody else would recover
		if p := recover(); p != nil {
			err = fault.New(fault.Internal, "select samples: panic: %v\n%s", p, debug.Stack())
		}
	}()
	samples, err := v.Split(split)
	if err != nil {
		return nil, err
	}
	s := scan{version: v, split: split, ask: a, n: samples.Len()}
	if err := s.run(ctx); err != nil {
		return nil, err
	}
	var list order.List = order.All(samples.Len())
	if s.kept != nil {
		list = s.kept.Seal()
		if list.Len() == 0 && s.n > 0 {
			cure := fmt.Sprintf("ask for less; the split has %d samples", s.n)
			if v.Labels != nil && slices.ContainsFunc(cql2.Properties(a.Filter), func(name string) bool {
				return name == datasets.ClassColumn || strings.HasPrefix(name, datasets.ClassPrefix)
			}) {
				cure += ", and the labels the classes " + v.Labels.ClassList()
			}
			return nil, fault.New(fault.Precondition, "no sample of split %q of %s passes the filter %s", split, v.Ref(), cql2.Text(a.Filter)).WithCure("%s", cure)
		}
	}
	var groups order.Groups
	if a.Storage != nil {
		if list, groups, err = stored(samples, s.kept, *a.Storage); err != nil {
			return nil, err
		}
	}
	if a.Weights == "" || list.Len() == 0 {
		return order.NewChoice(list, nil, groups)
	}
	weights := s.weigh(list)
	for i, w := range weights {
		if !(w >= 0) || math.IsInf(w, 1) {
			one, err := samples.At(int(list.At(uint64(i))))
			if err != nil {
				return nil, err
			}
			return nil, fault.New(fault.Invalid, "the weight %q of sample %s is %g, no finite number from 0 up", a.Weights, one.ID, w).
				WithCure("filter such samples away, or weight by another property")
		}
	}
	return order.NewChoice(list, weights, groups)
}

// scan goes through the manifest once, and finds what is kept and what weighs how much.
type scan struct {
	version *datasets.Version
	split   string
	ask     Ask
	n       int

	kept *order.Bitmap // nil keeps all
	// values are the weights by index in the base order, or where classes are balanced the number of the sample's class.
	values  []float64
	classes map[string]float64
	byClass *datasets.ClassWeights
}

// noClass is the number of the class of a sample that has none.
const noClass = -1

func (s *scan) run(ctx context.Context) error {
	var wanted []string
	if s.ask.Filter != nil {
		wanted = cql2.Properties(s.ask.Filter)
		s.kept = order.NewBitmap(uint64(s.n))
	}
	switch w := s.ask.Weights; {
	case w == "":
	case w == datasets.Balanced:
		wanted, s.values, s.classes = append(wanted, datasets.ClassColumn), make([]float64, s.n), map[string]float64{}
	case datasets.ByClass(w):
		weights, err := s.version.Labels.ClassWeights(w)
		if err != nil {
			return err
		}
		wanted, s.values, s.byClass = append(wanted, datasets.ClassColumn), make([]float64, s.n), &weights
	default:
		wanted, s.values = append(wanted, s.ask.Weights), make([]float64, s.n)
	}
	if wanted == nil && s.kept == nil {
		return nil
	}
	table, err := tableOf(s.version, wanted)
	if err != nil {
		return err
	}
	if w := s.ask.Weights; w != "" && w != datasets.Balanced && s.byClass == nil && !table.isNumber(w) {
		return fault.New(fault.Invalid, "property %q of the samples of %s is no number to weight by", w, s.version.Ref()).
			WithCure("use %q or one of: %s", datasets.Balanced, strings.Join(datasets.PropertyNames(table.all, datasets.NumberKind), ", "))
	}
	next := 0 // index in the base order: both are sorted by id
	err = s.version.ScanManifest(ctx, table.columns(), func(record arrow.Record) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows, err := table.open(record)
		if err != nil {
			return err
		}
		for i := range int(record.NumRows()) {
			if !rows.In(i, s.split) {
				continue
			}
			if next == s.n {
				return s.disagrees(fmt.Sprintf("more than %d", s.n))
			}
			s.take(next, rows.Row(i))
			next++
		}
		return nil
	})
	if err == nil && next != s.n {
		err = s.disagrees(fmt.Sprint(next))
	}
	return err
}

// take looks at the sample of an index.
func (s *scan) take(index int, r *datasets.Row) {
	if s.kept != nil {
		if truth := cql2.Eval(s.ask.Filter, r); truth != nil && *truth {
			s.kept.Keep(uint64(index))
		}
	}
	if s.values == nil {
		return
	}
	if s.classes == nil && s.byClass == nil {
		s.values[index] = r.Number(s.ask.Weights)
		return
	}
	name := r.Text(datasets.ClassColumn)
	if s.byClass != nil {
		s.values[index] = s.byClass.Of(name)
		return
	}
	number, known := s.classes[name]
	switch {
	case name == "":
		number = noClass
	case !known:
		number = float64(len(s.classes))
		s.classes[name] = number
	}
	s.values[index] = number
}

func (s *scan) disagrees(rows string) error {
	return fault.New(fault.Corrupt, "the manifest of %s has %s samples in split %q, the index has %d", s.version.Ref(), rows, s.split, s.n).
		WithCure("run `terrapin dataset verify %s`", s.version.Ref())
}

// weigh gives the weights of a list.
func (s *scan) weigh(list order.List) []float64 {
	out := make([]float64, list.Len())
	for i := range out {
		out[i] = s.values[list.At(uint64(i))]
	}
	if s.classes == nil {
		return out
	}
	counts := make([]float64, len(s.classes))
	for _, number := range out {
		if number != noClass {
			counts[int(number)]++
		}
	}
	for i, number := range out {
		out[i] = 0
		if number != noClass {
			out[i] = 1 / counts[int(number)]
		}
	}
	return out
}
