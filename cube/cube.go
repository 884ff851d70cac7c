// Package cube is the vocabulary of a data cube as plain values: grid, window, band, data type,
// slice, time axis and radiometric contract. It does no I/O and knows nothing of catalogs, HTTP or
// protocols. The invariant: a value here means the same to ingest, training and prediction, so that
// what decides a digest is decided in one place.
package cube

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// Affine places pixels: x = A*col + B*row + C, y = D*col + E*row + F, in the order rasterio and
// GeoZarr use. Coordinates are those of pixel corners.
type Affine [6]float64

// Apply maps a (col, row) position to map coordinates.
func (a Affine) Apply(col, row float64) (x, y float64) {
	return a[0]*col + a[1]*row + a[2], a[3]*col + a[4]*row + a[5]
}

// Invert returns the map from coordinates to (col, row); a degenerate transform is an error.
func (a Affine) Invert() (Affine, error) {
	det := a[0]*a[4] - a[1]*a[3]
	if det == 0 || math.IsNaN(det) || math.IsInf(det, 0) {
		return Affine{}, fault.New(fault.Invalid, "transform %v cannot be inverted", a)
	}
	return Affine{
		a[4] / det, -a[1] / det, (a[1]*a[5] - a[4]*a[2]) / det,
		-a[3] / det, a[0] / det, (a[3]*a[2] - a[0]*a[5]) / det,
	}, nil
}

// Grid is a georeferenced raster frame: a coordinate reference system, a transform and a size in
// pixels. CRS is an authority code such as "EPSG:32631".
type Grid struct {
	CRS       string `json:"crs"`
	Transform Affine `json:"transform"`
	Width     int    `json:"width"`
	Height    int    `json:"height"`
}

// Bounds returns min x, min y, max x, max y in the grid's CRS.
func (g Grid) Bounds() (minX, minY, maxX, maxY float64) {
	x0, y0 := g.Transform.Apply(0, 0)
	x1, y1 := g.Transform.Apply(float64(g.Width), float64(g.Height))
	return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
}

// Check refuses a frame that cannot be a cube's: rotated, empty or without a CRS.
func (g Grid) Check() error {
	switch {
	case g.CRS == "":
		return fault.New(fault.Invalid, "the grid has no CRS")
	case g.Width <= 0 || g.Height <= 0:
		return fault.New(fault.Invalid, "the grid is empty: %d×%d pixels", g.Width, g.Height)
	case g.Transform[1] != 0 || g.Transform[3] != 0:
		return fault.New(fault.Invalid, "the grid is rotated: transform %v", g.Transform)
	case g.Transform[0] <= 0 || g.Transform[4] >= 0:
		return fault.New(fault.Invalid, "the grid is not north-up: transform %v", g.Transform)
	}
	_, err := g.Transform.Invert()
	return err
}

// Window is a rectangle of pixels in a grid. It may reach over the grid's edge.
type Window struct {
	Row    int `json:"row"`
	Col    int `json:"col"`
	Height int `json:"height"`
	Width  int `json:"width"`
}

// Intersect returns the common part of two windows; an empty one has Height or Width 0.
func (w Window) Intersect(o Window) Window {
	r0, c0 := max(w.Row, o.Row), max(w.Col, o.Col)
	r1, c1 := min(w.Row+w.Height, o.Row+o.Height), min(w.Col+w.Width, o.Col+o.Width)
	if r1 <= r0 || c1 <= c0 {
		return Window{}
	}
	return Window{Row: r0, Col: c0, Height: r1 - r0, Width: c1 - c0}
}

// Empty reports whether the window has no pixel.
func (w Window) Empty() bool { return w.Height <= 0 || w.Width <= 0 }

// All returns the window that is the whole grid.
func (g Grid) All() Window { return Window{Height: g.Height, Width: g.Width} }

// WindowBounds returns min x, min y, max x, max y of a window in the grid's CRS.
func (g Grid) WindowBounds(w Window) (minX, minY, maxX, maxY float64) {
	x0, y0 := g.Transform.Apply(float64(w.Col), float64(w.Row))
	x1, y1 := g.Transform.Apply(float64(w.Col+w.Width), float64(w.Row+w.Height))
	return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
}

