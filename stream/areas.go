package stream

import (
	"context"
	"fmt"
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
		if kind == datasets.Raw {
			if err := s.checkRaw(v); err != nil {
				return "", inKey("normalise", err)
			}
		}
		if err := s.statistics(v); err != nil {
			return "", err
		}
	}
	own := datasets.Group{DType: s.Region.Group.DType, Stats: s.stats}
	s.values = values{floats: t.DType == cube.Float32, physical: kind == datasets.Physical, normalise: version != ""}.of(own)
	return version, nil
}

// checkRaw refuses raw numbers that mean something else than those which the version's statistics are of.
func (s *windowSource) checkRaw(v *datasets.Version) error {
	if err := v.CheckRaw(); err != nil || len(v.Slices) == 0 {
		return err
	}
	of := v.Slices[0].Contract
	var other []string
	for _, sl := range s.Slices {
		if sl.Contract != of {
			c := sl.Contract
			other = append(other, fmt.Sprintf("%s (scale %g offset %g baseline %q)", sl.Item, c.Scale, c.Offset, c.Baseline))
		}
	}
	if len(other) == 0 {
		return nil
	}
	more := ""
	if n := len(other); n > 3 {
		other, more = other[:3], fmt.Sprintf(" and %d more", n-3)
	}
	return fault.New(fault.Precondition, "the statistics of %s are of raw values of the radiometric contract scale %g offset %g baseline %q, which these scenes of the area do not have: %s%s",
		v.Ref(), of.Scale, of.Offset, of.Baseline, strings.Join(other, ", "), more).
		WithCure("commit the version with values: physical, or leave these scenes out with the key \"time\"")
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
