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
	// Latency is how long after acquisition a scene can be used, where its source does not say.
	Latency time.Duration
	Actor   string
	Created time.Time
}

// Fill is the value of pixels that no source covers: Nodata, else 0.
func (s Spec) Fill() float64 {
	if s.Nodata == nil {
		return 0
	}
	return *s.Nodata
}

// BandNames lists the names in the order of the band axis.
func (s Spec) BandNames() []string {
	names := make([]string, len(s.Bands))
	for i, b := range s.Bands {
		names[i] = b.Name
	}
	return names
}

// ChunkSize is the edge of a chunk in pixels.
func (s Spec) ChunkSize() int {
	if s.Chunk == 0 {
		return DefaultChunk
	}
	return s.Chunk
}

// ImageChunkBytes and ValidChunkBytes are the sizes of the buffers that Stage.Write takes.
func (s Spec) ImageChunkBytes() int { return s.ValidChunkBytes() * s.DType.Size() }

// ValidChunkBytes is the number of values in a chunk: bands × edge × edge.
func (s Spec) ValidChunkBytes() int { return len(s.Bands) * s.ChunkSize() * s.ChunkSize() }

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
	return s.checkFlags()
}

// plain reports whether a cube has one group, one cell and no flags: format 1, which every release reads.
func (s Spec) plain() bool { return len(s.Further) == 0 && s.CellSize == 0 && len(s.Flags) == 0 }
