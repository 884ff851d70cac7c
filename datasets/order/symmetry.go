package order

import (
	"encoding/binary"

	"github.com/terrapin-eo/terrapin/fault"
)

// SymmetryAlgorithm is the name of the draw that Symmetries computes; a released one never changes.
const SymmetryAlgorithm = "terrapin-symmetry-1"

// Symmetry is how a window is laid: first Transposed, then Mirrored and Flipped, where these are set. 0 is as it lies
// on the ground.
type Symmetry uint8

// The parts of a symmetry; together they give the 8 of the square.
const (
	// Mirrored windows begin with their last column.
	Mirrored Symmetry = 1 << iota
	// Flipped windows begin with their last row.
	Flipped
	// Transposed windows have rows for columns.
	Transposed
)

// Augment is which symmetries are drawn.
type Augment string

// The sets of symmetries.
const (
	// Flips are the four without Transposed; windows of any shape have them.
	Flips Augment = "flips"
	// D4 are all 8 of the square.
	D4 Augment = "d4"
)

// Augments lists the sets.
func Augments() []string { return []string{string(Flips), string(D4)} }

// Check refuses rotations of windows that are not square.
func (a Augment) Check(height, width int) error {
	if a == D4 && height != width {
		return fault.New(fault.Invalid, "\"d4\" turns windows by right angles, and those of %d by %d pixels are not square", height, width).
			WithCure(`use "flips"`)
	}
	return nil
}

// Symmetries says how the window at each position of an epoch is laid. It is a small value, safe to copy and to share.
type Symmetries struct{ add, mul, shift uint64 }

// NewSymmetries draws from one of the sets.
func NewSymmetries(a Augment, digest, split string, seed, epoch uint64) Symmetries {
	sum := macOf(epochKey(seed, epoch, SymmetryAlgorithm, digest, split), []byte("symmetry"))
	s := Symmetries{add: binary.BigEndian.Uint64(sum), mul: binary.BigEndian.Uint64(sum[8:]) | 1, shift: 61}
	if a == Flips {
		s.shift = 62
	}
	return s
}

// At is the symmetry at a position.
func (s Symmetries) At(position uint64) Symmetry {
	return Symmetry(mix((position^s.add)*s.mul) >> s.shift)
}
