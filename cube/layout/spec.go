package layout

import (
	"encoding/json"
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
	if _, err := cube.ParseDType(string(s.DType)); err != nil {
		return err
	}
	if s.Nodata != nil && !s.DType.Holds(*s.Nodata) {
		return fault.New(fault.Invalid, "nodata %g does not fit %s", *s.Nodata, s.DType).WithCure("choose another nodata value or data type")
	}
	if s.Chunk < 0 || s.Chunk > 8192 {
		return fault.New(fault.Invalid, "chunks of %d pixels", s.Chunk).WithCure("choose an edge from 1 to 8192, usually 256")
	}
	if s.Latency < 0 {
		return fault.New(fault.Invalid, "latency %s is negative", s.Latency)
	}
	return s.checkBands()
}

func (s Spec) checkBands() error {
	if len(s.Bands) == 0 {
		return fault.New(fault.Invalid, "the cube has no bands").WithCure("name them, such as B02,B03,B04")
	}
	seen := map[string]bool{}
	for i, b := range s.Bands {
		switch {
		case b.Name == "":
			return fault.New(fault.Invalid, "band %d has no name", i+1).WithCure("name the bands, such as B02,B03,B04")
		case seen[b.Name]:
			return fault.New(fault.Invalid, "two bands are named %q", b.Name)
		}
		seen[b.Name] = true
	}
	if n := int64(s.ValidChunkBytes()) * int64(s.DType.Size()); n > 1<<30 {
		return fault.New(fault.TooLarge, "a chunk of %d bands × %d² pixels of %s has %d MiB", len(s.Bands), s.ChunkSize(), s.DType, n>>20).
			WithCure("choose a smaller chunk, so that one has a few MiB")
	}
	return nil
}

// specDoc is a spec as it stands in the repository.
type specDoc struct {
	Format     int          `json:"format"`
	Name       string       `json:"name"`
	Cells      []string     `json:"cells"`
	Grid       cube.Grid    `json:"grid"`
	WKT        string       `json:"wkt,omitempty"`
	Geographic bool         `json:"geographic"`
	Bands      []cube.Band  `json:"bands"`
	DType      cube.DType   `json:"dtype"`
	Nodata     *cube.Number `json:"nodata"`
	Chunk      int          `json:"chunk"`
	Latency    string       `json:"latency"`
	Actor      string       `json:"actor,omitempty"`
	Created    time.Time    `json:"created"`
}

const formatVersion = 1

// MarshalJSON writes the spec as it stands in the repository.
func (s Spec) MarshalJSON() ([]byte, error) { return json.Marshal(s.doc()) }

func (s Spec) doc() specDoc {
	return specDoc{
		Format: formatVersion, Name: s.Name, Cells: []string{s.cellPath()}, Grid: s.Grid, WKT: s.WKT, Geographic: s.Geographic,
		Bands: s.Bands, DType: s.DType, Nodata: cube.NumberOf(s.Nodata), Chunk: s.ChunkSize(), Latency: s.Latency.String(), Actor: s.Actor, Created: s.Created,
	}
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (s *Spec) UnmarshalJSON(text []byte) error {
	var d specDoc
	if err := json.Unmarshal(text, &d); err != nil {
		return err
	}
	if d.Format != formatVersion {
		return fault.New(fault.Unsupported, "cube format %d", d.Format).WithCure("use a newer release")
	}
	latency, err := time.ParseDuration(d.Latency)
	if err != nil {
		return err
	}
	*s = Spec{
		Name: d.Name, Grid: d.Grid, WKT: d.WKT, Geographic: d.Geographic, Bands: d.Bands, DType: d.DType,
		Nodata: (*float64)(d.Nodata), Chunk: d.Chunk, Latency: latency, Actor: d.Actor, Created: d.Created,
	}
	return s.Check()
}

// cellPath is the group of the one cell there is so far.
func (s Spec) cellPath() string { return "r0c0/" + s.Grid.ResolutionName(s.Geographic) }
