package ingest

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/crs"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/gdal"
)

// place finds where a scene lies on the cube's grids: all its rasters of one resolution on the same window.
func (r *run) place(sc *scene) error {
	for at := range sc.layers {
		l := &sc.layers[at]
		for i, p := range l.bands {
			raster := sc.rasters[p.raster]
			w, err := placeRaster(raster, l.group)
			if err != nil {
				return err
			}
			if i > 0 && w != l.window {
				first := sc.rasters[l.bands[0].raster]
				return fault.New(fault.Invalid, "%s covers other pixels than %s of the same scene", raster.Path(), first.Path()).
					WithCure("%s", cut(first, raster, l.group, l.window.Intersect(w).Intersect(l.group.Grid.All())))
			}
			l.window = w
		}
		sc.window = union(sc.window, onFirst(r.spec.Grid, l.group.Grid, l.window))
	}
	return nil
}

// onFirst is a window of a group's grid in pixels of the first group's, wherever it lies.
func onFirst(first, grid cube.Grid, w cube.Window) cube.Window {
	up := int(math.Round(grid.Transform[0] / first.Transform[0]))
	if up >= 1 {
		return cube.Window{Row: w.Row * up, Col: w.Col * up, Height: w.Height * up, Width: w.Width * up}
	}
	down := int(math.Round(first.Transform[0] / grid.Transform[0]))
	span := func(from, n int) (int, int) {
		lo := floorDiv(from, down)
		return lo, floorDiv(from+n+down-1, down) - lo
	}
	var out cube.Window
	out.Row, out.Height = span(w.Row, w.Height)
	out.Col, out.Width = span(w.Col, w.Width)
	return out
}

// union is the smallest window that holds both; an empty one adds nothing.
func union(a, b cube.Window) cube.Window {
	if a.Empty() {
		return b
	}
	row, col := min(a.Row, b.Row), min(a.Col, b.Col)
	return cube.Window{Row: row, Col: col, Height: max(a.Row+a.Height, b.Row+b.Height) - row, Width: max(a.Col+a.Width, b.Col+b.Width) - col}
}

func placeRaster(raster *gdal.Raster, g layout.Group) (cube.Window, error) {
	of, err := raster.Grid()
	if err != nil {
		return cube.Window{}, err
	}
	w, err := g.Grid.Place(of)
	if err == nil {
		return w, nil
	}
	e := fault.New(fault.Invalid, "%s does not lie on the cube's grid: %w", raster.Path(), err)
	if _, hit := extent(g.Grid, of); !hit {
		x0, y0, x1, y1 := g.Grid.Bounds()
		return cube.Window{}, e.WithCure("no warping mends that: the cube covers %s,%s to %s,%s in %s; make a cube for this area, or leave the scene out",
			decimal(x0), decimal(y0), decimal(x1), decimal(y1), g.Grid.CRS)
	}
	return cube.Window{}, e.WithCure("%s", warp(raster, g))
}

// extent is the part of a grid that a raster covers, snapped outwards to whole pixels, and whether
// there is any. Where the raster's CRS is beyond our own arithmetic it is the whole grid.
func extent(grid, g cube.Grid) (cube.Window, bool) {
	to, err := crs.Transform(g.CRS, grid.CRS)
	if err != nil {
		return grid.All(), true
	}
	inverse, err := grid.Transform.Invert()
	if err != nil {
		return grid.All(), true
	}
	const steps = 32
	c0, r0, c1, r1 := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for i := range steps + 1 {
		u, v := float64(g.Width)*float64(i)/steps, float64(g.Height)*float64(i)/steps
		for _, p := range [][2]float64{{u, 0}, {u, float64(g.Height)}, {0, v}, {float64(g.Width), v}} {
			x, y := g.Transform.Apply(p[0], p[1])
			if x, y, err = to(x, y); err != nil {
				return grid.All(), !apart(g, grid) // too far to be expressed in the cube's CRS
			}
			col, row := inverse.Apply(x, y)
			c0, c1 = math.Min(c0, col), math.Max(c1, col)
			r0, r1 = math.Min(r0, row), math.Max(r1, row)
		}
	}
	const slack = 1e-6 // of a pixel: a border that is met exactly is not crossed
	limit := func(v float64) int { return int(math.Max(-1e9, math.Min(1e9, v))) }
	w := cube.Window{Col: limit(math.Floor(c0 + slack)), Row: limit(math.Floor(r0 + slack))}
	w.Width, w.Height = limit(math.Ceil(c1-slack))-w.Col, limit(math.Ceil(r1-slack))-w.Row
	w = w.Intersect(grid.All())
	return w, !w.Empty()
}

