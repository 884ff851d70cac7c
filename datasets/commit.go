package datasets

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/commit"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/labels"
	"github.com/terrapin-eo/terrapin/store"
)

// commitDoc is commit.json: written last, it makes the version exist.
type commitDoc struct {
	commit.Head

	Description string      `json:"description,omitempty"`
	Cube        string      `json:"cube"`
	Snapshot    string      `json:"snapshot"`
	Tag         string      `json:"tag"`
	Definitions definitions `json:"definitions"`
	// Cell is the path of the cube's only cell, or the resolution whose cells the samples lie in.
	Cell      string `json:"cell"`
	BandIndex []int  `json:"band_index"`
	// Drawn is the algorithm of orders with a filter, weights or a window; versions of older releases do not say, which
	// means order.DrawnByChunk.
	Drawn string `json:"drawn,omitempty"`
	// Groups are the further resolutions, in the order of Definitions.Groups.
	Groups []groupPinDoc `json:"groups,omitempty"`
	Slices []PinnedSlice `json:"slices"`
	Labels *labelPinDoc  `json:"labels"`
	// Files are the SHA-256, in hex, of the objects beside this one.
	Files  map[string]string `json:"files"`
	Report Report            `json:"report"`
}

type groupPinDoc struct {
	Cell      string `json:"cell"`
	BandIndex []int  `json:"band_index"`
}

type labelPinDoc struct {
	Set      string `json:"set"`
	Revision string `json:"revision"`
	Digest   string `json:"digest"`
}

// kind is what commit.json says it commits.
const kind = "dataset"

// The objects of a version, below datasets/NAME/vN/, beside its commit.json.
const (
	manifestFile = "manifest.parquet"
	indexFile    = "samples.idx"
	recipeFile   = "recipe.yaml"
)

// Commit makes a version of a recipe, or finds the one that has its digest. Nothing of a version is
// visible before its commit.json is written; what an interrupted commit leaves behind is used by the
// next one if it is the same, and passed over if not.
func Commit(ctx context.Context, cfg Config, recipe []byte, actor string) (Report, error) {
	r, err := ParseRecipe(recipe)
	if err != nil {
		return Report{}, err
	}
	c, view, rev, err := pins(ctx, cfg, r)
	if err != nil {
		return Report{}, err
	}
	p, err := resolve(ctx, r, view, rev, cfg.Reader)
	if err != nil {
		return Report{}, fault.New(fault.KindOf(err), "commit dataset %s: %w", r.Name, err)
	}
	w := writer{cfg: cfg, cube: c, plan: p, recipe: recipe, actor: actor}
	report, err := w.commit(ctx)
	if err != nil {
		return Report{}, fault.New(fault.KindOf(err), "commit dataset %s: %w", r.Name, err)
	}
	return report, nil
}

// pins opens what the recipe names as it is now.
func pins(ctx context.Context, cfg Config, r Recipe) (*layout.Cube, *layout.View, *labels.Revision, error) {
	c, err := cfg.Cube(ctx, r.Cube)
	if err != nil {
		return nil, nil, nil, r.cubeAt.unknown(err)
	}
	view, err := c.At(ctx, "")
	if err != nil || r.Labels == "" {
		return c, view, nil, err
	}
	rev, err := labels.Open(ctx, cfg.Root, r.Labels, "")
	return c, view, rev, r.labelsAt.unknown(err)
}

// writer writes one version.
type writer struct {
	cfg    Config
	cube   *layout.Cube
	plan   *plan
	recipe []byte
	actor  string
}

func (w *writer) commit(ctx context.Context) (Report, error) {
	name, first := w.plan.recipe.Name, 1
	for {
		// Looked up again after every lost race: the winner may have committed this very digest.
		known, err := versions(ctx, w.cfg.Root, name)
		if err != nil {
			return Report{}, err
		}
		for _, v := range known {
			if v.Digest == w.plan.digest {
				v.Report.Created = false
				return v.Report, nil
			}
			first = max(first, versionNumber(v.Revision)+1)
		}
		report, err := w.write(ctx, first, known)
		if !errors.Is(err, errTaken) {
			return report, err
		}
		first++
	}
}

// errTaken: the number is used by a leftover or by somebody else's commit.
var errTaken = fault.New(fault.Conflict, "version number is taken")

