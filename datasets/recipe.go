package datasets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// Recipe says what a dataset version is made of, with every default filled in.
type Recipe struct {
	Name        string
	Description string
	Cube        string
	// Features are the names of bands in the wanted order, of one resolution or several; none means all bands of the
	// cube's first resolution.
	Features []string
	// Labels is a label set, or "" for a set without labels.
	Labels    string
	Window    WindowRule
	Time      TimeRule
	Values    Values
	Split     SplitRule
	Normalise bool
	Training  Training

	// Where things stand that are looked up later, for errors.
	features         []place
	cubeAt, labelsAt place
	windowAt         [3]place // of size, stride and jitter
}

// WindowRule says how windows are laid over the grid, in pixels of the finest resolution of the features.
type WindowRule struct {
	Size   int `json:"size"`
	Stride int `json:"stride"`
	// Jitter moves every window by up to this many pixels, drawn from its id.
	Jitter int `json:"jitter"`
}

// Policy says which slices a sample uses.
type Policy string

// The time policies. All of them look at slices acquired and available by the reference time.
const (
	All    Policy = "all"    // every slice
	Latest Policy = "latest" // the newest ones, as many as there are slots
	Range  Policy = "range"  // those acquired within a range
)

// TimeRule says which slices samples use and what they must not know yet.
type TimeRule struct {
	Policy Policy
	At     *time.Time
	Range  *[2]time.Time // both ends included
	// Slots is the number of time slots, or 0 for as many as there are slices (one under Latest).
	Slots int
	// Strict counts a slice only from when it was available; else from its acquisition.
	Strict bool
}

// SplitRule says how blocks on the ground become splits.
type SplitRule struct {
	BlockMetres  float64
	BufferMetres float64
	Fractions    [3]float64 // in the order of Splits
	Salt         string
	AllowDrop    bool
}

// unbuilt are keys of the design that this release does not build, by object and key.
var unbuilt = map[string]string{
	"time.max_cloud": "selection by cloud cover", "sources": "several cubes in one recipe",
}

// ParseRecipe reads a recipe. A misspelt key, one that is not built yet or a value out of bounds is
// refused with its line and column.
func ParseRecipe(data []byte) (Recipe, error) {
	in := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := in.Decode(&doc)
	if err != nil && !errors.Is(err, io.EOF) {
		return Recipe{}, fault.New(fault.Invalid, "recipe: %w", err).WithCure("the recipe must be a YAML mapping")
	}
	if err != nil || len(doc.Content) == 0 {
		return Recipe{}, fault.New(fault.Invalid, "the recipe is empty").WithCure("give at least name, cube, window and split")
	}
	d := &decoder{}
	r := d.recipe(doc.Content[0])
	switch err := in.Decode(&more); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return Recipe{}, fault.New(fault.Invalid, "recipe: %w", err).WithCure("the recipe must be one YAML mapping")
	default:
		d.fail(placeOf(&more), fault.Invalid, "a second document begins here, and a recipe is one", "commit it from a file of its own")
	}
	return r, d.err
}

func (d *decoder) recipe(n *yaml.Node) Recipe {
	o := d.object(n, "", "name", "description", "cube", "features", "labels", "window", "time", "values", "split", "normalise", "filter", "weights", "shuffle")
	r := Recipe{Name: o.text("name"), Description: o.text("description"), Cube: o.text("cube"), Labels: o.text("labels")}
	r.cubeAt, r.labelsAt = o.value("cube"), o.value("labels")
	o.need("name", "cube", "window", "split")
	d.name(o, "name", "dataset", r.Name)
	d.name(o, "cube", "cube", r.Cube)
	d.name(o, "labels", "label set", r.Labels)
	r.Features, r.features = d.featureList(o)
	window := o.child("window", "size", "stride", "jitter")
	r.Window, r.windowAt = d.window(window), [3]place{window.value("size"), window.value("stride"), window.value("jitter")}
	r.Time = d.time(o.child("time", "policy", "at", "range", "slots", "availability"))
	r.Values = Values(o.choice("values", string(Raw), string(Physical)))
	r.Split = d.split(o.child("split", "by", "block_m", "buffer_m", "train", "validate", "test", "salt", "allow_drop"))
	if norm := o.child("normalise", "per", "from"); norm.there() {
		norm.choice("per", "band")
		norm.choice("from", "train")
		r.Normalise = true
	}
	r.Training = d.training(o)
	return r
}

func (d *decoder) name(o object, key, what, name string) {
	if name == "" && o.fields[key] == nil {
		return
	}
	if err := cube.CheckName(what, name); err != nil {
		d.fail(o.at(key), fault.Invalid, err.Error(), fault.CureOf(err))
	}
}

// expression tells what can be no band but a feature: a version, a call or an operator.
var expression = regexp.MustCompile(`[@()+*/,<>= ]|_\d+d$`)

