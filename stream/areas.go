package stream

import (
	"context"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/fault"
)

// convertBy settles what becomes of the stored numbers of an area: what a model was trained on, where the ticket names its
// dataset version, whose full name is returned.
func (s *windowSource) convertBy(ctx context.Context, known *versions, t WindowTicket) (string, error) {
	kind, version := t.Values, ""
	if t.Normalise != "" {
		v, err := known.get(ctx, t.Normalise)
		if err != nil {
			return "", inKey("normalise", err)
		}
		if kind != "" && kind != v.Values {
			return "", fault.New(fault.Invalid, "ticket: the statistics of %s are of %s values, and normalise none that are %s", v.Ref(), v.Values, kind).
				WithCure(`leave the key "values" out`)
		}
		kind, version = v.Values, v.Ref()
		if err := s.statistics(v); err != nil {
			return "", err
		}
	}
	own := datasets.Group{DType: s.Region.Group.DType, Stats: s.stats}
	s.values = values{floats: t.DType == cube.Float32, physical: kind == datasets.Physical, normalise: version != ""}.of(own)
	return version, nil
}

// statistics finds those of the bands in a version, in whichever of its resolutions.
func (s *windowSource) statistics(v *datasets.Version) error {
	all := v.Stats
	for _, g := range v.Groups {
		all = append(all[:len(all):len(all)], g.Stats...)
	}
	names := make([]string, len(all))
	for i, b := range all {
		names[i] = b.Band
	}
	for _, band := range s.names {
		at := slices.IndexFunc(all, func(b datasets.BandStats) bool { return b.Band == band })
		if at < 0 || all[at].Count == 0 {
			return fault.New(fault.Invalid, "ticket: key \"normalise\": %s has no statistics of band %s", v.Ref(), band).
				WithCure("name bands that it has with the key \"bands\": %s", strings.Join(names, ", "))
		}
		s.stats = append(s.stats, all[at])
	}
	return nil
}

// convert makes what was read into what leaves.
func (s *windowSource) convert(ctx context.Context, dst, stored, valid [][]byte) error {
	contracts := make([]cube.Contract, len(s.Slices))
	for i, sl := range s.Slices {
		contracts[i] = sl.Contract
	}
	return inParallel(ctx, len(dst), func(_ context.Context, i int) error {
		s.values.convert(dst[i], stored[i], valid[i], contracts, len(s.bands), s.tiling.size*s.tiling.size)
		return nil
	})
}