// write writes the version under a number: manifest, index and recipe, then the tag, then commit.json.
// Each of them claims the number; where another content has claimed it, errTaken comes back.
func (w *writer) write(ctx context.Context, number int, known []commitDoc) (Report, error) {
	p, doc := w.plan, w.document(number)
	b := w.cfg.Root.Sub(folder(doc.Name, doc.Revision))
	files := map[string]fileSum{}
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{manifestFile, func(out io.Writer) error { return p.manifest(out, collectionID(doc.Name, doc.Revision)) }},
		{indexFile, func(out io.Writer) error { return writeIndex(out, p.samples, &p.homes) }},
		{recipeFile, verbatim(w.recipe)},
	} {
		made, err := claim(ctx, b, f.name, f.write)
		if err != nil {
			return Report{}, err
		}
		files[f.name], doc.Files[f.name] = made, made.sum
	}
	doc.Report = w.report(doc)
	collection, err := p.collection(doc, files, known)
	if err != nil {
		return Report{}, err
	}
	doc.STAC = commit.STAC{Collections: []json.RawMessage{collection}, Items: []json.RawMessage{}}
	if err := w.cube.Tag(ctx, doc.Tag, doc.Snapshot); err != nil {
		if fault.Is(err, fault.Conflict) {
			return Report{}, errTaken
		}
		return Report{}, err
	}
	if err := commit.Write(ctx, w.cfg.Root, folder(doc.Name, doc.Revision), &doc); err != nil {
		if errors.Is(err, store.ErrConflict) {
			return Report{}, errTaken
		}
		return Report{}, err
	}
	return doc.Report, nil
}

// document is commit.json but for what the files beside it say.
func (w *writer) document(number int) commitDoc {
	p := w.plan
	now := time.Now
	if w.cfg.Now != nil {
		now = w.cfg.Now
	}
	doc := commitDoc{
		Head: commit.Head{
			Kind: kind, Name: p.recipe.Name, Revision: fmt.Sprintf("v%d", number), Digest: p.digest, Actor: w.actor, Created: now().UTC(),
		},
		Description: p.recipe.Description, Cube: p.recipe.Cube, Snapshot: p.view.Snapshot(), Definitions: p.definitions(), Cell: p.region.Name, BandIndex: p.groups[0].index,
		Drawn: order.DrawnAlgorithm, Files: map[string]string{},
	}
	for _, g := range p.groups[1:] {
		doc.Groups = append(doc.Groups, groupPinDoc{Cell: g.region.Name, BandIndex: g.index})
	}
	doc.Tag = "datasets/" + doc.Name + "/" + doc.Revision
	for _, s := range p.line.slices {
		doc.Slices = append(doc.Slices, PinnedSlice{ID: s.ID, Time: s.Time, Item: s.Item, Contract: s.Contract})
	}
	if p.labels != nil {
		doc.Labels = &labelPinDoc{Set: p.labels.Set, Revision: p.labels.Revision, Digest: p.labels.Digest}
	}
	return doc
}

func (w *writer) report(doc commitDoc) Report {
	p := w.plan
	r := Report{
		Dataset: doc.Name, Version: doc.Revision, Created: true, Digest: doc.Digest, Samples: map[string]int{},
		Leakage: p.leakage, Collection: collectionID(doc.Name, doc.Revision), Cube: doc.Cube, Snapshot: doc.Snapshot,
		Time: p.line.report, LeftOut: p.leftOut, StatisticsSamples: p.measured, Statistics: p.statistics(),
		ReadAmplification: p.amplification(), Shuffle: p.shuffle.String(), Orders: p.orders(),
		Filter: p.recipe.Training.Filter, Weights: p.recipe.Training.Weights,
	}
	for i, n := range bySplit(p.samples) {
		r.Samples[Splits()[i]] = n
	}
	if doc.Labels != nil {
		r.Labels = &LabelReport{Set: doc.Labels.Set, Revision: doc.Labels.Revision, Digest: doc.Labels.Digest}
	}
	if p.line.report.Cutoff == "no cut-off" {
		r.Notes = append(r.Notes, "no cut-off: the recipe gives no time.at and no time.range, so samples use every scene up to the newest")
	}
	if p.line.report.Availability == "ignore" {
		r.Notes = append(r.Notes, "time.availability is ignore: scenes count from their acquisition, even if they were published later")
	}
	if len(p.groups) > 1 {
		r.Notes = append(r.Notes, p.imagesNote())
	}
	r.Notes = append(r.Notes, p.orderNotes(r)...)
	return r
}

