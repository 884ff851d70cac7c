package predictions

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"sync"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// Run is a run being written. Its methods may be called from several goroutines. From its first window
// until Publish or Abort, one of which ends every run, it holds the raster of its area in memory.
type Run struct {
	cfg    Config
	spec   RunSpec
	model  Registered
	region layout.Region
	slices []cube.Slice // in the order of time
	inputs string       // digest of all that decides the run's id

	mu      sync.Mutex
	data    []byte // [K, area height, area width]; nil before the first window
	valid   []byte // 1 = valid
	written []byte // 1 = some core covered it
	item    *Item  // once published
	closed  bool
}

// Begin begins a run. The model must be registered; what the spec leaves open is filled in from it and
// from the cube.
func Begin(ctx context.Context, cfg Config, s RunSpec) (*Run, error) {
	r := &Run{cfg: cfg, spec: s}
	var err error
	if r.model, err = OpenModel(ctx, cfg.Root, s.Model); err != nil {
		return nil, fault.New(fault.KindOf(err), "begin a prediction run: %w", err)
	}
	for _, step := range []func() error{r.fillCube, func() error { return r.fillDataset(ctx) }, r.fillBands, r.fillID} {
		if err := step(); err != nil {
			return nil, fault.New(fault.KindOf(err), "begin a run of model %q: %w", s.Model, err)
		}
	}
	old, err := readRun(ctx, cfg.Root, r.spec.Run)
	if err == nil && old.Inputs != r.inputs {
		return nil, r.taken(old)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	return r, nil
}

// fillCube settles cell, slices and area.
func (r *Run) fillCube() error {
	s := &r.spec
	if s.Cube == nil {
		return fault.New(fault.Internal, "no cube is given")
	}
	var err error
	if r.region, err = s.Cube.Region(s.Cell); err != nil {
		return err
	}
	s.Cell = r.region.Name
	if s.Area == (cube.Window{}) {
		s.Area = r.region.Grid.All()
	}
	if s.Area.Empty() || s.Area.Intersect(r.region.Grid.All()) != s.Area {
		return fault.New(fault.Invalid, "the area (row %d, column %d, %d×%d) does not lie in the grid of %d×%d", s.Area.Row, s.Area.Col,
			s.Area.Height, s.Area.Width, r.region.Grid.Height, r.region.Grid.Width).WithCure("choose an area inside of the cube")
	}
	if s.Slices == nil {
		r.slices = r.region.Reaching(s.Area)
	}
	for _, id := range s.Slices {
		sl, ok := s.Cube.Lookup(id)
		if !ok {
			return fault.New(fault.NotFound, "cube %q has no slice %s at snapshot %s", s.Cube.Spec().Name, id, s.Cube.Snapshot()).
				WithCure("name the slices that the windows were read from")
		}
		r.slices = append(r.slices, sl)
	}
	if len(r.slices) == 0 {
		return fault.New(fault.Invalid, "no scene of cube %q was read", s.Cube.Spec().Name).WithCure("ingest scenes first, or widen the time")
	}
	r.slices = slices.Clone(r.slices)
	slices.SortFunc(r.slices, func(a, b cube.Slice) int {
		if a.Less(b) {
			return -1
		}
		return 1
	})
	return nil
}

// fillDataset settles which version the model was trained on, which is not for a run to decide where
// the model says it.
func (r *Run) fillDataset(ctx context.Context) error {
	s, m := &r.spec, r.model
	if s.Dataset == "" {
		s.Dataset, s.DatasetDigest = m.Dataset, m.DatasetDigest
		return nil
	}
	if !reference.MatchString(s.Dataset) {
		return fault.New(fault.Invalid, "dataset %q is no version", s.Dataset).WithCure("name it NAME@vN")
	}
	if m.Dataset != "" && m.Dataset != s.Dataset {
		return fault.New(fault.Conflict, "it was trained on %s, not on %s", m.Dataset, s.Dataset).
			WithCure("leave the dataset out, or register the model that was trained on %s", s.Dataset)
	}
	known := m.DatasetDigest
	if known == "" && s.DatasetDigest == "" {
		var err error
		if known, err = datasetDigest(ctx, r.cfg.Root, s.Dataset); err != nil {
			return err
		}
	}
	if s.DatasetDigest == "" {
		s.DatasetDigest = known
	}
	if known != "" && known != s.DatasetDigest {
		return fault.New(fault.Conflict, "dataset %s has the digest %s, not %s", s.Dataset, known, s.DatasetDigest).WithCure("check which version was meant")
	}
	return nil
}

// fillBands settles names, type and classes.
func (r *Run) fillBands() error {
	s := &r.spec
	if len(s.Names) == 0 {
		return fault.New(fault.Invalid, "the bands of the prediction have no names").WithCure("name them, such as cropland")
	}
	for i, n := range s.Names {
		if n == "" || slices.Contains(s.Names[:i], n) {
			return fault.New(fault.Invalid, "band name %q is empty or stands there twice", n).WithCure("give each band a name of its own")
		}
	}
	switch s.DType {
	case cube.Uint8, cube.Int16, cube.Uint16, cube.Int32, cube.Uint32, cube.Float32, cube.Float64:
	default:
		return fault.New(fault.Unsupported, "predictions of type %q cannot be written as GeoTIFF", s.DType).WithCure("use uint8, int16, uint16, int32, uint32, float32 or float64")
	}
	if s.Classes == nil && !s.DType.Float() {
		s.Classes = r.model.Classes
	}
	if n, most := r.need(), r.cfg.memory(); n > most {
		return fault.New(fault.TooLarge, "the prediction takes %d MiB of memory; runs may hold %d", mebibytes(n), mebibytes(most)).
			WithCure("predict the area in parts, each a run of its own")
	}
	return nil
}

// fillID derives the run's id where none is given.
func (r *Run) fillID() error {
	s := r.spec
	ids := make([]cube.SliceID, len(r.slices))
	for i, sl := range r.slices {
		ids[i] = sl.ID
	}
	text, err := cube.Canonical(map[string]any{
		"model": s.Model, "model_digest": r.model.Digest, "dataset": s.Dataset, "dataset_digest": s.DatasetDigest,
		"cube": s.Cube.Spec().Name, "snapshot": s.Cube.Snapshot(), "cell": s.Cell, "slices": ids, "area": s.Area,
		"names": s.Names, "dtype": s.DType, "classes": s.Classes,
	})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	r.inputs = "sha256:" + hex.EncodeToString(sum[:])
	if s.Run == "" {
		r.spec.Run = hex.EncodeToString(sum[:16])
	}
	return cube.CheckName("run", r.spec.Run)
}

func (r *Run) taken(old runRecord) error {
	return fault.New(fault.Conflict, "run %q was published on %s by %s with another model, dataset, scenes or area", r.spec.Run,
		old.Created.Format("2006-01-02 15:04:05Z07:00"), old.Actor).WithCure("choose another run id, or leave it out")
}

// ID is the run's id.
func (r *Run) ID() string { return r.spec.Run }

// Write takes a window of the grid: data [K, h, w] in the run's type, and valid [h, w], not 0 where the
// prediction counts, or nil where all of it does; a pixel whose bands are all NaN never counts. Only
// core, a part of the window, is kept. A pixel may be written again with the same values, never with
// others.
func (r *Run) Write(w, core cube.Window, data, valid []byte) error {
	size, pixels := r.spec.DType.Size(), w.Height*w.Width
	if w.Empty() || core.Empty() || core.Intersect(w) != core {
		return fault.New(fault.Invalid, "run %s: window %+v with core %+v is none", r.ID(), w, core).WithCure("write the windows as they were read")
	}
	if len(data) != pixels*len(r.spec.Names)*size || valid != nil && len(valid) != pixels {
		return fault.New(fault.Invalid, "run %s: %d and %d bytes for a window of %d bands of %d×%d %s", r.ID(), len(data), len(valid),
			len(r.spec.Names), w.Height, w.Width, r.spec.DType).WithCure("send data as [%d, height, width] and valid as [height, width]", len(r.spec.Names))
	}
	in := core.Intersect(r.spec.Area)
	if in.Empty() {
		return fault.New(fault.Invalid, "run %s: the window at row %d, column %d lies outside of the run's area", r.ID(), core.Row, core.Col).
			WithCure("write windows of the area the run was begun with")
	}
	valid = r.withoutNaN(pixels, data, valid)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return fault.New(fault.Precondition, "run %s: written after its end", r.ID()).WithCure("begin a run")
	}
	if err := r.hold(); err != nil {
		return err
	}
	if row, col, ok := r.agrees(w, in, data, valid); !ok {
		return fault.New(fault.Conflict, "run %s: two windows predict different values at row %d, column %d", r.ID(), row, col).
			WithCure("let the cores of windows not overlap, or predict the same for both")
	}
	r.put(w, in, data, valid)
	return nil
}

