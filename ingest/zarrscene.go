package ingest

import (
	"math"
	"path/filepath"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
)

// openZarr makes a scene of one step of a group.
func (r *run) openZarr(sc *scene, step zarrStep) error {
	s := step.store
	sc.zarr, sc.notes = &step, s.notes
	sc.time = step.time
	sc.source = strings.TrimSuffix(filepath.Base(s.path), ".zarr")
	if s.times == nil {
		t, err := r.timeWithoutAxis(s)
		if err != nil {
			return err
		}
		sc.time = t
	} else {
		sc.source += "_" + sc.time.Format("20060102T150405.999999")
		for _, earlier := range s.times[:step.at] {
			if earlier.Equal(sc.time) { // several acquisitions at once are scenes of their own
				sc.source += "_2"
			}
		}
	}
	g := r.groups[0]
	w, err := g.Grid.Place(s.grid)
	if err != nil {
		return fault.New(fault.Invalid, "%s does not lie on the cube's grid: %w", s.path, err).
			WithCure("put it there: ds.rio.reproject_match(…) with an image of the cube, or make a cube on its grid")
	}
	sc.window = w
	sc.layers = []layer{{group: g, window: w}}
	if sc.zarrFlags, err = r.findZarrFlags(s); err != nil {
		return err
	}
	if err := sc.zarrNodata(g); err != nil {
		return err
	}
	return sc.zarrContract(g)
}

// zarrNodata remarks on nodata that differs from the cube's.
func (sc *scene) zarrNodata(g layout.Group) error {
	for _, b := range g.Bands {
		name := sc.zarr.store.bands[b.Name].array
		a := sc.zarr.store.arrays[name]
		v := declaredNodata(a.Attrs)
		if v != nil && !g.DType.Float() && *v != math.Trunc(*v) {
			return fault.New(fault.Invalid, "array %s of %s declares the nodata %g, which is no %s", name, sc.zarr.store.path, *v, g.DType).WithCure("correct its _FillValue")
		}
		if v != nil && g.Nodata != nil && !sameNodata(v, g.Nodata) {
			sc.notes = append(sc.notes, "nodata in the source is not the cube's: the source's numbers are kept, and its nodata pixels are not valid")
			break
		}
	}
	return nil
}

// declaredNodata is what an array's attributes name as missing, nil if nothing. Zarr's own fill value says
// only what absent chunks hold.
func declaredNodata(attrs map[string]any) *float64 {
	for _, key := range []string{"_FillValue", "nodata", "missing_value"} {
		switch v := attrs[key].(type) {
		case float64:
			return &v
		case string:
			if strings.EqualFold(v, "nan") {
				nan := math.NaN()
				return &nan
			}
		}
	}
	return nil
}

// zarrContract finds the radiometry and the availability: what an export of ours says of the scene, else the arrays'
// CF scale and offset.
func (sc *scene) zarrContract(g layout.Group) error {
	s := sc.zarr.store
	if known, ok := s.exported(sc.zarr.at); ok {
		sc.contract = known.contract
		sc.available, sc.availableFrom = known.available, known.from
		return nil
	}
	for i, b := range g.Bands {
		attrs := s.arrays[s.bands[b.Name].array].Attrs
		c := cube.DefaultContract()
		if v, ok := attrs["scale_factor"].(float64); ok {
			c.Scale = v
		}
		if v, ok := attrs["add_offset"].(float64); ok {
			c.Offset = v
		}
		if i > 0 && c != sc.contract {
			return fault.New(fault.Unsupported, "%s: band %s has scale %g and offset %g, band %s has %g and %g; a slice has one for all its bands",
				s.path, g.Bands[0].Name, sc.contract.Scale, sc.contract.Offset, b.Name, c.Scale, c.Offset).
				WithCure("put such bands into cubes of their own")
		}
		sc.contract = c
	}
	return nil
}

// exportedScene is what an export of Terrapin says of one scene.
type exportedScene struct {
	contract  cube.Contract
	available time.Time
	from      string
}

// exported reads what an export says of the scene at a place on the time axis; foreign groups say nothing.
func (s *zarrStore) exported(at int) (out exportedScene, ok bool) {
	doc, _ := s.attrs["terrapin:export"].(map[string]any)
	scenes, _ := doc["scenes"].([]any)
	if len(scenes) != len(s.times) || at >= len(scenes) {
		return out, false
	}
	scene, _ := scenes[at].(map[string]any)
	contract, _ := scene["contract"].(map[string]any)
	scale, haveScale := contract["scale"].(float64)
	offset, haveOffset := contract["offset"].(float64)
	if !haveScale || !haveOffset {
		return out, false
	}
	out.contract = cube.Contract{Scale: scale, Offset: offset}
	out.contract.Baseline, _ = contract["baseline"].(string)
	text, _ := scene["available"].(string)
	from, _ := scene["available_from"].(string)
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil && (from == "published" || from == "generated") {
		out.available, out.from = t.UTC(), from
	}
	return out, true
}

// readZarr fills image and valid with a part of the layer's grid.
func (c *copier) readZarr(part cube.Window) error {
	step, bands := c.sc.zarr, c.layer.group.Bands
	s, pixels := step.store, part.Height*part.Width
	c.image, c.valid, c.mask = grow(c.image, pixels*len(bands)*c.size), grow(c.valid, pixels*len(bands)), grow(c.mask, pixels)
	local := cube.Window{Row: part.Row - c.layer.window.Row, Col: part.Col - c.layer.window.Col, Height: part.Height, Width: part.Width}
	for i, b := range bands {
		at := s.bands[b.Name]
		image, valid := c.image[i*pixels*c.size:(i+1)*pixels*c.size], c.valid[i*pixels:(i+1)*pixels]
		clear(c.mask)
		if err := s.plane(at.array, step.at, at.band, local, image, c.mask); err != nil {
			return err
		}
		if s.valid == "" {
			observe(valid, image, c.layer.group.DType, declaredNodata(s.arrays[at.array].Attrs))
			for j, there := range c.mask {
				valid[j] &= there // nothing was ever written there
			}
			continue
		}
		if err := s.plane(s.valid, step.at, at.band, local, valid, c.mask); err != nil {
			return err
		}
		for _, v := range valid {
			if v > 1 {
				return fault.New(fault.Corrupt, "the array %s of %s holds %d, which is neither 0 nor 1", s.valid, s.path, v).WithCure("write it again, or leave it out")
			}
		}
	}
	return nil
}
