package datasets

import (
	"context"
	"encoding/hex"
	"math"
	"sort"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
)

// maxMeasured bounds how many training samples the statistics are taken from.
const maxMeasured = 10_000

// measured returns which training samples the statistics are taken from: the first ones of the keyed
// order whose digest is the Merkle root of the samples, in the order of their ids.
func measured(train []sample, hashes []hash) []sample {
	if len(train) <= maxMeasured {
		return train
	}
	root := merkle(hashes)
	o := order.New(hex.EncodeToString(root[:]), "statistics", uint64(len(train)), 0, 0, true)
	picks := make([]uint64, maxMeasured)
	for i := range picks {
		picks[i] = o.At(uint64(i))
	}
	sort.Slice(picks, func(i, j int) bool { return picks[i] < picks[j] })
	out := make([]sample, 0, maxMeasured)
	for _, i := range picks {
		out = append(out, train[i])
	}
	return out
}

// measure takes the statistics of the training split over valid pixels: sample by sample in the
// order of ids, slot by slot, and in a slot row by row, merged one after another.
func (p *plan) measure(ctx context.Context) error {
	samples := measured(p.split(0), p.hashes)
	p.measured = len(samples)
	size := p.recipe.Window.Size
	slot := len(p.index) * size * size * p.region.Group.DType.Size()
	image, valid := make([]byte, p.homes.longest()*slot), make([]byte, p.homes.longest()*size*size)
	total := make([]moments, len(p.bands))
	for _, s := range samples {
		at := p.homes.of(s)
		q := read.Request{Cell: at.cell, Slices: at.ids, Window: at.window(s), Bands: p.index}
		image, valid := image[:len(at.ids)*slot], valid[:len(at.ids)*size*size]
		if err := p.reader.Read(ctx, p.view, q, image, valid); err != nil {
			return fault.New(fault.KindOf(err), "read sample %s for the statistics: %w", s.id, err)
		}
		p.tally(total, at.slices, image, valid, size*size)
	}
	for i, band := range p.bands {
		p.stats = append(p.stats, total[i].stats(band))
	}
	return p.checkStats()
}

// tally adds the valid pixels of one sample.
func (p *plan) tally(total []moments, slices []cube.Slice, image, valid []byte, pixels int) {
	dtype := p.region.Group.DType
	values := make([]float64, 0, pixels)
	for t, slice := range slices {
		mask := valid[t*pixels : (t+1)*pixels]
		for b := range p.bands {
			plane := image[(t*len(p.bands)+b)*pixels*dtype.Size():]
			values = values[:0]
			for i, ok := range mask {
				if ok == 0 {
					continue
				}
				v := dtype.Get(plane[i*dtype.Size():])
				if p.recipe.Values == Physical {
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
	for _, s := range p.stats {
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
