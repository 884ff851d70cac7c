package stream

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/fault"
)

// windowSource reads an area window by window, row-major, each window once.
type windowSource struct {
	Scope
	tally
	reader *read.Reader
	ids    []cube.SliceID
	bands  []int
	names  []string
	tiling tiling
	values values
	stats  []datasets.BandStats // of the bands in their order, where windows are normalised
	spare  *heap                // for stored numbers that are longer than what leaves
}

// Scope is the part of a cube that a window ticket names.
type Scope struct {
	View   *layout.View
	Region layout.Region
	// Area is what the bounds touch, clipped to the region's grid.
	Area cube.Window
	// Slices are those whose acquisition time lies within the ticket's; where the region has several cells,
	// those whose footprint reaches the area.
	Slices []cube.Slice
}

// tiling cuts an area into windows of one size whose cores partition it. A core is size−overlap
// pixels wide (less at the far edges); its window reaches overlap/2 pixels further at the near side
// and the rest at the far side, over the area's and the grid's edge where need be.
type tiling struct {
	area          cube.Window
	size, overlap int
}

func (t tiling) stride() int { return t.size - t.overlap }
func (t tiling) rows() int   { return (t.area.Height + t.stride() - 1) / t.stride() }
func (t tiling) cols() int   { return (t.area.Width + t.stride() - 1) / t.stride() }
func (t tiling) len() uint64 { return uint64(t.rows()) * uint64(t.cols()) }

func (t tiling) at(i uint64) Place {
	s := t.stride()
	core := cube.Window{
		Row: t.area.Row + int(i/uint64(t.cols()))*s, Col: t.area.Col + int(i%uint64(t.cols()))*s,
		Height: s, Width: s,
	}
	return Place{
		Window: cube.Window{Row: core.Row - t.overlap/2, Col: core.Col - t.overlap/2, Height: t.size, Width: t.size},
		Core:   core.Intersect(t.area),
	}
}

// Scope finds what a window ticket names, without planning a run.
func (e *Engine) Scope(ctx context.Context, t WindowTicket) (Scope, error) {
	c, err := e.cfg.Cubes(ctx, t.Cube)
	if err != nil {
		return Scope{}, err
	}
	var s Scope
	if s.View, err = c.At(ctx, t.Version); err != nil {
		return Scope{}, err
	}
	if s.Region, err = findRegion(s.View, t); err != nil {
		return Scope{}, err
	}
	s.Area = s.Region.Grid.All()
	if t.Bounds != nil {
		if s.Area, err = s.Region.Grid.Snap([4]float64(t.Bounds)); err != nil {
			return Scope{}, inKey("bounds", err)
		}
	}
	there := s.Region.Reaching(s.Area)
	if n := len(s.Region.Slices); n > 0 && len(there) == 0 {
		return Scope{}, fault.New(fault.NotFound, "ticket: key \"bounds\": none of the cube's %d scenes reaches this area", n).WithCure("choose bounds that some scene covers")
	}
	s.Slices, err = between(there, t.Time)
	return s, err
}

// openWindows resolves a window ticket and returns it with its snapshot and cell pinned.
func (e *Engine) openWindows(ctx context.Context, t WindowTicket) (*windowSource, WindowTicket, error) {
	scope, err := e.Scope(ctx, t)
	if err != nil {
		return nil, t, err
	}
	t.Version, t.Cell = scope.View.Snapshot(), scope.Region.Name
	s := &windowSource{Scope: scope, reader: e.cfg.Reader, tiling: tiling{area: scope.Area, size: t.Size, overlap: t.Overlap}, spare: e.heap}
	for _, sl := range s.Slices {
		s.ids = append(s.ids, sl.ID)
	}
	if s.bands, s.names, err = pickBands(s.Region.Group.Bands, t.Bands); err != nil {
		return nil, t, err
	}
	t.Normalise, err = s.convertBy(ctx, e.versions, t)
	return s, t, err
}

