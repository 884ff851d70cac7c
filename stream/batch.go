package stream

import (
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/fault"
)

// NoTime is the time of a padded slot.
const NoTime = math.MinInt64

// Shape is that of one row: a sample or a window. All rows of a run have the same.
type Shape struct {
	Slots, Bands, Height, Width int
	// Further are the images of further resolutions.
	Further []Image
	// DType is that of Image as it is sent; Label's is "" where there is no label.
	DType, Label cube.DType
	// Weighted rows carry a weight (tail "pad").
	Weighted bool
	// Turned rows say by which symmetry they are laid.
	Turned bool
	// Placed rows say where they and their cores lie (window runs).
	Placed bool
}

// Image is what a row has of one resolution: [slot, band, y, x], and validity [slot, y, x].
type Image struct {
	// Name is that of a further resolution, such as "20m"; "" is the first.
	Name                 string
	Bands, Height, Width int
	DType                cube.DType
}

// columns are the names of its columns.
func (i Image) columns() (image, valid string) {
	if i.Name == "" {
		return imageColumn, validColumn
	}
	return imageColumn + "_" + i.Name, validColumn + "_" + i.Name
}

// images are those of all resolutions.
func (s Shape) images() []Image {
	return append([]Image{{Bands: s.Bands, Height: s.Height, Width: s.Width, DType: s.DType}}, s.Further...)
}

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
	slots := float64(s.Slots)
	b := slots*8 + rowOverhead
	for _, i := range s.images() {
		b += float64(i.Height) * float64(i.Width) * slots * (float64(i.Bands)*float64(i.DType.Size()) + 1)
	}
	if s.Label != "" {
		b += float64(s.Height) * float64(s.Width) * float64(s.Label.Size())
	}
	return b
}

// mostRows is how many rows a message has at most, with the counts that follow the block in a frame; 0 where it carries none.
func (s Shape) mostRows() int {
	n := int(MaxMessageBytes / s.RowBytes())
	for n > 0 && s.BlockBytes(n)+ChunksBytes > MaxMessageBytes {
		n-- // a few at most: what lies between columns is not in RowBytes
	}
	return n
}

// Batch is consecutive rows of one step, in one block of memory. Numbers are little-endian, arrays in C order.
type Batch struct {
	// Step counts from 0 at the ticket's start; a step is cut into Parts messages, of which this is Part.
	Step        uint64
	Part, Parts int
	Rows        int
	Image       []byte // [rows, slot, band, y, x]
	Valid       []byte // [rows, slot, y, x]
	// Further are the same of further resolutions, in the order of Shape.Further.
	Further []Pixels
	Times   []int64 // [rows, slot], µs since 1970 UTC or NoTime
	Label   []byte  // [rows, y, x]; nil without labels
	IDs     []string
	// Positions in the order of the epoch; -1 is padding, whose weight is 0.
	Positions []int64
	Weights   []float32 // nil unless the run is weighted
	// Lost says of each row why it is masked: nil for those that are not, and altogether unless the run masks.
	Lost       []error
	Symmetries []byte // order.Symmetry of each row; nil unless they are turned
	// Places of window runs; nil otherwise.
	Places []Place
	// Chunks are those of the run up to this batch.
	Chunks Chunks

	names    []byte   // the ids again, [rows, IDBytes]
	arrays   [][]byte // all arrays, in the order of Shape.Columns
	block    *Block
	released atomic.Bool
	lent     []piece     // instead of parts of the block, by their place
	loans    *read.Loans // that they are of, or nil
}

// Place is where a window lies in the cell's grid, and which part of it is its own: the cores of all
// windows of a run partition the area.
type Place struct {
	Window cube.Window
	Core   cube.Window
}

// Pixels are an image and its validity.
type Pixels struct{ Image, Valid []byte }

// row is the i-th of some rows.
func (p Pixels) row(i, rows int) Pixels {
	image, valid := len(p.Image)/rows, len(p.Valid)/rows
	return Pixels{p.Image[i*image : (i+1)*image], p.Valid[i*valid : (i+1)*valid]}
}

