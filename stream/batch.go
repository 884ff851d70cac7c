package stream

import (
	"math"

	"github.com/terrapin-eo/terrapin/cube"
)

// NoTime is the time of a padded slot.
const NoTime = math.MinInt64

// Shape is that of one row: a sample or a window. All rows of a run have the same.
type Shape struct {
	Slots, Bands, Height, Width int
	// DType is that of Image as it is sent; Label's is "" where there is no label.
	DType, Label cube.DType
	// Weighted rows carry a weight (tail "pad").
	Weighted bool
	// Placed rows say where they and their cores lie (window runs).
	Placed bool
}

func (s Shape) imageValues() int { return s.Slots * s.Bands * s.Height * s.Width }
func (s Shape) imageBytes() int  { return s.imageValues() * s.DType.Size() }
func (s Shape) validBytes() int  { return s.Slots * s.Height * s.Width }
func (s Shape) labelBytes() int {
	if s.Label == "" {
		return 0
	}
	return s.Height * s.Width * s.Label.Size()
}

// rowOverhead allows for id, position, weight and placing.
const rowOverhead = 192

// RowBytes is about what one row takes in a message, as a float64 because absurd tickets overflow.
func (s Shape) RowBytes() float64 {
	pixels := float64(s.Height) * float64(s.Width)
	slots := float64(s.Slots)
	b := pixels*slots*(float64(s.Bands)*float64(s.DType.Size())+1) + slots*8 + rowOverhead
	if s.Label != "" {
		b += pixels * float64(s.Label.Size())
	}
	return b
}

// Batch is consecutive rows of one step. Numbers are little-endian, arrays in C order.
type Batch struct {
	// Step counts from 0 at the ticket's start; a step is cut into Parts messages, of which this is Part.
	Step        uint64
	Part, Parts int
	Rows        int
	Image       []byte  // [rows, slot, band, y, x]
	Valid       []byte  // [rows, slot, y, x]
	Times       []int64 // [rows, slot], µs since 1970 UTC or NoTime
	Label       []byte  // [rows, y, x]; nil without labels
	IDs         []string
	// Positions in the order of the epoch; -1 is padding, whose weight is 0.
	Positions []int64
	Weights   []float32 // nil unless the run is weighted
	// Places of window runs; nil otherwise.
	Places []Place
}

// Place is where a window lies in the cell's grid, and which part of it is its own: the cores of all
// windows of a run partition the area.
type Place struct {
	Window cube.Window
	Core   cube.Window
}

// newBatch allocates the arrays of some rows.
func newBatch(s Shape, rows int) *Batch {
	b := &Batch{
		Rows:      rows,
		Image:     make([]byte, rows*s.imageBytes()),
		Valid:     make([]byte, rows*s.validBytes()),
		Times:     make([]int64, rows*s.Slots),
		IDs:       make([]string, rows),
		Positions: make([]int64, rows),
	}
	if s.Label != "" {
		b.Label = make([]byte, rows*s.labelBytes())
	}
	if s.Weighted {
		b.Weights = make([]float32, rows)
	}
	if s.Placed {
		b.Places = make([]Place, rows)
	}
	return b
}

// row is the part of a batch that one sample or window fills.
type row struct {
	image, valid, label []byte
	times               []int64
	id                  *string
	place               *Place
}

func (b *Batch) row(s Shape, i int) row {
	r := row{
		image: b.Image[i*s.imageBytes() : (i+1)*s.imageBytes()],
		valid: b.Valid[i*s.validBytes() : (i+1)*s.validBytes()],
		times: b.Times[i*s.Slots : (i+1)*s.Slots],
		id:    &b.IDs[i],
	}
	if b.Label != nil {
		r.label = b.Label[i*s.labelBytes() : (i+1)*s.labelBytes()]
	}
	if b.Places != nil {
		r.place = &b.Places[i]
	}
	return r
}

// fillValues writes one value over and over.
func fillValues(dst []byte, d cube.DType, v float64) {
	if len(dst) == 0 {
		return
	}
	d.Put(dst, v)
	for n := d.Size(); n < len(dst); n *= 2 {
		copy(dst[n:], dst[:n])
	}
}