// withoutNaN is the validity of a window without the pixels that have a NaN in every band.
func (r *Run) withoutNaN(pixels int, data, valid []byte) []byte {
	d := r.spec.DType
	if !d.Float() {
		return valid
	}
	var out []byte
	size, bands := d.Size(), len(r.spec.Names)
	for at := range pixels {
		k := 0
		for k < bands && math.IsNaN(d.Get(data[(k*pixels+at)*size:])) {
			k++
		}
		if k < bands {
			continue
		}
		if out == nil { // the caller's stays as it is
			if out = slices.Clone(valid); out == nil {
				out = bytes.Repeat([]byte{1}, pixels)
			}
		}
		out[at] = 0
	}
	if out == nil {
		return valid
	}
	return out
}

// each calls f with the offsets of every pixel of in: in the window w and in the run's area.
func (r *Run) each(w, in cube.Window, f func(from, to int) bool) (row, col int, ok bool) {
	a := r.spec.Area
	for row := in.Row; row < in.Row+in.Height; row++ {
		for col := in.Col; col < in.Col+in.Width; col++ {
			if !f((row-w.Row)*w.Width+col-w.Col, (row-a.Row)*a.Width+col-a.Col) {
				return row, col, false
			}
		}
	}
	return 0, 0, true
}

func (r *Run) agrees(w, in cube.Window, data, valid []byte) (row, col int, ok bool) {
	size, n, total := r.spec.DType.Size(), w.Height*w.Width, len(r.valid)
	return r.each(w, in, func(from, to int) bool {
		if r.written[to] == 0 {
			return true
		}
		is := valid == nil || valid[from] != 0
		if is != (r.valid[to] == 1) {
			return false
		}
		for k := 0; is && k < len(r.spec.Names); k++ {
			if !bytes.Equal(data[(k*n+from)*size:(k*n+from+1)*size], r.data[(k*total+to)*size:(k*total+to+1)*size]) {
				return false
			}
		}
		return true
	})
}

// put stores the pixels; those that do not count stay 0, so that they decide nothing.
func (r *Run) put(w, in cube.Window, data, valid []byte) {
	size, n, total := r.spec.DType.Size(), w.Height*w.Width, len(r.valid)
	r.each(w, in, func(from, to int) bool {
		r.written[to] = 1
		if valid != nil && valid[from] == 0 {
			return true
		}
		r.valid[to] = 1
		for k := range r.spec.Names {
			copy(r.data[(k*total+to)*size:(k*total+to+1)*size], data[(k*n+from)*size:])
		}
		return true
	})
}

// Abort forgets the run and gives its memory back; after Publish it does nothing.
func (r *Run) Abort() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.release()
}
