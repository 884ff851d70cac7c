package datasets

import (
	"context"
	"fmt"

	"github.com/terrapin-eo/terrapin/cube"
)

// seal takes the digests of what every sample touches.
func (p *plan) seal(ctx context.Context) error {
	pixels := func(s *sample, g *group) ([]string, error) {
		at := g.spot(s.window())
		return p.view.PixelDigests(ctx, at.Cell, p.homes.of(s).ids, at.Window)
	}
	return p.sealBy(pixels, p.labelDigests(ctx))
}

// lookUp returns the digests of the chunks that a sample touches.
type lookUp func(*sample) (*chunkDigests, error)

// labelDigests looks up the label raster's; there are none without labels.
func (p *plan) labelDigests(ctx context.Context) lookUp {
	if p.labels == nil {
		none, err := newChunkDigests([]string{})
		return func(*sample) (*chunkDigests, error) { return none, err }
	}
	edge := p.labels.ChunkEdge()
	digests := func(s *sample) ([]string, error) { return p.labels.ChunkDigests(ctx, s.window()) }
	return once(digests, func(s *sample) touched { return touched{tiles: tiles(s.window(), edge)} })
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

// mostRemembered bounds the bytes of digests that a look-up remembers.
const mostRemembered = 64 << 20

// once remembers what a look-up gave for samples that touch the same.
func once(digests func(*sample) ([]string, error), key func(*sample) touched) lookUp {
	known, held := map[touched]*chunkDigests{}, 0
	return func(s *sample) (*chunkDigests, error) {
		k := key(s)
		if d, ok := known[k]; ok {
			return d, nil
		}
		list, err := digests(s)
		if err != nil {
			return nil, err
		}
		d, err := newChunkDigests(list)
		if err != nil {
			return nil, err
		}
		if held += len(d.text); held > mostRemembered {
			clear(known)
			held = len(d.text)
		}
		known[k] = d
		return d, nil
	}
}

// pixelDigests looks up those of all groups, one group after the other.
func (p *plan) pixelDigests(of func(s *sample, g *group) ([]string, error)) lookUp {
	digests := func(s *sample) ([]string, error) {
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
	return once(digests, func(s *sample) touched {
		t := touched{home: s.home, tiles: tiles(s.window(), p.region.Group.ChunkSize())}
		for _, g := range p.groups[1:] {
			t.further += fmt.Sprint(tiles(coarser(s.window(), g.scale), g.region.Group.ChunkSize()))
		}
		return t
	})
}

// sealBy takes the root over the samples' leaves. The leaves themselves are made again where they are needed: a version of
// millions of samples would hold little else.
func (p *plan) sealBy(of func(s *sample, g *group) ([]string, error), label lookUp) error {
	pixels := p.pixelDigests(of)
	p.leaf = func(s *sample, l *leaf) (err error) {
		at := p.homes.of(s)
		*l = leaf{id: s.id, cell: at.cellText, slots: at.idsText, window: at.window(s), split: Splits()[s.split]}
		if l.pixels, err = pixels(s); err == nil {
			l.label, err = label(s)
		}
		return err
	}
	var leaves tree
	var l leaf
	var h hash
	var buf []byte
	for i := range p.samples {
		if err := p.leaf(&p.samples[i], &l); err != nil {
			return err
		}
		h, buf = l.hash(buf)
		leaves.add(h)
	}
	p.root = leaves.root()
	return nil
}
