package datasets

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/labels"
)

// plan is a recipe resolved against one snapshot and one label revision: everything a version is,
// before anything is written.
type plan struct {
	recipe Recipe
	view   *layout.View
	// groups are what samples have of each resolution that the features are of, the finest first.
	groups []group
	// region is the frame of the finest, in whose pixels samples are laid.
	region layout.Region
	reader *read.Reader
	// line is what all samples use together, homes where each one lies and what it uses.
	line   timeline
	homes  homes
	labels *labels.Revision // nil without labels

	samples  []sample // sorted by id
	counts   labelCounts
	leaf     func(*sample, *leaf) error // makes the leaf of a sample
	root     hash                       // over the leaves
	leakage  Leakage
	leftOut  map[string]int
	measured int // training samples behind stats
	shuffle  order.Shuffle
	digest   string
}

// resolve makes the plan of a recipe: pins, samples, splits, audit, statistics and digest, in this
// order.
func resolve(ctx context.Context, r Recipe, view *layout.View, rev *labels.Revision, reader *read.Reader) (*plan, error) {
	p := &plan{recipe: r, view: view, labels: rev, reader: reader, leftOut: map[string]int{}}
	if p.reader == nil {
		p.reader = read.New(read.Config{})
	}
	for _, step := range []func(context.Context) error{p.pin, p.place, p.seal, p.measure, p.train} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	var err error
	p.digest, err = digest(p.root, p.definitions())
	return p, err
}

// place lays the windows, splits and separates them, and audits the outcome.
func (p *plan) place(ctx context.Context) error {
	samples, err := p.layWindows()
	if err != nil {
		return err
	}
	if p.labels != nil {
		laid := len(samples)
		if samples, err = p.labelled(ctx, samples); err != nil {
			return err
		}
		p.leftOut["no_labelled_pixel"] = laid - len(samples)
		if len(samples) == 0 {
			return fault.New(fault.Precondition, "no window has a labelled pixel of set %s", p.labels.Set).
				WithCure("import labels that lie on cube %s", p.recipe.Cube)
		}
	}
	if err := assign(samples, p.region.Grid, p.recipe.Split); err != nil {
		return err
	}
	r, err := newRuler(p.region.Grid)
	if err != nil {
		return err
	}
	kept, dropped := separate(samples, r, p.recipe.Split.BufferMetres)
	if err := enough(samples, len(samples)-len(kept), p.recipe.Split); err != nil {
		return err
	}
	if err := filled(kept, samples, r, p.recipe.Split); err != nil {
		return err
	}
	p.leakage = audit(kept, p.region.Grid, r)
	p.leakage.Dropped = len(samples) - len(kept)
	for i, name := range Splits() {
		p.leakage.DroppedFrom[name] = dropped[i]
	}
	if err := p.leakage.check(p.recipe.Split); err != nil {
		return err
	}
	slices.SortFunc(kept, byID)
	p.samples = kept
	if p.region.Tiled() {
		p.line.slices = p.homes.used(kept)
		p.line.report.Slices, p.line.slots = len(p.line.slices), p.homes.slots(kept)
		return p.checkContracts()
	}
	return nil
}

func byID(a, b sample) int { return bytes.Compare(a.id[:], b.id[:]) }

// assign gives every sample the block of its centre and the block's split.
func assign(samples []sample, g cube.Grid, rule SplitRule) error {
	to, err := ground(g)
	if err != nil {
		return fault.New(fault.KindOf(err), "split blocks need positions in EPSG:6933: %w", err)
	}
	b := newBlocks(rule)
	splits := map[block]uint8{}
	for i := range samples {
		x, y, err := to(samples[i].window())
		if err != nil {
			return err
		}
		k := b.at(x, y)
		split, known := splits[k]
		if !known {
			split = b.split(k)
			splits[k] = split
		}
		samples[i].block, samples[i].split = k, split
	}
	return nil
}

// enough refuses a split that loses more than a fifth of the samples, unless the recipe allows it.
func enough(samples []sample, dropped int, rule SplitRule) error {
	if rule.AllowDrop || dropped*5 <= len(samples) {
		return nil
	}
	return fault.New(fault.Precondition, "%d of %d samples (%.0f %%) would be dropped because they share pixels with, or are nearer than %g m to, another split",
		dropped, len(samples), 100*float64(dropped)/float64(len(samples)), rule.BufferMetres).
		WithCure("set window.stride to window.size or more, make split.block_m larger or split.buffer_m smaller, or set split.allow_drop: true")
}