// Arrays are all arrays as bytes, in the order of Shape.Columns.
func (b *Batch) Arrays() [][]byte { return b.arrays }

// Block is the memory that holds all arrays of the batch, laid out as Shape.Columns says.
func (b *Batch) Block() *Block { return b.block }

// Release gives the batch's memory back: nothing of it may be read afterwards. A batch that is never released is
// collected like everything else, where its memory is the heap.
func (b *Batch) Release() {
	if b.released.Swap(true) {
		return
	}
	if b.loans != nil {
		b.loans.Release()
	}
	b.block.release()
}

// Moves notes that the client takes something of the batch: a run none of whose batches moves for long may have to end.
func (b *Batch) Moves() {
	if b.block.moves != nil {
		b.block.moves()
	}
}

// newBatch lays the arrays of some rows out in a block, which may hold anything.
func newBatch(s Shape, rows int, block *Block) *Batch {
	b := &Batch{Rows: rows, IDs: make([]string, rows), Further: make([]Pixels, len(s.Further)), block: block}
	images := []*[]byte{&b.Image, &b.Valid} // the first columns
	for i := range b.Further {
		images = append(images, &b.Further[i].Image, &b.Further[i].Valid)
	}
	at := 0
	for k, c := range s.Columns() {
		part := block.Bytes[at : at+rows*c.rowBytes()]
		at += len(part)
		clear(block.Bytes[at:aligned(at)]) // the same batch is the same bytes
		at = aligned(at)
		b.arrays = append(b.arrays, part)
		if k < len(images) {
			*images[k] = part
			continue
		}
		switch c.Name {
		case timesColumn:
			b.Times = numbers[int64](part)
		case labelColumn:
			b.Label = part
		case idColumn:
			b.names = part
		case positionColumn:
			b.Positions = numbers[int64](part)
		case weightColumn:
			b.Weights = numbers[float32](part)
		case symmetryColumn:
			b.Symmetries = part
		case placeColumn:
			b.Places = numbers[Place](part)
		}
	}
	return b
}

// numbers are the bytes of an array as what they hold; they lie at a multiple of its size.
func numbers[T any](b []byte) []T {
	var one T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(one)))
}

// write puts the ids, which are ASCII, where the message has them.
func (b *Batch) write() error {
	for i, id := range b.IDs {
		at := b.names[i*IDBytes : (i+1)*IDBytes]
		if len(id) > IDBytes {
			return fault.New(fault.Internal, "the id %q is longer than %d bytes", id, IDBytes)
		}
		clear(at[copy(at, id):])
	}
	return nil
}

// row is the part of a batch that one sample or window fills.
type row struct {
	image, valid, label []byte
	further             []Pixels
	times               []int64
	id                  *string
	place               *Place
	lost                *error // nil where a row that cannot be read is an error
}

func (b *Batch) row(s Shape, i int) row {
	own := Pixels{b.Image, b.Valid}.row(i, b.Rows)
	r := row{image: own.Image, valid: own.Valid, times: b.Times[i*s.Slots : (i+1)*s.Slots], id: &b.IDs[i]}
	for _, p := range b.Further {
		r.further = append(r.further, p.row(i, b.Rows))
	}
	if b.Label != nil {
		r.label = b.Label[i*s.labelBytes() : (i+1)*s.labelBytes()]
	}
	if b.Lost != nil {
		r.lost = &b.Lost[i]
	}
	if b.Places != nil {
		r.place = &b.Places[i]
	}
	return r
}

// pixels are those of a resolution, the first is 0.
func (r row) pixels(i int) Pixels {
	if i == 0 {
		return Pixels{r.image, r.valid}
	}
	return r.further[i-1]
}

// blank makes everything zero that pad need not set.
func (r row) blank() {
	clear(r.image)
	clear(r.valid)
	for _, p := range r.further {
		clear(p.Image)
		clear(p.Valid)
	}
	clear(r.label)
	clear(r.times)
	if r.place != nil {
		*r.place = Place{}
	}
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
