package datasets

import (
	"context"
	"encoding/hex"
	"math"
	"sort"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
)

// maxMeasured bounds how many training samples the statistics are taken from.
const maxMeasured = 10_000

// measured returns which training samples the statistics are taken from: the first ones of the keyed
// order whose digest is the root over the samples, in the order of their ids.
func measured(train []uint32, root hash) []uint32 {
	if len(train) <= maxMeasured {
		return train
	}
	o := order.New(hex.EncodeToString(root[:]), "statistics", uint64(len(train)), 0, 0, true)
	picks := make([]uint64, maxMeasured)
	for i := range picks {
		picks[i] = o.At(uint64(i))
	}
	sort.Slice(picks, func(i, j int) bool { return picks[i] < picks[j] })
	out := make([]uint32, 0, maxMeasured)
	for _, i := range picks {
		out = append(out, train[i])
	}
	return out
}

// measure takes the statistics of the training split over valid pixels, resolution by resolution: sample by sample in the
// order of ids, slot by slot, and in a slot row by row, merged one after another.
func (p *plan) measure(ctx context.Context) error {
	samples := measured(p.split(0), p.root)
	p.measured = len(samples)
	for i := range p.groups {
		if err := p.measureGroup(ctx, samples, &p.groups[i]); err != nil {
			return err
		}
	}
	return p.checkStats()
}

func (p *plan) measureGroup(ctx context.Context, samples []uint32, g *group) error {
	size := p.recipe.Window.Size / g.scale
	slot := len(g.index) * size * size * g.dtype().Size()
	image, valid := make([]byte, p.homes.longest()*slot), make([]byte, p.homes.longest()*size*size)
	total := make([]moments, len(g.bands))
	for _, index := range samples {
		s := &p.samples[index]
		at := p.homes.of(s)
		image, valid := image[:len(at.ids)*slot], valid[:len(at.ids)*size*size]
		if err := p.reader.Read(ctx, p.view, g.request(at.ids, s.window()), image, valid); err != nil {
			return fault.New(fault.KindOf(err), "read sample %s for the statistics: %w", s.id, err)
		}
		g.tally(total, p.recipe.Values, at.slices, image, valid, size*size)
	}
	for i, band := range g.bands {
		g.stats = append(g.stats, total[i].stats(band))
	}
	return nil
}

// tally adds the valid pixels of one sample.
func (g *group) tally(total []moments, kind Values, slices []cube.Slice, image, valid []byte, pixels int) {
	dtype := g.dtype()
	values := make([]float64, 0, pixels)
	for t, slice := range slices {
		mask := valid[t*pixels : (t+1)*pixels]
		for b := range g.bands {
			plane := image[(t*len(g.bands)+b)*pixels*dtype.Size():]
			values = values[:0]
			for i, ok := range mask {
				if ok == 0 {
					continue
				}
				v := dtype.Get(plane[i*dtype.Size():])
				if kind == Physical {
					v = float64(physical(v, slice.Contract))
				}
				values = append(values, v)
			}
			total[b] = total[b].add(ofValues(values))
		}
	}
}

// checkStats refuses statistics that cannot be used or written down.
func (p *plan) checkStats() error {
	for _, s := range p.statistics() {
		if math.IsInf(s.Mean, 0) || math.IsNaN(s.Mean) || math.IsInf(s.Std, 0) || math.IsNaN(s.Std) || math.IsInf(s.Min, 0) || math.IsInf(s.Max, 0) {
			return fault.New(fault.Corrupt, "band %s holds infinite values in pixels that count as valid", s.Band).
				WithCure("mend the source, or leave the band out of features")
		}
		if p.recipe.Normalise && (s.Count == 0 || float32(s.Std) == 0) {
			why := "has no valid pixel in the training split"
			if s.Count > 0 {
				why = "is constant in the training split"
			}
			return fault.New(fault.Precondition, "normalise: band %s %s, so it has no standard deviation to divide by", s.Band, why).
				WithCure("leave the band out of features, or leave normalise out")
		}
	}
	return nil
}