// chunkFor is the power of two nearest above a window's size: at worst four chunks are touched.
func chunkFor(size int) int {
	chunk := 16
	for chunk < size {
		chunk *= 2
	}
	return chunk
}

func folder(name, version string) string { return "datasets/" + name + "/" + version }

func collectionID(name, version string) string { return "dataset-" + name + "-" + version }

// version makes what users hold of a commit.
func (d commitDoc) version(root *store.Bucket) (*Version, error) {
	def := d.Definitions
	v := &Version{
		Name: d.Name, Version: d.Revision, Digest: d.Digest, Cube: d.Cube, Snapshot: d.Snapshot, Cell: d.Cell,
		Grid: def.Grid, DType: def.DType, Nodata: (*float64)(def.Nodata), Bands: def.Bands, BandIndex: d.BandIndex, Slots: def.Slots,
		Size: def.Recipe.Window.Size, Values: def.Recipe.Values, Normalise: def.Recipe.Normalise, Stats: def.Statistics,
		Slices: d.Slices, Order: def.Order, Drawn: cmp.Or(d.Drawn, order.DrawnByChunk), Created: d.Created, Actor: d.Actor, Report: d.Report, root: root, commit: d,
	}
	if d.Labels != nil && def.Labels != nil {
		v.Labels = &LabelPin{Set: d.Labels.Set, Revision: d.Labels.Revision, Digest: d.Labels.Digest,
			DType: def.Labels.DType, Ignore: float64(def.Labels.Ignore), Classes: def.Labels.Classes}
	}
	if len(d.Groups) != len(def.Groups) {
		return nil, fault.New(fault.Corrupt, "dataset %s: commit.json places %d of its %d further resolutions", v.Ref(), len(d.Groups), len(def.Groups))
	}
	for i, g := range def.Groups {
		of := Group{Name: g.Name, Cell: d.Groups[i].Cell, Grid: g.Grid, DType: g.DType, Nodata: (*float64)(g.Nodata), Bands: g.Bands, BandIndex: d.Groups[i].BandIndex, Stats: g.Statistics}
		if of.Scale = def.Grid.Width / max(1, g.Grid.Width); of.Scale < 2 || of.Scale*g.Grid.Width != def.Grid.Width || v.Size%of.Scale != 0 {
			return nil, fault.New(fault.Corrupt, "dataset %s: windows of %d pixels are not whole pixels of %s", v.Ref(), v.Size, g.Name)
		}
		v.Groups = append(v.Groups, of)
	}
	v.Shuffle = order.Uniform
	if def.Shuffle != "" {
		var err error
		if v.Shuffle, err = order.ParseShuffle(def.Shuffle); err != nil {
			return nil, fault.New(fault.Unsupported, "dataset %s: %w", v.Ref(), err).WithCure("use a newer release")
		}
	}
	for _, name := range []string{def.Order, v.Drawn} {
		if name != order.Algorithm && !slices.Contains(order.DrawnAlgorithms(), name) {
			return nil, fault.New(fault.Unsupported, "dataset %s has order %q, which this release does not know", v.Ref(), name).
				WithCure("use a newer release")
		}
	}
	if v.Drawn == order.Algorithm || def.Order != order.Algorithm && (!def.draws() || def.Order != v.Drawn) {
		return nil, fault.New(fault.Corrupt, "dataset %s: its default order %s is %q, and its drawn ones are %q", v.Ref(), v.Shuffle, def.Order, v.Drawn).
			WithCure("restore commit.json from a backup, or commit the recipe again")
	}
	return v, nil
}

// versionNumber reads "v12" as 12; anything else is 0.
func versionNumber(version string) int {
	var n int
	if _, err := fmt.Sscanf(version, "v%d", &n); err != nil || version != fmt.Sprintf("v%d", n) || n < 1 {
		return 0
	}
	return n
}

func splitRef(ref string) (name, version string) {
	name, version, _ = strings.Cut(ref, "@")
	return name, version
}