// filled refuses a version in which a split that should have samples has none. The cure names a salt
// that fills every split, if one of the first thousand does (up to jitter, which the salt moves too).
func filled(kept, samples []sample, r ruler, rule SplitRule) error {
	empty := emptySplits(kept, rule)
	if len(empty) == 0 {
		return nil
	}
	spots := map[block]bool{}
	for _, s := range samples {
		spots[s.block] = true
	}
	cure := "make split.block_m smaller, so that there are more blocks"
	if salt, found := fillingSalt(samples, r, rule); found {
		cure = fmt.Sprintf("set split.salt: %s, or %s", salt, cure)
	}
	return fault.New(fault.Precondition, "a split cannot be filled: %s would have no sample (%d samples in %d blocks of %g m)",
		strings.Join(empty, " and "), len(samples), len(spots), rule.BlockMetres).WithCure("%s", cure)
}

// mostTried bounds the search for a salt, in blocks and samples looked at: a refusal must not take long.
const mostTried = 4_000_000

// fillingSalt looks for a salt under which every split has samples, none too many of them dropped.
func fillingSalt(samples []sample, r ruler, rule SplitRule) (string, bool) {
	spots, known := []sample{}, map[block]bool{} // one sample of each block
	for _, s := range samples {
		if !known[s.block] {
			known[s.block] = true
			spots = append(spots, s)
		}
	}
	for salt, left := 0, mostTried; salt < 1000 && left > 0; salt++ {
		rule.Salt = fmt.Sprint(salt)
		left -= len(spots)
		if len(emptySplits(resplit(spots, rule), rule)) > 0 {
			continue
		}
		left -= len(samples)
		moved := resplit(samples, rule)
		kept, _ := separate(moved, r, rule.BufferMetres)
		if len(emptySplits(kept, rule)) == 0 && enough(moved, len(moved)-len(kept), rule) == nil {
			return rule.Salt, true
		}
	}
	return "", false
}

// resplit copies samples that know their blocks and gives them the splits of a rule.
func resplit(samples []sample, rule SplitRule) []sample {
	b, splits := newBlocks(rule), map[block]uint8{}
	out := make([]sample, len(samples))
	for i, s := range samples {
		split, known := splits[s.block]
		if !known {
			split = b.split(s.block)
			splits[s.block] = split
		}
		s.split = split
		out[i] = s
	}
	return out
}

func emptySplits(samples []sample, rule SplitRule) []string {
	counts := bySplit(samples)
	var empty []string
	for i, name := range Splits() {
		if rule.Fractions[i] > 0 && counts[i] == 0 {
			empty = append(empty, name)
		}
	}
	return empty
}

func (p *plan) definitions() definitions {
	g := p.region.Group
	d := definitions{
		Format: "td1", Recipe: p.recipe.doc(), Grid: p.region.Grid, DType: g.DType, Bands: p.groups[0].bands, Slots: p.line.slots,
		Statistics: p.groups[0].stats, Order: order.Algorithm, Nodata: cube.NumberOf(g.Nodata),
	}
	for _, g := range p.groups[1:] {
		of := g.region.Group
		d.Groups = append(d.Groups, groupDefinitions{Name: of.Name, Grid: g.region.Grid, DType: of.DType, Nodata: cube.NumberOf(of.Nodata), Bands: g.bands, Statistics: g.stats})
	}
	if p.shuffle != order.Uniform {
		d.Shuffle = p.shuffle.String()
	}
	d.Filter, d.Weights = p.recipe.Training.Filter, p.recipe.Training.Weights
	if d.draws() {
		d.Order = order.DrawnAlgorithm
	}
	for _, s := range p.line.slices {
		d.Contracts = append(d.Contracts, contractDoc{s.ID, s.Contract.Scale, s.Contract.Offset, s.Contract.Baseline})
	}
	if p.labels != nil {
		d.Labels = &labelDefinitions{DType: p.labels.DType, Ignore: cube.Number(p.labels.Ignore), Classes: classesOf(p.labels)}
	}
	return d
}

func classesOf(rev *labels.Revision) []Class {
	out := make([]Class, 0, len(rev.Classes))
	for _, c := range rev.Classes {
		out = append(out, Class{Value: c.Value, Name: c.Name})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Value < out[j].Value })
	return out
}

// split returns which samples are of a split, by id.
func (p *plan) split(index uint8) []uint32 {
	var out []uint32
	for i := range p.samples {
		if p.samples[i].split == index {
			out = append(out, uint32(i))
		}
	}
	return out
}

// all returns every sample as split does.
func (p *plan) all() []uint32 {
	out := make([]uint32, len(p.samples))
	for i := range out {
		out[i] = uint32(i)
	}
	return out
}

// amplification is how many pixels are decoded for each pixel of a sample if nothing is cached; a pixel counts for each
// of its resolution's bands.
func (p *plan) amplification() float64 { return p.amplificationOf(p.all()) }

func (p *plan) amplificationOf(samples []uint32) float64 {
	decoded, wanted := 0.0, 0.0
	for i := range p.groups {
		g := &p.groups[i]
		bands := float64(len(g.bands))
		for _, at := range samples {
			w := p.samples[at].window()
			decoded += bands * g.pixels(g.span(w))
			wanted += bands * float64(w.Height/g.scale*(w.Width/g.scale))
		}
	}
	return decoded / wanted
}
