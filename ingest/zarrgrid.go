package ingest

import (
	"math"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/gdal"
)

// findGrid places the pixels: the CRS of the grid mapping or of proj:, and the transform that GeoTransform,
// spatial:transform and the coordinates say, which may not contradict each other.
func (s *zarrStore) findGrid() error {
	a := s.sample()
	s.grid.Height, s.grid.Width = a.Shape[dimension(a, "y")], a.Shape[dimension(a, "x")]
	mapping := s.mapping()
	if s.grid.CRS = s.crs(mapping); s.grid.CRS == "" {
		return fault.New(fault.Invalid, "%s has no CRS that is known by a code", s.path).
			WithCure(`write one: ds.rio.write_crs("EPSG:n"), or the attribute "proj:code"`)
	}
	var said []placing
	if t, ok := geoTransform(mapping["GeoTransform"]); ok {
		said = append(said, placing{"GeoTransform", t})
	}
	if t, ok := affineOf(s.attrs["spatial:transform"]); ok {
		said = append(said, placing{"spatial:transform", t})
	}
	t, ok, err := s.coordinates()
	if err != nil {
		return err
	}
	if ok {
		said = append(said, placing{"the coordinates", t})
	}
	if len(said) == 0 {
		return fault.New(fault.Invalid, "%s does not say where its pixels lie", s.path).
			WithCure("write the coordinates x and y of the pixel centres, a GeoTransform, or spatial:transform")
	}
	s.grid.Transform = said[0].transform
	for _, other := range said[1:] {
		if !alike(s.grid, other.transform) {
			return fault.New(fault.Invalid, "%s contradicts itself: %s says %v, %s say %v", s.path, said[0].name, said[0].transform, other.name, other.transform).
				WithCure("correct the one that is wrong: ds.rio.write_transform()")
		}
	}
	if err := s.grid.Check(); err != nil {
		return fault.New(fault.Invalid, "%s: %w", s.path, err).WithCure(`make it north-up: ds.sortby("x").sortby("y", ascending=False), then ds.rio.write_transform()`)
	}
	return nil
}

// placing is what one of the ways to place pixels says.
type placing struct {
	name      string
	transform cube.Affine
}

// mapping are the attributes of the CF grid mapping.
func (s *zarrStore) mapping() map[string]any {
	name, _ := s.sample().Attrs["grid_mapping"].(string)
	name, _, _ = strings.Cut(name, ":")
	for _, name := range []string{strings.TrimSpace(name), "spatial_ref", "crs"} {
		if a, ok := s.arrays[name]; ok && a.Attrs != nil {
			return a.Attrs
		}
	}
	return map[string]any{}
}

func (s *zarrStore) crs(mapping map[string]any) string {
	for _, attrs := range []map[string]any{s.sample().Attrs, s.attrs} {
		if code, ok := attrs["proj:code"].(string); ok && gdal.WKT(code) != "" {
			return strings.ToUpper(code)
		}
	}
	for _, wkt := range []any{mapping["crs_wkt"], mapping["spatial_ref"], s.attrs["proj:wkt2"]} {
		if text, ok := wkt.(string); ok {
			if code := gdal.Code(text); code != "" {
				return code
			}
		}
	}
	return ""
}

// geoTransform reads GDAL's order of the six numbers, in one text.
func geoTransform(v any) (cube.Affine, bool) {
	text, _ := v.(string)
	parts := strings.Fields(text)
	if len(parts) != 6 {
		return cube.Affine{}, false
	}
	var n [6]float64
	for i, p := range parts {
		var err error
		if n[i], err = strconv.ParseFloat(p, 64); err != nil {
			return cube.Affine{}, false
		}
	}
	return cube.Affine{n[1], n[2], n[0], n[4], n[5], n[3]}, true
}

func affineOf(v any) (t cube.Affine, ok bool) {
	list, _ := v.([]any)
	if len(list) != 6 && len(list) != 9 {
		return t, false
	}
	for i := range t {
		if t[i], ok = list[i].(float64); !ok {
			return t, false
		}
	}
	return t, true
}

// coordinates derives the transform from the coordinates of the pixel centres; ok is false without them.
func (s *zarrStore) coordinates() (t cube.Affine, ok bool, err error) {
	for i, axis := range []string{"x", "y"} {
		name, n := s.dimensionName(axis), map[string]int{"x": s.grid.Width, "y": s.grid.Height}[axis]
		a, there := s.arrays[name]
		if !there || len(a.Shape) != 1 || a.Shape[0] != n || n < 2 {
			return t, false, nil
		}
		raw, err := s.readAll(name)
		if err != nil {
			return t, false, err
		}
		at := func(i int) float64 { return a.DType.Get(raw[i*a.DType.Size():]) }
		step := (at(n-1) - at(0)) / float64(n-1)
		for j := range n {
			// Coordinates of 32 bits, or of few digits, are off by a little.
			if off := math.Abs(at(j)-at(0)-float64(j)*step) / math.Abs(step); !(off < 0.01) {
				return t, false, fault.New(fault.Invalid, "the coordinate %s of %s has no even steps", name, s.path).WithCure("resample it to an even grid: ds.rio.reproject(…)")
			}
		}
		t[4*i], t[2+3*i] = step, at(0)-step/2
	}
	return t, true, nil
}

// alike reports whether a transform puts the corners of a grid where its own does, to a hundredth of a pixel.
func alike(g cube.Grid, t cube.Affine) bool {
	for _, corner := range [][2]float64{{0, 0}, {float64(g.Width), float64(g.Height)}} {
		x0, y0 := g.Transform.Apply(corner[0], corner[1])
		x1, y1 := t.Apply(corner[0], corner[1])
		if !(math.Abs(x0-x1) <= 0.01*math.Abs(g.Transform[0])) || !(math.Abs(y0-y1) <= 0.01*math.Abs(g.Transform[4])) {
			return false
		}
	}
	return true
}