// findRegion finds what a ticket's windows are laid over: the cell or the resolution it names, else the
// resolution of its bands, else the first.
func findRegion(v *layout.View, t WindowTicket) (layout.Region, error) {
	name := t.Cell
	for _, g := range v.Groups() {
		if name == "" && len(t.Bands) > 0 && slices.Contains(g.BandNames(), t.Bands[0]) {
			name = g.Name
		}
	}
	r, err := v.Region(name)
	if err != nil {
		return r, inKey("cell", err)
	}
	return r, nil
}

// between returns the slices acquired from the first to the last time, both included; nil is all.
func between(all []cube.Slice, ends []string) ([]cube.Slice, error) {
	span := cube.Always()
	if ends != nil {
		var err error
		if span, err = cube.ParseSpan(ends[0], ends[1]); err != nil {
			return nil, inKey("time", err)
		}
	}
	var out []cube.Slice
	for _, s := range all {
		if span.Holds(s) {
			out = append(out, s)
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	if len(all) == 0 {
		return nil, fault.New(fault.NotFound, "the cube has no scenes yet").WithCure("ingest scenes first")
	}
	return nil, fault.New(fault.NotFound, "ticket: key \"time\": no scene from %s to %s", ends[0], ends[1]).
		WithCure("the cube has %d scenes from %s to %s", len(all), stamp(all[0].Time), stamp(all[len(all)-1].Time))
}

// inKey says which key of a ticket an error is about.
func inKey(key string, err error) error {
	return fault.New(fault.KindOf(err), "ticket: key %q: %w", key, err)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// pickBands finds bands by name, in the order wanted.
func pickBands(all []cube.Band, wanted []string) ([]int, []string, error) {
	known := make([]string, len(all))
	for i, b := range all {
		known[i] = b.Name
	}
	if wanted == nil {
		wanted = known
	}
	index := make([]int, len(wanted))
	for i, name := range wanted {
		if index[i] = slices.Index(known, name); index[i] < 0 {
			return nil, nil, fault.New(fault.NotFound, "ticket: key \"bands\": no band %q in the cube", name).
				WithCure("its bands are %s", strings.Join(known, ", "))
		}
		if slices.Contains(wanted[:i], name) {
			return nil, nil, fault.New(fault.Invalid, "ticket: key \"bands\": %q stands there twice", name).WithCure("name a band once")
		}
	}
	return index, wanted, nil
}

func (s *windowSource) shape() Shape {
	return Shape{
		Slots: len(s.Slices), Bands: len(s.bands), Height: s.tiling.size, Width: s.tiling.size,
		DType: s.values.dtype(), Placed: true,
	}
}

func (s *windowSource) fill(ctx context.Context, first uint64, dst []row) error {
	requests := make([]read.Request, len(dst))
	for i, r := range dst {
		place := s.tiling.at(first + uint64(i))
		*r.place = place // whose memory may be somebody else's, too
		*r.id = fmt.Sprintf("r%dc%d", place.Core.Row, place.Core.Col)
		for k, sl := range s.Slices {
			r.times[k] = sl.Micros()
		}
		at := s.Region.Spot(place.Window)
		requests[i] = read.Request{Cell: at.Cell, Slices: s.ids, Window: at.Window, Bands: s.bands}
	}
	image, valid := imagesOf(dst, 0)
	converted := image
	if s.values.float32s() {
		stored, release := s.values.under(image, s.spare)
		defer release()
		image = stored
	}
	report, err := s.reader.ReadMany(ctx, s.View, requests, image, valid)
	s.add(report.Cost)
	for i, why := range report.Errs {
		if why != nil {
			w := dst[i].place.Window
			return fault.New(fault.KindOf(why), "read window %d at row %d, column %d: %w", first+uint64(i), w.Row, w.Col, why)
		}
	}
	if err != nil || !s.values.float32s() {
		return err
	}
	return s.convert(ctx, converted, image, valid)
}

func (s *windowSource) pad(row) { panic("stream: window runs have no padding rows") }
