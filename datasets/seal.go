package datasets

import (
	"context"
	"fmt"

	"github.com/terrapin-eo/terrapin/cube"
)

// seal takes the digests of what every sample touches.
func (p *plan) seal(ctx context.Context) error {
	pixels := func(s sample, g *group) ([]string, error) {
		at := g.spot(s.window)
		return p.view.PixelDigests(ctx, at.Cell, p.homes.of(s).ids, at.Window)
	}
	return p.sealBy(pixels, p.labelDigests(ctx))
}

// lookUp returns the digests of the chunks that a sample touches.
type lookUp func(sample) ([]string, error)

// labelDigests looks up the label raster's; nil without labels.
func (p *plan) labelDigests(ctx context.Context) lookUp {
	if p.labels == nil {
		return nil
	}
	edge := p.labels.ChunkEdge()
	digests := func(s sample) ([]string, error) { return p.labels.ChunkDigests(ctx, s.window) }
	return once(digests, func(s sample) touched { return touched{tiles: tiles(s.window, edge)} })
}

// tiles names the tiles of an edge that a window touches: from the first to the last.
func tiles(w cube.Window, edge int) cube.Window {
	return cube.Window{Row: w.Row / edge, Col: w.Col / edge, Height: (w.Row + w.Height - 1) / edge, Width: (w.Col + w.Width - 1) / edge}
}

// touched names what decides the digests of a sample.
type touched struct {
	home  int32
	tiles cube.Window
	// further names the tiles of further resolutions.
	further string
}

// once remembers what a look-up gave for samples that touch the same.
func once(digests lookUp, key func(sample) touched) lookUp {
	known := map[touched][]string{}
	return func(s sample) ([]string, error) {
		k := key(s)
		if d, ok := known[k]; ok {
			return d, nil
		}
		d, err := digests(s)
		if err == nil {
			known[k] = d
		}
		return d, err
	}
}

// pixelDigests looks up those of all groups, one group after the other.
func (p *plan) pixelDigests(of func(s sample, g *group) ([]string, error)) lookUp {
	digests := func(s sample) ([]string, error) {
		var out []string
		for i := range p.groups {
			d, err := of(s, &p.groups[i])
			if err != nil {
				return nil, err
			}
			out = append(out, d...)
		}
		return out, nil
	}
	return once(digests, func(s sample) touched {
		t := touched{home: s.home, tiles: tiles(s.window, p.region.Group.ChunkSize())}
		for _, g := range p.groups[1:] {
			t.further += fmt.Sprint(tiles(coarser(s.window, g.scale), g.region.Group.ChunkSize()))
		}
		return t
	})
}

// sealBy takes the digests of the samples' leaves; label may be nil. The leaves themselves are made again where they are
// needed: a version of millions of samples would hold little else.
func (p *plan) sealBy(of func(s sample, g *group) ([]string, error), label lookUp) error {
	pixels := p.pixelDigests(of)
	p.leaf = func(s sample) (leafDoc, error) {
		px, err := pixels(s)
		if err != nil {
			return leafDoc{}, err
		}
		at := p.homes.of(s)
		w := at.window(s)
		l := leafDoc{ID: s.id, Cell: at.cell, Row: w.Row, Col: w.Col, Height: w.Height, Width: w.Width,
			Slots: at.ids, Split: Splits()[s.split], Label: []string{}, Pixels: px}
		if label != nil {
			l.Label, err = label(s)
		}
		return l, err
	}
	p.hashes = make([]hash, 0, len(p.samples))
	for _, s := range p.samples {
		l, err := p.leaf(s)
		if err != nil {
			return err
		}
		h, err := l.hash()
		if err != nil {
			return err
		}
		p.hashes = append(p.hashes, h)
	}
	return nil
}
