package labels

import (
	"context"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/labels/burn"
	"github.com/terrapin-eo/terrapin/store"
)

// widths are the types a set may take, the first that holds everything being taken.
var widths = []cube.DType{cube.Uint8, cube.Uint16, cube.Int16, cube.Int32, cube.Uint32, cube.Int64}

// frame settles the data type and the ignore value: those of the rasters in the ledger, else uint8
// and 255, the type widened where class values or the ignore value need it.
func (l *ledger) frame() error {
	l.DType, l.Ignore = cube.Uint8, unlabelled
	for _, f := range l.Features {
		if f.Mask != nil {
			l.DType, l.Ignore = f.Mask.DType, f.Mask.Ignore
			break
		}
	}
	for _, d := range append([]cube.DType{l.DType}, widths...) {
		if l.fits(d) {
			l.DType = d
			return nil
		}
	}
	return fault.New(fault.Invalid, "no data type holds all classes of the set").WithCure("use smaller class values")
}

func (l *ledger) fits(d cube.DType) bool {
	if !d.Holds(l.Ignore) {
		return false
	}
	for _, f := range l.Features {
		for _, v := range f.values() {
			if !d.Holds(float64(v)) {
				return false
			}
		}
	}
	return true
}

// burned is a ledger on its grid.
type burned struct {
	data []byte
	// extent is the smallest window that holds every labelled pixel.
	extent cube.Window
	// counts are the pixels each feature wrote, in order, before later ones wrote over them.
	counts []int
}

// maxBurned bounds the raster of a revision, which is drawn in memory as a whole.
const maxBurned = 4 << 30

// burn draws the features in order, later ones over earlier ones.
func (l *ledger) burn(ctx context.Context, root *store.Bucket) (burned, error) {
	size := l.DType.Size()
	if n := int64(l.Grid.Width) * int64(l.Grid.Height) * int64(size); n > maxBurned {
		return burned{}, fault.New(fault.TooLarge, "the class raster of %d×%d pixels of the cube takes %d MiB; %d are the most", l.Grid.Width, l.Grid.Height, n>>20, maxBurned>>20).
			WithCure("make a cube of the area that is labelled, and import the labels onto it")
	}
	out := burned{data: make([]byte, l.Grid.Width*l.Grid.Height*size), counts: make([]int, len(l.Features))}
	for i := 0; i < len(out.data); i += size {
		l.DType.Put(out.data[i:], l.Ignore)
	}
	box := extent{}
	for i, f := range l.Features {
		if err := ctx.Err(); err != nil {
			return burned{}, err
		}
		put := func(row, col int, v int64) {
			l.DType.Put(out.data[(row*l.Grid.Width+col)*size:], float64(v))
			box.add(row, col)
			out.counts[i]++
		}
		var err error
		if f.Mask != nil {
			err = f.Mask.draw(ctx, root, put)
		} else {
			err = f.draw(l.Grid, put)
		}
		if err != nil {
			return burned{}, fault.New(fault.KindOf(err), "burn feature %s of %s: %w", f.ID, f.Source, err)
		}
	}
	out.extent = box.window()
	return out, nil
}

// draw emits the pixels of a polygon.
func (f feature) draw(g cube.Grid, put func(row, col int, v int64)) error {
	p, err := f.Shape.place(g)
	if err != nil {
		return err
	}
	for _, poly := range p.polygons {
		burn.Spans(poly, g, func(row, from, until int) {
			for col := from; col < until; col++ {
				put(row, col, f.Value)
			}
		})
	}
	return nil
}

// draw emits the labelled pixels of a raster.
func (m *mask) draw(ctx context.Context, root *store.Bucket, put func(row, col int, v int64)) error {
	pixels := m.pixels
	if pixels == nil {
		a, err := zarr.OpenDense(ctx, root, m.Key)
		if err != nil {
			return err
		}
		pixels = make([]byte, m.Window.Height*m.Window.Width*m.DType.Size())
		if err := a.ReadWindow(ctx, cube.Window{Height: m.Window.Height, Width: m.Window.Width}, m.fill(), pixels); err != nil {
			return err
		}
	}
	size := m.DType.Size()
	for i := range m.Window.Height * m.Window.Width {
		if v := integer(m.DType, pixels[i*size:]); float64(v) != m.Ignore {
			put(m.Window.Row+i/m.Window.Width, m.Window.Col+i%m.Window.Width, v)
		}
	}
	return nil
}

// fill is the fill value of its array: the ignore value where the type holds it.
func (m *mask) fill() float64 {
	if m.DType.Holds(m.Ignore) {
		return m.Ignore
	}
	return 0
}

// extent grows around pixels.
type extent struct {
	any            bool
	r0, c0, r1, c1 int
}

func (e *extent) add(row, col int) {
	if !e.any {
		*e = extent{true, row, col, row, col}
		return
	}
	e.r0, e.c0, e.r1, e.c1 = min(e.r0, row), min(e.c0, col), max(e.r1, row), max(e.c1, col)
}

func (e *extent) window() cube.Window {
	if !e.any {
		return cube.Window{}
	}
	return cube.Window{Row: e.r0, Col: e.c0, Height: e.r1 - e.r0 + 1, Width: e.c1 - e.c0 + 1}
}

// chunk is the edge of a chunk of a label raster, that of a cube's chunks.
const chunk = 256

// writeRaster writes pixels as a plain Zarr array of rows and columns with every chunk stored, and
// notes the checksum of each of its objects.
func (r record) writeRaster(ctx context.Context, root *store.Bucket, key string, shape [2]int, d cube.DType, fill float64, attrs map[string]any, data []byte) error {
	a := zarr.Array{
		Shape: shape[:], Chunks: []int{chunk, chunk}, DType: d, Fill: fill, Dims: []string{"y", "x"}, Attrs: attrs,
	}
	files, err := zarr.WriteDense(ctx, root, key, a, data)
	if err != nil {
		return fault.New(fault.KindOf(err), "write %s: %w", key, err)
	}
	for name, sum := range files {
		r.Files[r.below(key+"/"+name)] = sum
	}
	return nil
}

// attributes tell other tools where the raster lies and what its values mean.
func (l ledger) attributes() map[string]any {
	values, names := []int64{}, ""
	for i, c := range l.classes() {
		if i > 0 {
			names += " "
		}
		values = append(values, c.Value)
		names += flagName(c.Name)
	}
	t := l.Grid.Transform
	x0, y0, x1, y1 := l.Grid.Bounds()
	attrs := map[string]any{
		"proj:code": l.Grid.CRS, "proj:transform": t, "proj:shape": []int{l.Grid.Height, l.Grid.Width},
		"spatial:transform": t, "spatial:bbox": []float64{x0, y0, x1, y1}, "spatial:dimensions": []string{"y", "x"},
		"_FillValue": l.Ignore,
	}
	if len(values) > 0 {
		attrs["flag_values"], attrs["flag_meanings"] = values, names
	}
	return attrs
}

// flagName makes a CF flag meaning of a class's name: words are joined by underscores.
func flagName(name string) string {
	out := []rune(name)
	for i, r := range out {
		if r == ' ' || r == '\t' || r == '\n' {
			out[i] = '_'
		}
	}
	return string(out)
}
