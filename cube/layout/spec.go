package layout

import (
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// DefaultChunk is the edge of a chunk, in pixels, where a spec names none.
const DefaultChunk = 256

// Spec is what a cube is told when it is created; it never changes afterwards.
type Spec struct {
	Name string
	Grid cube.Grid
	// WKT is the coordinate reference system spelt out, for readers without a register of codes.
	WKT string
	// Geographic is set where the grid's coordinates are degrees.
	Geographic bool
	Bands      []cube.Band
	DType      cube.DType
	// Nodata is the value of pixels without a measurement, NaN included; nil if the sources declare none.
	Nodata *float64
	// Chunk is the edge of a chunk in pixels; 0 means DefaultChunk.
	Chunk int
	// Further are the resolutions beside the one above, which is the first group.
	Further []Group
	// CellSize is the edge of a cell in pixels of the first group; 0 means one cell that is the whole frame.
	CellSize int
	// Flags are the bits of the flags array; without any there is no such array.
	Flags []Flag
	// Codec is how pixels are stored, in all groups.
	Codec Codec
	// Latency is how long after acquisition a scene can be used, where its source does not say.
	Latency time.Duration
	Actor   string
	Created time.Time
}

// first is the first group, which the spec's own fields describe; it is not named yet.
func (s Spec) first() Group {
	return Group{Grid: s.Grid, Bands: s.Bands, DType: s.DType, Nodata: s.Nodata, Chunk: s.Chunk}
}

// Fill is that of the first group.
func (s Spec) Fill() float64 { return s.first().Fill() }

// BandNames are those of the first group.
func (s Spec) BandNames() []string { return s.first().BandNames() }

// ChunkSize is that of the first group.
func (s Spec) ChunkSize() int { return s.first().ChunkSize() }

// ImageChunkBytes is that of the first group.
func (s Spec) ImageChunkBytes() int { return s.first().ImageChunkBytes() }

// ValidChunkBytes is that of the first group.
func (s Spec) ValidChunkBytes() int { return s.first().ValidChunkBytes() }

// Check refuses what cannot be a cube, with the cure.
func (s Spec) Check() error {
	if err := cube.CheckCubeName(s.Name); err != nil {
		return err
	}
	if err := s.Grid.Check(); err != nil {
		return err
	}
	if err := s.checkGroups(); err != nil {
		return err
	}
	if err := s.checkTiling(); err != nil {
		return err
	}
	if s.Latency < 0 {
		return fault.New(fault.Invalid, "latency %s is negative", s.Latency)
	}
	if err := s.Codec.check(); err != nil {
		return err
	}
	return s.checkFlags()
}

// plain reports whether a cube has one group, one cell and no flags: it is laid out as format 1 says.
func (s Spec) plain() bool { return len(s.Further) == 0 && s.CellSize == 0 && len(s.Flags) == 0 }