// Place says where another grid's pixels lie in this one: the window that grid fills, which may reach
// over the edge. It is an error if the CRS differs or the pixels do not coincide (to a thousandth
// of a pixel); the caller adds the cure.
func (g Grid) Place(o Grid) (Window, error) {
	if g.CRS != o.CRS {
		return Window{}, fault.New(fault.Invalid, "CRS %s is not the cube's %s", o.CRS, g.CRS)
	}
	const tol = 1e-3
	sx, sy := g.Transform[0], g.Transform[4]
	if math.Abs(o.Transform[0]-sx)*float64(o.Width) > tol*sx || math.Abs(o.Transform[4]-sy)*float64(o.Height) > tol*-sy ||
		o.Transform[1] != 0 || o.Transform[3] != 0 {
		return Window{}, fault.New(fault.Invalid, "pixel size %g×%g is not the cube's %g×%g", o.Transform[0], -o.Transform[4], sx, -sy)
	}
	col, row := (o.Transform[2]-g.Transform[2])/sx, (o.Transform[5]-g.Transform[5])/sy
	rc, rr := math.Round(col), math.Round(row)
	if math.Abs(col-rc) > tol || math.Abs(row-rr) > tol {
		return Window{}, fault.New(fault.Invalid, "pixels lie off the cube's grid by %.3f columns and %.3f rows", col-rc, row-rr)
	}
	w := Window{Row: int(rr), Col: int(rc), Height: o.Height, Width: o.Width}
	if w.Intersect(g.All()).Empty() {
		return Window{}, fault.New(fault.Invalid, "the raster lies wholly outside the cube")
	}
	return w, nil
}

// Band is one measured quantity of a cube, in the order of the band axis.
type Band struct {
	Name string `json:"name"`
}

// Contract is the radiometry of a slice: physical = float32(dn)*Scale + Offset, and the processing
// baseline that produced the numbers. The zero value means "as stored".
type Contract struct {
	Scale    float64 `json:"scale"`
	Offset   float64 `json:"offset"`
	Baseline string  `json:"baseline,omitempty"`
}

// DefaultContract is that of a source that declares nothing.
func DefaultContract() Contract { return Contract{Scale: 1} }

// SliceID names a slice for ever, outside of any snapshot: 32 lower-case hex digits, derived from
// source id, acquisition time and content digest.
type SliceID string

// Slice is one acquisition on the time axis.
type Slice struct {
	ID SliceID `json:"id"`
	// Time is the acquisition time, UTC, microseconds.
	Time time.Time `json:"time"`
	// Available is when the data could be used first; AvailableFrom says how that is known:
	// "published", "generated" or "latency".
	Available     time.Time `json:"available"`
	AvailableFrom string    `json:"available_from"`
	// Source is the source's own id (a STAC item id, or a file's name without extension).
	Source string `json:"source"`
	// Item is the id of the slice's STAC item in the cube's collection.
	Item string `json:"item"`
	// Content is the digest of what was placed: "sha256:" and 64 hex digits.
	Content  string   `json:"content"`
	Contract Contract `json:"contract"`
	// Footprint is the part of the grid the source covers.
	Footprint Window `json:"footprint"`
	// Actor ingested it; Ingested says when. Neither decides any digest.
	Actor    string    `json:"actor,omitempty"`
	Ingested time.Time `json:"ingested"`
	// Properties are further facts of the source for its STAC item, such as "eo:cloud_cover".
	Properties map[string]any `json:"properties,omitempty"`
}

// Less orders a time axis: by acquisition time, then by id.
func (s Slice) Less(o Slice) bool {
	if !s.Time.Equal(o.Time) {
		return s.Time.Before(o.Time)
	}
	return s.ID < o.ID
}

// Micros is the acquisition time in microseconds since 1970, UTC.
func (s Slice) Micros() int64 { return s.Time.UnixMicro() }

var nameRE = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// CheckName refuses names that cannot be a folder, a STAC collection id and a tag at once. what says
// whose name it is, such as "cube".
func CheckName(what, name string) error {
	if !nameRE.MatchString(name) || strings.Contains(name, "..") {
		return fault.New(fault.Invalid, "bad %s name %q", what, name).
			WithCure("use 1 to 63 lower-case letters, digits, '.', '_' or '-', beginning with a letter or digit")
	}
	return nil
}

// CheckCubeName is CheckName for cubes, whose names must not take the forms of the collections that
// Terrapin makes itself.
func CheckCubeName(name string) error {
	if err := CheckName("cube", name); err != nil {
		return err
	}
	for _, p := range []string{"labels-", "dataset-", "predictions-"} {
		if strings.HasPrefix(name, p) {
			return fault.New(fault.Invalid, "cube name %q begins with %q, which is kept for other collections", name, p).
				WithCure("choose another name")
		}
	}
	if name == "models" {
		return fault.New(fault.Invalid, "cube name %q is kept for the collection of models", name).WithCure("choose another name")
	}
	return nil
}

// ResolutionName names a resolution group after its pixel size: "10m", or "0.0001deg".
func (g Grid) ResolutionName(geographic bool) string {
	unit := "m"
	if geographic {
		unit = "deg"
	}
	return fmt.Sprintf("%g%s", g.Transform[0], unit)
}