func (d *decoder) featureList(o object) ([]string, []place) {
	n := o.fields["features"]
	if n == nil {
		return nil, nil
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		d.fail(placeOf(n), fault.Invalid, "features must be a list of band names", "write features: [B02, B03], or leave the key out for all bands")
		return nil, nil
	}
	var names []string
	var places []place
	seen := map[string]bool{}
	for _, e := range n.Content {
		name := d.scalar(e, "a band name")
		switch {
		case expression.MatchString(name):
			d.fail(placeOf(e), fault.Unsupported, fmt.Sprintf("feature %q: features other than band names are not built yet", name), "name bands of the cube")
		case seen[name]:
			d.fail(placeOf(e), fault.Invalid, fmt.Sprintf("feature %q is there twice", name), "name each band once")
		}
		seen[name] = true
		names, places = append(names, name), append(places, placeOf(e))
	}
	return names, places
}

func (d *decoder) window(o object) WindowRule {
	o.need("size")
	const most = 1 << 15
	w := WindowRule{Size: o.integer("size", 1, most, 0)}
	w.Stride = o.integer("stride", 1, most, w.Size)
	w.Jitter = o.integer("jitter", 0, most, 0)
	return w
}

func (d *decoder) time(o object) TimeRule {
	r := TimeRule{Policy: Policy(o.choice("policy", string(All), string(Latest), string(Range)))}
	r.Strict = o.choice("availability", "strict", "ignore") == "strict"
	r.Slots = o.integer("slots", 1, 100_000, 0)
	if n := o.fields["at"]; n != nil {
		t := d.moment(n, true)
		r.At = &t
	}
	n := o.fields["range"]
	switch {
	case n != nil && (n.Kind != yaml.SequenceNode || len(n.Content) != 2):
		d.fail(placeOf(n), fault.Invalid, "time.range must be two times", "write range: [2021-01-01, 2021-12-31]")
	case n != nil && r.Policy != Range:
		d.fail(o.at("range"), fault.Invalid, fmt.Sprintf("time.range has no meaning under policy %q", r.Policy), "write policy: range")
	case n == nil && r.Policy == Range:
		d.fail(o.at("policy"), fault.Invalid, "time.policy range needs time.range", "write range: [2021-01-01, 2021-12-31]")
	case n != nil:
		span := [2]time.Time{d.moment(n.Content[0], false), d.moment(n.Content[1], true)}
		if span[1].Before(span[0]) {
			d.fail(placeOf(n), fault.Invalid, "time.range ends before it begins", "put the earlier time first")
		}
		r.Range = &span
	}
	return r
}

func (d *decoder) split(o object) SplitRule {
	o.need("block_m")
	o.choice("by", "block")
	s := SplitRule{Salt: "1"}
	s.BlockMetres = o.number("block_m", 0)
	s.BufferMetres = o.number("buffer_m", 0)
	if n := o.fields["salt"]; n != nil {
		s.Salt = d.scalar(n, "split.salt: a number or word")
	}
	s.AllowDrop = o.boolean("allow_drop")
	// Below a metre or beyond a thousandth of the globe, rows and columns of blocks lose their meaning.
	if n := o.fields["block_m"]; n != nil && (s.BlockMetres < 1 || s.BlockMetres > 1_000_000) {
		d.fail(placeOf(n), fault.Invalid, fmt.Sprintf("split.block_m %g is not between 1 and 1000000", s.BlockMetres), "give the edge of a block in metres")
	}
	if n := o.fields["buffer_m"]; n != nil && (s.BufferMetres < 0 || s.BufferMetres > 1_000_000) {
		d.fail(placeOf(n), fault.Invalid, fmt.Sprintf("split.buffer_m %g is not between 0 and 1000000", s.BufferMetres), "give a distance in metres")
	}
	s.Fractions = d.fractions(o)
	return s
}

func (d *decoder) fractions(o object) [3]float64 {
	out, given, sum := [3]float64{}, false, 0.0
	for i, name := range Splits() {
		n := o.fields[name]
		if n == nil {
			continue
		}
		given = true
		out[i] = o.number(name, 0)
		if out[i] < 0 || out[i] > 1 || math.IsNaN(out[i]) {
			d.fail(placeOf(n), fault.Invalid, fmt.Sprintf("split.%s %g is not between 0 and 1", name, out[i]), "give the share of the blocks")
		}
		sum += out[i]
	}
	if !given {
		return [3]float64{0.7, 0.15, 0.15}
	}
	if math.Abs(sum-1) > 1e-9 {
		d.fail(o.place, fault.Invalid, fmt.Sprintf("the fractions train %g, validate %g and test %g add up to %.9g", out[0], out[1], out[2], sum), "make them add up to 1")
	}
	return out
}
