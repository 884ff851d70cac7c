package ingest

import (
	"maps"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
)

// findBands finds each band of the cube: on the band axis of one array, or in an array of its name.
func (s *zarrStore) findBands(g layout.Group, given []string) error {
	stacked, err := s.stacked()
	if err != nil {
		return err
	}
	names := map[string]zarrBand{}
	if stacked == "" {
		for name, a := range s.arrays {
			if axes := axesOf(a); axes == "time y x" || axes == "y x" {
				names[name] = zarrBand{name, -1}
			}
		}
	} else {
		list, note, err := s.bandNames(stacked, g, given)
		if err != nil {
			return err
		}
		if note != "" {
			s.notes = append(s.notes, note)
		}
		for i, name := range list {
			if _, twice := names[name]; twice {
				return fault.New(fault.Invalid, "%s has two bands named %q", s.path, name).WithCure("name its bands differently")
			}
			names[name] = zarrBand{stacked, i}
		}
	}
	for _, b := range g.Bands {
		at, ok := names[b.Name]
		if !ok {
			return s.noBand(b.Name, slices.Sorted(maps.Keys(names)))
		}
		s.bands[b.Name] = at
	}
	return s.checkBands(g)
}

// stacked is the array with a band axis, "" if there is none.
func (s *zarrStore) stacked() (string, error) {
	var found []string
	for name, a := range s.arrays {
		if name != layout.Valid && dimension(a, "band") >= 0 && len(a.Dims) > 1 {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	switch {
	case len(found) == 0:
		return "", nil
	case slices.Contains(found, layout.Image):
		return layout.Image, nil
	case len(found) > 1:
		return "", fault.New(fault.Invalid, "%s has several arrays with bands: %s", s.path, list(found)).WithCure("name the one with the pixels image, or leave the others out")
	}
	return found[0], nil
}

func (s *zarrStore) noBand(want string, has []string) error {
	if err := s.unread[want]; err != nil {
		return fault.New(fault.KindOf(err), "array %s of %s cannot be read: %w", want, s.path, err).WithCure("write it again with codecs of the Zarr v3 core")
	}
	if err := s.unread[layout.Image]; err != nil {
		return fault.New(fault.KindOf(err), "array %s of %s cannot be read: %w", layout.Image, s.path, err).WithCure("write it again with codecs of the Zarr v3 core")
	}
	if len(has) == 0 {
		return fault.New(fault.Invalid, "%s holds no array with the dimensions (time, band, y, x), (band, y, x), (time, y, x) or (y, x)", s.path).
			WithCure(`name the dimensions and put them in this order: ds.transpose("time", "band", "y", "x")`)
	}
	return fault.New(fault.Invalid, "%s lacks the band %q; it has %s", s.path, want, list(has)).
		WithCure("name an array, or a place on the band axis, so; or give all names in order with --bands")
}

// bandNames are those of the band axis: its coordinate, else --bands, else the cube's in order.
func (s *zarrStore) bandNames(array string, g layout.Group, given []string) (names []string, note string, err error) {
	a := s.arrays[array]
	at := dimension(a, "band")
	n, coordinate := a.Shape[at], a.Dims[at]
	if len(given) > 0 && len(given) != n {
		return nil, "", fault.New(fault.Invalid, "%s has %d bands, and --bands names %d", s.path, n, len(given)).WithCure("name every band, in its order")
	}
	if names, err = s.readStrings(coordinate); err != nil {
		return nil, "", err
	}
	want := g.BandNames()
	switch {
	case len(names) == n && len(given) == 0:
		return names, "", nil
	case len(names) == n && !slices.Equal(names, given):
		return nil, "", fault.New(fault.Invalid, "the bands of %s are %s, and --bands says %s", s.path, list(names), list(given)).WithCure("leave out --bands, or correct it")
	case len(given) > 0:
		return given, "bands taken as --bands gives them: " + strings.Join(given, ","), nil
	case n == len(want):
		return want, "bands without names taken in order as " + strings.Join(want, ","), nil
	}
	return nil, "", fault.New(fault.Invalid, "%s has %s without names, and the cube has %d: %s", s.path, plural(n, "band", "bands"), len(want), list(want)).
		WithCure("name the bands in their order: --bands …")
}

// checkBands wants the cube's type and one shape from all arrays, in an order that can be read.
func (s *zarrStore) checkBands(g layout.Group) error {
	var first zarr.Array
	for _, b := range g.Bands {
		name := s.bands[b.Name].array
		a := s.arrays[name]
		switch axes := axesOf(a); {
		case axes != "time band y x" && axes != "band y x" && axes != "time y x" && axes != "y x":
			return fault.New(fault.Invalid, "array %s of %s has the dimensions (%s)", name, s.path, strings.Join(a.Dims, ", ")).
				WithCure(`put them in order: ds.transpose("time", "band", "y", "x")`)
		case a.DType != g.DType:
			return fault.New(fault.Invalid, "array %s of %s is %s, the cube's is %s", name, s.path, a.DType, g.DType).
				WithCure("if its values fit, convert it: ds[%q].astype(%q)", name, string(g.DType))
		case first.Dims == nil:
			first = a
		case !slices.Equal(a.Shape, first.Shape) || !slices.Equal(a.Dims, first.Dims):
			return fault.New(fault.Invalid, "array %s of %s has the shape %v (%s), its neighbours have %v (%s)", name, s.path, a.Shape, strings.Join(a.Dims, ", "), first.Shape, strings.Join(first.Dims, ", ")).
				WithCure("give arrays of one grid and one time axis")
		}
	}
	for _, n := range first.Shape {
		if n == 0 {
			return fault.New(fault.Invalid, "%s is empty: its arrays have the shape %v", s.path, first.Shape).WithCure("leave it out")
		}
	}
	return nil
}

// observedMeanings mark an array of validity as one that Terrapin wrote, or somebody who means the same.
const observedMeanings = "not_observed observed"

// findValid looks for an array of validity beside the pixels.
func (s *zarrStore) findValid() {
	a, ok := s.arrays[layout.Valid]
	pixels := s.sample()
	switch {
	case !ok:
	case a.Attrs["flag_meanings"] == observedMeanings && slices.Equal(a.Shape, pixels.Shape) && slices.Equal(a.Dims, pixels.Dims):
		s.valid = layout.Valid
	default:
		s.notes = append(s.notes, `the array "valid" is not used: it is not shaped as the pixels, or its flag_meanings are not "`+observedMeanings+`"`)
	}
}
