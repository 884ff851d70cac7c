package ingest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/gdal"
)

// Accepted is a scene that is now in the cube.
type Accepted struct {
	Source   string `json:"source"`
	Item     string `json:"item"`
	Datetime string `json:"datetime"`
	// Note tells what was assumed, such as bands taken in order.
	Note string `json:"note,omitempty"`
}

// Rejected is a source that was refused and changed nothing.
type Rejected struct {
	Source string `json:"source"`
	Reason string `json:"reason"`
	Cure   string `json:"cure"`
}

// Skipped is a source that is in the cube already, or was held back by Strict.
type Skipped struct {
	Source string `json:"source"`
	Reason string `json:"reason"`
}

// Superseded is an accepted scene that took the place of a slice, which newer snapshots lack.
type Superseded struct {
	Source string       `json:"source"`
	Item   string       `json:"item"`
	Slice  cube.SliceID `json:"slice"`
}

// Report is the document of `terrapin ingest`. Every source stands in exactly one of accepted, rejected
// and skipped, in the order given.
type Report struct {
	Snapshot   string       `json:"snapshot"`
	Accepted   []Accepted   `json:"accepted"`
	Rejected   []Rejected   `json:"rejected"`
	Skipped    []Skipped    `json:"skipped"`
	Superseded []Superseded `json:"superseded"`
}

// report sorts the outcomes into their lists.
func (r *run) report(ctx context.Context) (Report, error) {
	rep := Report{Accepted: []Accepted{}, Rejected: []Rejected{}, Skipped: []Skipped{}, Superseded: []Superseded{}}
	view, err := r.cfg.Cube.At(ctx, "")
	if err != nil {
		return rep, err
	}
	rep.Snapshot = view.Snapshot()
	speak, command := r.owner(func(path string) string { return path }), r.owner(gdal.Quote)
	for _, s := range r.sources {
		path, o := speak.Replace(s.path), s.outcome
		switch o.Status {
		case layout.Accepted:
			rep.Accepted = append(rep.Accepted, Accepted{Source: path, Item: o.Slice.Item, Datetime: stamp(o.Slice.Time), Note: speak.Replace(s.facts.note())})
			if o.Superseded != "" {
				rep.Superseded = append(rep.Superseded, Superseded{Source: path, Item: o.Slice.Item, Slice: o.Superseded})
			}
		case layout.Skipped:
			rep.Skipped = append(rep.Skipped, Skipped{Source: path, Reason: speak.Replace(o.Reason)})
		default:
			rep.Rejected = append(rep.Rejected, Rejected{Source: path, Reason: speak.Replace(o.Reason), Cure: command.Replace(o.Cure)})
		}
	}
	return rep, nil
}

// owner turns paths of this machine, and those proposed for mended copies, into what the sources'
// owner knows. The longest path goes first: one may be the beginning of another. spell says how a path is written.
func (r *run) owner(spell func(path string) string) *strings.Replacer {
	paths := slices.SortedFunc(maps.Keys(r.req.Given), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	var pairs []string
	for _, here := range paths {
		given := r.req.Given[here]
		pairs = append(pairs, mended(here), spell(mended(given)), here, spell(given))
	}
	return strings.NewReplacer(pairs...)
}

// stamp writes a time as the report and the catalog do.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999999Z07:00") }
