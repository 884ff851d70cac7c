package datasets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/labels"
)

// Verification is the document of `dataset verify`.
type Verification struct {
	Dataset string `json:"dataset"`
	Version string `json:"version"`
	OK      bool   `json:"ok"`
	// Digest is the recorded one, Recomputed what the pixels and labels give now ("" where they
	// cannot be read).
	Digest     string `json:"digest"`
	Recomputed string `json:"recomputed"`
	// Samples and Chunks count what was checked; a chunk is image and validity of one slice.
	Samples  int       `json:"samples"`
	Chunks   int       `json:"chunks"`
	Problems []Problem `json:"problems"`
}

// Problem is something of a version that is not what was committed.
type Problem struct {
	Object string `json:"object"`
	Reason string `json:"reason"`
	Cure   string `json:"cure"`
}

// Verify recomputes the digest of a version from its samples, the label raster and the pixels, all of
// which are read and decoded anew at the pinned snapshot. What does not agree is a problem in the
// document; an error means that nothing can be said.
func Verify(ctx context.Context, cfg Config, ref string) (Verification, error) {
	v, err := Open(ctx, cfg.Root, ref)
	if err != nil {
		return Verification{}, err
	}
	out := Verification{Dataset: v.Name, Version: v.Version, Digest: v.Digest, Problems: []Problem{}}
	for _, check := range []func(context.Context, Config, *Version) error{out.files, out.content} {
		err := check(ctx, cfg, v)
		switch fault.KindOf(err) {
		case fault.Corrupt, fault.NotFound:
			out.problem(v.Ref(), err.Error(), fault.CureOf(err))
		default:
			if err != nil {
				return Verification{}, fault.New(fault.KindOf(err), "verify %s: %w", v.Ref(), err)
			}
		}
	}
	if out.Recomputed != "" && out.Recomputed != out.Digest {
		out.problem(v.Ref(), "the digest of what is there differs from the recorded one", "")
	}
	out.OK = len(out.Problems) == 0
	return out, nil
}

func (o *Verification) problem(object, reason, cure string) {
	if cure == "" {
		cure = "restore the data directory from a backup; `terrapin store fsck` names damaged objects"
	}
	o.Problems = append(o.Problems, Problem{object, reason, cure})
}

// files compares the objects of the version with the checksums in its commit.
func (o *Verification) files(ctx context.Context, cfg Config, v *Version) error {
	for _, name := range []string{manifestFile, indexFile, recipeFile} {
		key := folder(v.Name, v.Version) + "/" + name
		sum, err := checksum(ctx, cfg.Root, key)
		if err != nil {
			return err
		}
		if sum != v.commit.Files[name] {
			o.problem(key, "the checksum differs from the recorded one", "")
		}
	}
	return v.index.check()
}

// content recomputes the digest.
func (o *Verification) content(ctx context.Context, cfg Config, v *Version) error {
	p, err := v.replan(ctx, cfg)
	if err != nil {
		return err
	}
	o.Samples = len(p.samples)
	proof := prover{plan: p, chunks: map[chunkKey][2]string{}}
	pixels := func(s *sample, g *group) ([]string, error) { return proof.digests(ctx, s, g) }
	if err := p.sealBy(pixels, p.labelDigests(ctx)); err != nil {
		return err
	}
	o.Chunks = len(proof.chunks)
	if err := p.measure(ctx); err != nil {
		return err
	}
	now := p.definitions()
	now.Recipe, now.Order = v.commit.Definitions.Recipe, v.commit.Definitions.Order
	if differ := changedDefinitions(v.commit.Definitions, now); len(differ) > 0 {
		o.problem(v.Ref(), fmt.Sprintf("recomputed definitions differ: %v", differ), "")
	}
	o.Recomputed, err = digest(p.root, now)
	return err
}

