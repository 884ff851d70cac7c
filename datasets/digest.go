package datasets

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/terrapin-eo/terrapin/cube"
)

// The domains of the td1 tree keep a leaf from being read as an inner node, and the other way round.
const (
	leafDomain = 0x00
	nodeDomain = 0x01
	rootDomain = 0x02
)

type hash = [sha256.Size]byte

// tree finds the root over leaves in order: neighbours are joined pairwise, level by level; the last of an odd number
// goes up unchanged. No leaves give the digest of nothing in the leaves' domain. It holds one hash of each level.
type tree struct {
	left  []hash // of the level i where bit i of count is set: of the last 2^i leaves before the lower levels
	count uint64
}

func (t *tree) add(h hash) {
	level := 0
	for ; t.count>>level&1 == 1; level++ {
		h = node(t.left[level], h)
	}
	if level == len(t.left) {
		t.left = append(t.left, hash{})
	}
	t.left[level] = h
	t.count++
}

func (t *tree) root() hash {
	if t.count == 0 {
		return sha256.Sum256([]byte{leafDomain})
	}
	var h hash
	for level, first := 0, true; level < len(t.left); level++ {
		switch {
		case t.count>>level&1 == 0:
		case first:
			h, first = t.left[level], false
		default:
			h = node(t.left[level], h)
		}
	}
	return h
}

// node is the inner node over two.
func node(left, right hash) hash {
	var buf [1 + 2*sha256.Size]byte
	buf[0] = nodeDomain
	copy(buf[1:], left[:])
	copy(buf[1+sha256.Size:], right[:])
	return sha256.Sum256(buf[:])
}

// definitions is everything that decides what samples mean, besides the samples: no name, no
// description, no snapshot, no place and no time of a commit.
type definitions struct {
	Format     string            `json:"format"`
	Recipe     recipeDoc         `json:"recipe"`
	Grid       cube.Grid         `json:"grid"`
	DType      cube.DType        `json:"dtype"`
	Nodata     *cube.Number      `json:"nodata"`
	Bands      []string          `json:"bands"`
	Slots      int               `json:"slots"`
	Contracts  []contractDoc     `json:"contracts"`
	Labels     *labelDefinitions `json:"labels"`
	Statistics []BandStats       `json:"statistics"`
	// Groups are the further resolutions, the finer first; versions of one resolution have none.
	Groups []groupDefinitions `json:"groups,omitempty"`
	// Order is the algorithm of the default order; older versions name order.Algorithm there whatever their shuffle.
	Order string `json:"order"`
	// Shuffle is the default where it is not uniform; versions that say nothing are shuffled uniformly.
	Shuffle string `json:"shuffle,omitempty"`
	// Filter and Weights are the defaults of the training split, in canonical form; versions without have neither key.
	Filter  string `json:"filter,omitempty"`
	Weights string `json:"weights,omitempty"`
}

// draws reports whether the default order is a drawn one.
func (d definitions) draws() bool { return d.Shuffle != "" || d.Filter != "" || d.Weights != "" }

// groupDefinitions are what definitions say of the first resolution, of a further one.
type groupDefinitions struct {
	Name       string       `json:"name"`
	Grid       cube.Grid    `json:"grid"`
	DType      cube.DType   `json:"dtype"`
	Nodata     *cube.Number `json:"nodata"`
	Bands      []string     `json:"bands"`
	Statistics []BandStats  `json:"statistics"`
}

// recipeDoc is the resolved recipe: every default filled in, times in UTC, no names.
type recipeDoc struct {
	Window    WindowRule `json:"window"`
	Time      timeDoc    `json:"time"`
	Values    Values     `json:"values"`
	Split     splitDoc   `json:"split"`
	Normalise bool       `json:"normalise"`
}

type timeDoc struct {
	Policy       Policy   `json:"policy"`
	At           *string  `json:"at"`
	Range        []string `json:"range"`
	Slots        int      `json:"slots"`
	Availability string   `json:"availability"`
}

type splitDoc struct {
	By       string  `json:"by"`
	Block    float64 `json:"block_m"`
	Buffer   float64 `json:"buffer_m"`
	Train    float64 `json:"train"`
	Validate float64 `json:"validate"`
	Test     float64 `json:"test"`
	Salt     string  `json:"salt"`
}

type contractDoc struct {
	Slice    cube.SliceID `json:"slice"`
	Scale    float64      `json:"scale"`
	Offset   float64      `json:"offset"`
	Baseline string       `json:"baseline"`
}

type labelDefinitions struct {
	DType   cube.DType  `json:"dtype"`
	Ignore  cube.Number `json:"ignore"`
	Classes []Class     `json:"classes"`
}

func (r Recipe) doc() recipeDoc {
	t := timeDoc{Policy: r.Time.Policy, Slots: r.Time.Slots, Availability: "ignore", Range: []string{}}
	if r.Time.Strict {
		t.Availability = "strict"
	}
	if r.Time.At != nil {
		at := stamp(*r.Time.At)
		t.At = &at
	}
	if r.Time.Range != nil {
		t.Range = []string{stamp(r.Time.Range[0]), stamp(r.Time.Range[1])}
	}
	f := r.Split.Fractions
	return recipeDoc{
		Window: r.Window, Time: t, Values: r.Values, Normalise: r.Normalise,
		Split: splitDoc{By: "block", Block: r.Split.BlockMetres, Buffer: r.Split.BufferMetres, Train: f[0], Validate: f[1], Test: f[2], Salt: r.Split.Salt},
	}
}

// digest joins the root over the samples and the definitions into "td1:" and 64 hex digits.
func digest(root hash, d definitions) (string, error) {
	text, err := cube.Canonical(d)
	if err != nil {
		return "", err
	}
	buf := append([]byte{rootDomain}, root[:]...)
	sum := sha256.Sum256(append(buf, text...))
	return "td1:" + hex.EncodeToString(sum[:]), nil
}

// part is one definition in canonical form.
type part struct{ name, text string }

// parts lists the definitions one by one, for comparing.
func (d definitions) parts() []part {
	var out []part
	for _, p := range []struct {
		name  string
		value any
	}{
		{"window", d.Recipe.Window}, {"time", d.Recipe.Time}, {"values", d.Recipe.Values}, {"split", d.Recipe.Split},
		{"normalise", d.Recipe.Normalise}, {"grid", d.Grid}, {"dtype", d.DType}, {"nodata", d.Nodata}, {"bands", d.Bands}, {"slots", d.Slots},
		{"contracts", d.Contracts}, {"labels", d.Labels}, {"statistics", d.Statistics}, {"groups", d.Groups}, {"order", d.Order}, {"shuffle", d.Shuffle},
		{"filter", d.Filter}, {"weights", d.Weights},
	} {
		text, err := cube.Canonical(p.value)
		if err != nil {
			text = []byte(err.Error())
		}
		out = append(out, part{p.name, string(text)})
	}
	return out
}