// apart reports whether the boxes of two grids in longitude and latitude do not meet. Boxes over the
// antimeridian, and grids without a box, are not known to be apart.
func apart(a, b cube.Grid) bool {
	x, errX := crs.BBoxWGS84(a, a.All())
	y, errY := crs.BBoxWGS84(b, b.All())
	if errX != nil || errY != nil || x[0] > x[2] || y[0] > y[2] {
		return false
	}
	return x[2] < y[0] || y[2] < x[0] || x[3] < y[1] || y[3] < x[1]
}

// cut are the commands that give two rasters of the cube's grid the same extent, their common part.
func cut(a, b *gdal.Raster, g layout.Group, common cube.Window) string {
	if common.Empty() {
		return "they have no pixel of the cube in common: give files of one scene"
	}
	return fmt.Sprintf("cut both to what they have in common, and name those files in the item: %s && %s", warpTo(a, g, common), warpTo(b, g, common))
}

// warp is the command that puts a raster on the cube's grid. In the cube's own CRS it takes the pixels
// whose centres the raster covers, so that nothing has to be filled.
func warp(raster *gdal.Raster, g layout.Group) string {
	w := g.Grid.All()
	if of, err := raster.Grid(); err == nil {
		w, _ = extent(g.Grid, of)
		if of.CRS == g.Grid.CRS {
			if inner := centres(g.Grid, of); !inner.Empty() {
				w = inner
			}
		}
	}
	return warpTo(raster, g, w)
}

// centres is the part of a grid whose pixels have their centres within another grid of the same CRS.
func centres(grid, within cube.Grid) cube.Window {
	const slack = 1e-6 // of a pixel: a centre on the border may not be filled
	x0, y0, x1, y1 := within.Bounds()
	first := func(v float64) int { return int(math.Ceil(math.Max(-1e9, math.Min(1e9, v-0.5+slack)))) }
	last := func(v float64) int { return int(math.Ceil(math.Max(-1e9, math.Min(1e9, v-0.5-slack)))) }
	t := grid.Transform
	w := cube.Window{Col: first((x0 - t[2]) / t[0]), Row: first((y1 - t[5]) / t[4])}
	w.Width, w.Height = last((x1-t[2])/t[0])-w.Col, last((y0-t[5])/t[4])-w.Row
	return w.Intersect(grid.All())
}

// warpTo is the command that resamples a raster to a window of the cube. gdalwarp fills what the raster
// does not cover, with zeros that would pass for measurements where no nodata is declared.
func warpTo(raster *gdal.Raster, g layout.Group, w cube.Window) string {
	grid := g.Grid
	x0, y0, x1, y1 := grid.WindowBounds(w)
	own, err := raster.Grid()
	filled := err != nil || own.CRS != grid.CRS || centres(grid, own).Intersect(w) != w
	nodata := ""
	for _, b := range raster.Bands {
		if b.Nodata == nil && (filled || g.Nodata != nil) {
			nodata = " -dstnodata " + decimal(missing(g))
		}
	}
	return fmt.Sprintf("gdalwarp -t_srs %s -te %s %s %s %s -tr %s %s -r near%s %s %s",
		grid.CRS, decimal(x0), decimal(y0), decimal(x1), decimal(y1), decimal(grid.Transform[0]), decimal(-grid.Transform[4]), nodata, gdal.Quote(raster.Path()), gdal.Quote(mended(raster.Path())))
}

// missing is a value for pixels without a measurement: the cube's, else NaN, else the end of the integer
// type's range.
func missing(g layout.Group) float64 {
	d := g.DType
	switch {
	case g.Nodata != nil:
		return *g.Nodata
	case d.Float():
		return math.NaN()
	case d.Holds(-1):
		return -math.Ldexp(1, 8*d.Size()-1)
	}
	return math.Ldexp(1, 8*d.Size()) - 1
}

// decimal writes a number so that it reads back as the same, without an exponent.
func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// mended is the name proposed for a corrected copy; it keeps what a datetime pattern finds.
func mended(path string) string {
	return strings.TrimSuffix(path, filepath.Ext(path)) + "_mended.tif"
}

// plural counts things.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