// replan is the plan of a version as its commit and index have it, over the pinned inputs.
func (v *Version) replan(ctx context.Context, cfg Config) (*plan, error) {
	c, err := cfg.Cube(ctx, v.Cube)
	if err != nil {
		return nil, err
	}
	p := &plan{shuffle: v.Shuffle, reader: read.New(read.Config{})} // a cache of its own: what others decoded proves nothing
	if p.view, err = c.At(ctx, v.Snapshot); err != nil {
		return nil, err
	}
	p.recipe.Window.Size, p.recipe.Values, p.recipe.Normalise = v.Size, v.Values, v.Normalise
	p.recipe.Training.Filter, p.recipe.Training.Weights = v.commit.Definitions.Filter, v.commit.Definitions.Weights
	groups := append([]Group{{Cell: v.Cell, Scale: 1, Bands: v.Bands, BandIndex: v.BandIndex}}, v.Groups...)
	for _, g := range groups {
		r, err := p.view.Region(g.Cell)
		if err != nil {
			return nil, err
		}
		p.groups = append(p.groups, group{region: r, scale: g.Scale, bands: g.Bands, index: g.BandIndex})
	}
	p.region = p.groups[0].region
	p.homes = homes{plan: p}
	p.line.slots = v.Slots
	for _, pinned := range v.Slices {
		s, ok := p.view.Lookup(pinned.ID)
		if !ok {
			return nil, fault.New(fault.Corrupt, "slice %s (%s) is not in snapshot %s", pinned.ID, pinned.Item, v.Snapshot)
		}
		p.line.slices = append(p.line.slices, s)
	}
	if v.Labels != nil {
		if p.labels, err = labels.Open(ctx, cfg.Root, v.Labels.Set, v.Labels.Revision); err != nil {
			return nil, err
		}
	}
	for i, name := range Splits() {
		split, err := v.Split(name)
		if err != nil {
			return nil, err
		}
		for k := range split.Len() {
			there, err := split.At(k)
			if err != nil {
				return nil, err
			}
			s, err := p.homes.recall(there)
			if err != nil {
				return nil, err
			}
			s.split = uint8(i)
			p.samples = append(p.samples, s)
		}
	}
	slices.SortFunc(p.samples, byID)
	return p, nil
}

// prover digests chunks from their decoded pixels, each once.
type prover struct {
	plan   *plan
	chunks map[chunkKey][2]string
}

type chunkKey struct {
	slice  cube.SliceID
	cell   string
	cy, cx int
}

// digests is layout's PixelDigests, from pixels instead of from the records.
func (p *prover) digests(ctx context.Context, s *sample, g *group) ([]string, error) {
	edge := g.region.Group.ChunkSize()
	parts := g.region.Parts(coarser(s.window(), g.scale))
	var out []string
	for _, id := range p.plan.homes.of(s).ids {
		for _, part := range parts {
			if _, _, ok := p.plan.view.Slice(part.Cell, id); !ok {
				continue // the slice does not reach the cell
			}
			var image, valid []string
			for cy := part.Window.Row / edge; cy*edge < part.Window.Row+part.Window.Height; cy++ {
				for cx := part.Window.Col / edge; cx*edge < part.Window.Col+part.Window.Width; cx++ {
					d, err := p.chunk(ctx, chunkKey{id, part.Cell, cy, cx}, part.Grid, g.region.Group)
					if err != nil {
						return nil, err
					}
					image, valid = append(image, d[0]), append(valid, d[1])
				}
			}
			out = append(append(out, image...), valid...)
		}
	}
	return out, nil
}

func (p *prover) chunk(ctx context.Context, k chunkKey, grid cube.Grid, g layout.Group) ([2]string, error) {
	if d, ok := p.chunks[k]; ok {
		return d, nil
	}
	d, err := p.decode(ctx, k, grid, g)
	if err == nil {
		p.chunks[k] = d
	}
	return d, err
}

// decode reads a chunk: the image with all bands at once, the validity band by band, since a read
// joins the validity of the bands it is asked for.
func (p *prover) decode(ctx context.Context, k chunkKey, grid cube.Grid, g layout.Group) ([2]string, error) {
	edge := g.ChunkSize()
	w := cube.Window{Row: k.cy * edge, Col: k.cx * edge, Height: edge, Width: edge}.Intersect(grid.All())
	pixels := w.Height * w.Width
	q := read.Request{Cell: k.cell, Slices: []cube.SliceID{k.slice}, Window: w}
	image, valid := make([]byte, len(g.Bands)*pixels*g.DType.Size()), make([]byte, pixels)
	if err := p.plan.reader.Read(ctx, p.plan.view, q, image, valid); err != nil {
		return [2]string{}, err
	}
	imageSum, validHash := sha256.Sum256(image), sha256.New()
	plane := make([]byte, pixels*g.DType.Size())
	for b := range g.Bands {
		q.Bands = []int{b}
		if err := p.plan.reader.Read(ctx, p.plan.view, q, plane, valid); err != nil {
			return [2]string{}, err
		}
		validHash.Write(valid)
	}
	return [2]string{hex.EncodeToString(imageSum[:]), hex.EncodeToString(validHash.Sum(nil))}, nil
}
