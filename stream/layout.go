package stream

import (
	"github.com/terrapin-eo/terrapin/cube"
)

// IDBytes is the length of a row's id in a message: ASCII, filled up with zero bytes.
const IDBytes = 32

// Column is one array of a message: [rows, Shape...] in C order, little-endian.
type Column struct {
	Name string `json:"name"`
	// DType is that of a number, or "ascii" for the bytes of an id.
	DType string `json:"dtype"`
	// Shape is that of one row; empty for a single number.
	Shape []int `json:"shape"`
	// Dims names the axes of Shape.
	Dims []string `json:"-"`
}

const ascii = "ascii"

func (c Column) rowBytes() int {
	n := 1
	if c.DType != ascii {
		n = cube.DType(c.DType).Size()
	}
	for _, k := range c.Shape {
		n *= k
	}
	return n
}

// The columns of a message, by their place in Columns where they are there; after the first two those of further
// resolutions, "image_20m" and "valid_20m".
const (
	imageColumn    = "image"
	validColumn    = "valid"
	timesColumn    = "times"
	labelColumn    = "label"
	idColumn       = "id"
	positionColumn = "position"
	weightColumn   = "weight"
	symmetryColumn = "symmetry"
	placeColumn    = "place"
)

// Columns are the arrays of a message of rows of this shape, in their order. A message of n rows is one block: each
// array begins at the first multiple of Align after the one before it, and the first at 0.
func (s Shape) Columns() []Column {
	var out []Column
	for _, i := range s.images() {
		image, valid := i.columns()
		out = append(out,
			Column{image, string(i.DType), []int{s.Slots, i.Bands, i.Height, i.Width}, []string{"time", "band", "y", "x"}},
			Column{valid, string(cube.Uint8), []int{s.Slots, i.Height, i.Width}, []string{"time", "y", "x"}})
	}
	out = append(out, Column{timesColumn, string(cube.Int64), []int{s.Slots}, []string{"time"}})
	if s.Label != "" {
		out = append(out, Column{labelColumn, string(s.Label), []int{s.Height, s.Width}, []string{"y", "x"}})
	}
	out = append(out, Column{Name: idColumn, DType: ascii, Shape: []int{IDBytes}}, Column{Name: positionColumn, DType: string(cube.Int64), Shape: []int{}})
	if s.Weighted {
		out = append(out, Column{Name: weightColumn, DType: string(cube.Float32), Shape: []int{}})
	}
	if s.Turned {
		out = append(out, Column{Name: symmetryColumn, DType: string(cube.Uint8), Shape: []int{}})
	}
	if s.Placed {
		// row, col, height and width of the window, then of its core.
		out = append(out, Column{Name: placeColumn, DType: string(cube.Int64), Shape: []int{8}})
	}
	return out
}

// BlockBytes is how long the block of a message of some rows is.
func (s Shape) BlockBytes(rows int) int {
	size := 0
	for _, c := range s.Columns() {
		size = aligned(size) + rows*c.rowBytes()
	}
	return aligned(size)
}

func aligned(n int) int { return (n + Align - 1) &^ (Align - 1) }
